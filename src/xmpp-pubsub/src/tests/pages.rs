//! Pages of what is listed forwards, each behind the last entry of the one before.

use bus_domain::{Epoch, Limits, NodeId};
use bus_engine::EventRef;

use super::*;

/// The texts of `<first/>` and `<last/>`, and how many entries stand in front.
fn ends(answer: &str) -> Option<(String, String)> {
    let between = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}"))?;
        let (_, rest) = rest.split_once('>')?;
        rest.split_once('<').map(|(text, _)| text.to_owned())
    };
    Some((between("first")?, between("last")?))
}

/// All entries, one by one, and how often one had to be asked for.
async fn one_by_one(fixture: &Fixture, wrapped: impl Fn(&str) -> String, entry: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = "<max>1</max>".to_owned();
    loop {
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{after}</set>");
        let answer = fixture.ask(ALICE, "get", &wrapped(&set)).await;
        let Some((first, last)) = ends(&answer) else { return found };
        assert_eq!(first, last, "one at a time: {answer}");
        assert_eq!(answer.matches(entry).count(), 1, "{answer}");
        assert!(!found.contains(&first), "each once: {answer}");
        assert!(found.len() < 10, "it ends");
        after = format!("<max>1</max><after>{last}</after>");
        found.push(first);
    }
}

#[tokio::test]
async fn affiliations_of_a_node_are_found_one_by_one() {
    let fixture = Fixture::new().await;
    for member in ["bob@example.net", "carol@example.net"] {
        fixture.affiliate("news", member, Affiliation::Member).await;
    }
    let wrapped = |set: &str| {
        let content = "<affiliations node='news'/>";
        format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{content}{set}</pubsub>")
    };
    let found = one_by_one(&fixture, wrapped, "<affiliation ").await;
    assert_eq!(found, ["alice@example.org", "bob@example.net", "carol@example.net"]);
    let all = fixture.ask(ALICE, "get", &wrapped("")).await;
    assert_eq!((all.matches("<affiliation ").count(), ends(&all)), (3, None), "all fit: {all}");
    let exactly = fixture
        .ask(ALICE, "get", &wrapped("<set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set>"))
        .await;
    assert_eq!(exactly.matches("<affiliation ").count(), 3, "{exactly}");
}

#[tokio::test]
async fn subscriptions_of_an_entity_are_found_one_by_one() {
    let fixture = Fixture::new().await;
    for node in ["a", "b"] {
        fixture.create(node, AccessModel::Open).await;
    }
    for node in ["news", "a", "b"] {
        let subscribe = pubsub(&format!("<subscribe node='{node}' jid='{ALICE}'/>"));
        assert!(fixture.ask(ALICE, "set", &subscribe).await.contains("subscribed"));
    }
    let wrapped = |set: &str| {
        format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions/>{set}</pubsub>")
    };
    assert_eq!(one_by_one(&fixture, wrapped, "<subscription ").await.len(), 3);
}

#[tokio::test]
async fn nodes_are_found_one_by_one() {
    let fixture = Fixture::new().await;
    for node in ["a", "b"] {
        fixture.create(node, AccessModel::Open).await;
    }
    let wrapped = |set: &str| format!("<query xmlns='http://jabber.org/protocol/disco#items'>{set}</query>");
    assert_eq!(one_by_one(&fixture, wrapped, "<item ").await, ["a", "b", "news"]);
    let all = fixture.ask(ALICE, "get", &wrapped("")).await;
    assert_eq!((all.matches("<item ").count(), ends(&all)), (3, None), "all fit: {all}");
}

/// The longest page is the operator's; a list that is exactly as long is whole.
#[tokio::test]
async fn a_list_that_fits_into_a_page_has_no_other_one() {
    let limits = Limits { page_items_max: 3, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    let affiliations = owner("<affiliations node='news'/>");
    let subscriptions = pubsub("<subscriptions/>");
    let join = async |count: usize| {
        let name = format!("n{count}");
        fixture.create(&name, AccessModel::Open).await;
        fixture.affiliate("news", &format!("member{count}@example.net"), Affiliation::Member).await;
        let subscribe = pubsub(&format!("<subscribe node='{name}' jid='{ALICE}'/>"));
        assert!(fixture.ask(ALICE, "set", &subscribe).await.contains("subscribed"));
    };
    join(1).await;
    join(2).await;
    let subscribe = pubsub(&format!("<subscribe node='news' jid='{ALICE}'/>"));
    assert!(fixture.ask(ALICE, "set", &subscribe).await.contains("subscribed"));
    let lists = [(&affiliations, "<affiliation "), (&subscriptions, "<subscription ")];
    for (list, entry) in lists {
        let answer = fixture.ask(ALICE, "get", list).await;
        assert_eq!((answer.matches(entry).count(), ends(&answer)), (3, None), "{answer}");
    }
    for more in [3, 4] {
        join(more).await;
        for (list, entry) in lists {
            let answer = fixture.ask(ALICE, "get", list).await;
            assert_eq!((answer.matches(entry).count(), ends(&answer).is_some()), (3, true), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_one_may_not_see_is_passed_over_until_there_is_something() {
    let limits = Limits { page_items_max: 2, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    for number in 0..7 {
        fixture.create(&format!("hidden{number}"), AccessModel::Whitelist).await;
    }
    let page = "<query xmlns='http://jabber.org/protocol/disco#items'>\
                <set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set></query>";
    let answer = fixture.ask(BOB, "get", page).await;
    assert_eq!(ends(&answer), Some(("news".to_owned(), "news".to_owned())), "{answer}");
}

#[tokio::test]
async fn a_position_of_another_life_of_the_log_is_none() {
    let fixture = Fixture::new().await;
    for id in ["1", "2"] {
        fixture.publish("news", &format!("<item id='{id}'><n xmlns='urn:n'/></item>")).await;
    }
    let page = |set: &str| {
        pubsub(&format!("<items node='news'/><set xmlns='http://jabber.org/protocol/rsm'>{set}</set>"))
    };
    let (_, last) = ends(&fixture.ask(BOB, "get", &page("<max>1</max>")).await).expect("a page");
    let ids = fixture.engine.event_ids();
    let at = ids.parse_event_id(&last).expect("an event");
    let others =
        [EventRef { epoch: Epoch(at.epoch.0 + 1), ..at }, EventRef { node: NodeId(at.node.0 + 1), ..at }];
    for other in others {
        let set = format!("<max>1</max><after>{}</after>", ids.event_id(other));
        fixture.check(BOB, "get", &page(&set), "cancel/item-not-found").await;
    }
}

#[tokio::test]
async fn a_position_of_another_node_is_none_of_this_one() {
    let fixture = Fixture::new().await;
    fixture.create("other", AccessModel::Open).await;
    for node in ["news", "other"] {
        for id in ["1", "2"] {
            fixture.publish(node, &format!("<item id='{id}'><n xmlns='urn:n'/></item>")).await;
        }
    }
    let page = |node: &str, set: &str| {
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{set}</set>");
        pubsub(&format!("<items node='{node}'/>{set}"))
    };
    let (_, last) = ends(&fixture.ask(BOB, "get", &page("other", "<max>1</max>")).await).expect("a page");
    let behind = format!("<max>1</max><after>{last}</after>");
    assert!(fixture.ask(BOB, "get", &page("other", &behind)).await.contains("id='2'"));
    fixture.check(BOB, "get", &page("news", &behind), "cancel/item-not-found").await;
}
