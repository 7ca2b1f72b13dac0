//! Retrieval of items, by count, by id and by page.

use bus_domain::{AccessModel, Affiliation, Durability, Limits};
use bus_engine::Settings;

use super::*;

/// A result as item ids, the index and count of `<set/>`, and its first and last UID.
#[derive(Debug, PartialEq)]
struct Page {
    ids: Vec<String>,
    set: Option<(Option<String>, Option<String>)>,
    ends: Vec<String>,
}

async fn items(fixture: &Fixture, attributes: &str, inside: &str, set: &str) -> Page {
    let set = if set.is_empty() { String::new() } else { format!("<set xmlns='{RSM}'>{set}</set>") };
    let content = pubsub(&format!("<items node='news' {attributes}>{inside}</items>{set}"));
    read_page(&fixture.ask(BOB, "get", &content).await, "items")
}

const RSM: &str = "http://jabber.org/protocol/rsm";

fn read_page(answer: &str, wrapper: &str) -> Page {
    let answer = parse(answer);
    let items = answer.children().find(|child| child.name() == wrapper).expect("a list");
    let ids = items.children().filter_map(|item| item.attr("id")).map(str::to_owned).collect();
    let set = answer.get_child("set", "rsm");
    let text = |name: &str| set.and_then(|set| set.get_child(name, "rsm")).map(Element::text);
    let index = set.and_then(|set| set.get_child("first", "rsm")).and_then(|first| first.attr("index"));
    let ends = text("first").into_iter().chain(text("last")).collect();
    Page { ids, set: set.map(|_| (index.map(str::to_owned), text("count"))), ends }
}

async fn with_items(fixture: &Fixture, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        fixture.publish("news", &format!("<item id='{number}'><n xmlns='urn:n'>{number}</n></item>")).await;
    }
}

#[tokio::test]
async fn items_come_with_their_payloads_oldest_first() {
    let fixture = Fixture::new().await;
    fixture
        .publish("news", "<item id='&lt;1'><p:b xmlns:p='urn:b' p:c='&apos;'>&amp;<d/></p:b></item>")
        .await;
    let item = "<item id='&lt;1'><b xmlns='urn:b' xmlns:a0='urn:b' a0:c='&apos;'>&amp;\
                <d xmlns='pubsub'/></b></item>";
    let expected = format!("<pubsub xmlns='pubsub'><items node='news'>{item}</items></pubsub>");
    fixture.check(BOB, "get", &pubsub("<items node='news' subid='x'/>"), &expected).await;
}

#[tokio::test]
async fn a_node_without_items_says_what_it_lacks_and_shows_none() {
    let fixture = Fixture::new().await;
    for (node, durability) in [("logged", Durability::Fsync), ("transient", Durability::Memory)] {
        let config = NodeConfig { durability, persist_items: false, ..NodeConfig::default() };
        fixture.execute(node, Verb::Create(config)).await;
        fixture.publish(node, "<item id='1'><n xmlns='urn:n'/></item>").await;
        let unsupported = "cancel/feature-not-implemented+persistent-items";
        let items = pubsub(&format!("<items node='{node}'/>"));
        fixture.check(BOB, "get", &items, unsupported).await;
        let retract = pubsub(&format!("<retract node='{node}'><item id='1'/></retract>"));
        fixture.check(ALICE, "set", &retract, unsupported).await;
        let disco = format!("<query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>");
        let none = format!("<query xmlns='disco#items' node='{node}'/>");
        fixture.check(BOB, "get", &disco, &none).await;
    }
}

#[tokio::test]
async fn the_newest_items_and_those_of_given_ids() {
    let fixture = Fixture::new().await;
    with_items(&fixture, 1..=4).await;
    with_items(&fixture, 2..=2).await;
    for (attributes, inside, expected) in [
        ("", "", "1 3 4 2"),
        ("max_items='2'", "", "4 2"),
        ("max_items='99999999999'", "", "1 3 4 2"),
        ("", "<item id='4'/><item id='1'/><item id='x'/>", "1 4"),
        ("max_items='1'", "<item id='4'/><item id='1'/>", "1 4"),
        ("", "<item id='x'/>", ""),
    ] {
        let page = items(&fixture, attributes, inside, "").await;
        assert_eq!(page.ids.join(" "), expected, "{attributes} {inside}");
        assert_eq!(page.set, None, "all that was asked for is there");
    }
}

#[tokio::test]
async fn pages_go_through_all_items_whatever_happens_to_those_before() {
    let fixture = Fixture::new().await;
    with_items(&fixture, 1..=7).await;
    let first = items(&fixture, "max_items='1'", "", "<max>3</max>").await;
    assert_eq!(first.ids, ["1", "2", "3"]);
    assert_eq!(first.set, Some((Some("0".to_owned()), Some("7".to_owned()))));
    fixture.ask(ALICE, "set", &pubsub("<retract node='news'><item id='3'/></retract>")).await;
    with_items(&fixture, 1..=1).await;
    let after = format!("<max>3</max><after>{}</after>", first.ends[1]);
    let second = items(&fixture, "", "", &after).await;
    assert_eq!(second.ids, ["4", "5", "6"]);
    assert_eq!(second.set, Some((Some("1".to_owned()), Some("6".to_owned()))));
    let after = format!("<after>{}</after>", second.ends[1]);
    assert_eq!(items(&fixture, "", "", &after).await.ids, ["7", "1"]);
    let before = format!("<max>2</max><before>{}</before>", second.ends[0]);
    assert_eq!(items(&fixture, "", "", &before).await.ids, ["2"]);
    for (set, expected) in
        [("<max>2</max><before/>", "7 1"), ("<max>2</max><index>1</index>", "4 5"), ("<index>6</index>", "")]
    {
        let page = items(&fixture, "", "", set).await;
        assert_eq!(page.ids.join(" "), expected, "{set}");
        assert_eq!(page.set.expect("a set").1.as_deref(), Some("6"));
    }
    let counted = items(&fixture, "", "", "<max>0</max>").await;
    assert_eq!(counted, Page { ids: vec![], set: Some((None, Some("6".to_owned()))), ends: vec![] });
}

#[tokio::test]
async fn a_position_counts_only_in_its_node_and_epoch() {
    let fixture = Fixture::new().await;
    with_items(&fixture, 1..=2).await;
    fixture.create("other", AccessModel::Open).await;
    let uid = items(&fixture, "", "", "<max>1</max>").await.ends[0].clone();
    let page = |node: &str, uid: &str| {
        pubsub(&format!("<items node='{node}'/><set xmlns='{RSM}'><after>{uid}</after></set>"))
    };
    fixture.check(BOB, "get", &page("other", &uid), "cancel/item-not-found").await;
    fixture.check(BOB, "get", &page("news", "forged"), "cancel/item-not-found").await;
    fixture.ask(ALICE, "set", &owner("<delete node='news'/>")).await;
    fixture.create("news", AccessModel::Open).await;
    fixture.check(BOB, "get", &page("news", &uid), "cancel/item-not-found").await;
}

#[tokio::test]
async fn what_does_not_fit_is_announced() {
    let limits = Limits { page_items_max: 3, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    with_items(&fixture, 1..=4).await;
    let newest = items(&fixture, "", "", "").await;
    assert_eq!(newest.ids, ["2", "3", "4"]);
    assert_eq!(newest.set, Some((Some("1".to_owned()), Some("4".to_owned()))));
    let rest = format!("<before>{}</before>", newest.ends[0]);
    assert_eq!(items(&fixture, "", "", &rest).await.ids, ["1"]);
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_at_the_right_end() {
    let fixture = Fixture::with(Settings::default(), 17 * 1024).await;
    for number in 1..=4 {
        let payload = "x".repeat(300);
        fixture.publish("news", &format!("<item id='{number}'><n xmlns='urn:n'>{payload}</n></item>")).await;
    }
    let newest = items(&fixture, "", "", "").await;
    assert_eq!(newest.ids, ["3", "4"]);
    assert_eq!(newest.set, Some((Some("2".to_owned()), Some("4".to_owned()))));
    let first = items(&fixture, "", "", "<max>9</max>").await;
    assert_eq!(first.ids, ["1", "2"]);
    assert_eq!(items(&fixture, "", "", "<max>9</max><before/>").await.ids, ["3", "4"]);
    let before = format!("<before>{}</before>", newest.ends[1]);
    assert_eq!(items(&fixture, "", "", &before).await.ids, ["2", "3"]);
    let by_id = items(&fixture, "", "<item id='1'/><item id='2'/><item id='4'/>", "").await;
    assert_eq!(by_id.ids, ["1", "2"]);
    assert!(by_id.set.is_some());
}

#[tokio::test]
async fn items_are_for_those_who_may_read() {
    let fixture = Fixture::new().await;
    fixture.create("closed", AccessModel::Whitelist).await;
    fixture.affiliate("news", "eve@example.net", Affiliation::Outcast).await;
    fixture.affiliate("closed", "carol@example.net", Affiliation::Member).await;
    let empty = "<pubsub xmlns='pubsub'><items node='closed'/></pubsub>";
    let set = |inside: &str| format!("<items node='news'/><set xmlns='{RSM}'>{inside}</set>");
    for (from, content, expected) in [
        (BOB, "<items node='none'/>".to_owned(), "cancel/item-not-found"),
        (BOB, "<items/>".to_owned(), "modify/bad-request+nodeid-required"),
        (BOB, "<items node='closed'/>".to_owned(), "cancel/not-allowed+closed-node"),
        ("carol@example.net/x", "<items node='closed'/>".to_owned(), empty),
        ("eve@example.net/x", "<items node='news'/>".to_owned(), "auth/forbidden"),
        (BOB, "<items node='news' max_items='0'/>".to_owned(), "modify/bad-request"),
        (BOB, "<items node='news' max_items='-1'/>".to_owned(), "modify/bad-request"),
        (BOB, "<items node='news' max_items='all'/>".to_owned(), "modify/bad-request"),
        (BOB, "<items node='news'><item/></items>".to_owned(), "modify/bad-request+item-required"),
        (BOB, set("<max>-1</max>"), "modify/bad-request"),
        (BOB, set("<after>x</after><before>y</before>"), "modify/bad-request"),
    ] {
        fixture.check(from, "get", &pubsub(&content), expected).await;
    }
}
