//! Commands of more than one stage, and their bounds.

use bus_domain::Limits;
use bus_engine::{NoticeAbout, Settings};

use super::*;

const LIST_NODES: &str = "urn:stanzabus:command:1#list-nodes";
const GET_PENDING: &str = "http://jabber.org/protocol/pubsub#get-pending";

impl Fixture {
    /// Sends a command and says what the answer holds.
    async fn command(&self, from: &str, node: &str, attributes: &str, field: Option<(&str, &str)>) -> String {
        let form = field.map(|(var, value)| {
            let field = format!("<field var='{var}'><value>{value}</value></field>");
            format!("<x xmlns='jabber:x:data' type='submit'>{field}</x>")
        });
        let form = form.unwrap_or_default();
        let namespace = "http://jabber.org/protocol/commands";
        let command = format!("<command xmlns='{namespace}' node='{node}' {attributes}>{form}</command>");
        self.ask(from, "set", &command).await
    }
}

/// The value of an attribute of `<command/>`.
fn attribute<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!(" {name}='")).unwrap_or_else(|| panic!("no {name}: {answer}"));
    rest.split('\'').next().unwrap()
}

/// The first cell of each row.
fn rows(answer: &str) -> Vec<&str> {
    let rows = answer.split("<item>").skip(1);
    rows.map(|row| row.split("<value>").nth(1).unwrap().split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn lists_are_paged_forwards_and_back() {
    let limits = Limits { page_items_max: 2, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    for node in ["a", "b", "c", "d"] {
        fixture.create(node, AccessModel::Whitelist).await;
    }
    let first = fixture.command(ADMIN, LIST_NODES, "", None).await;
    assert_eq!((rows(&first), attribute(&first, "status")), (vec!["a", "b"], "executing"));
    assert!(first.contains("<actions execute='next'><next/><complete/></actions>"), "{first}");
    let session = format!("sessionid='{}'", attribute(&first, "sessionid"));
    let act = async |action: &str| {
        fixture.command(ADMIN, LIST_NODES, &format!("{session} action='{action}'"), None).await
    };
    assert_eq!(act("prev").await, "modify/bad-request+bad-action", "there is nothing before the first page");
    let second = act("next").await;
    assert_eq!((rows(&second), attribute(&second, "status")), (vec!["c", "d"], "executing"));
    assert!(second.contains("<actions execute='next'><prev/><next/><complete/></actions>"), "{second}");
    assert_eq!(rows(&act("prev").await), ["a", "b"]);
    assert_eq!(rows(&act("execute").await), ["c", "d"]);
    let last = act("next").await;
    assert_eq!((rows(&last), attribute(&last, "status")), (vec!["news"], "completed"));
    assert_eq!(act("next").await, "cancel/not-allowed+session-expired");

    let again = fixture.command(ADMIN, LIST_NODES, "", None).await;
    let session = format!("sessionid='{}' action='complete'", attribute(&again, "sessionid"));
    let completed = fixture.command(ADMIN, LIST_NODES, &session, None).await;
    assert_eq!((rows(&completed), attribute(&completed, "status")), (vec![], "completed"));
}

#[tokio::test]
async fn a_page_that_does_not_fit_leaves_the_session_where_it_is() {
    let limits = Limits { page_items_max: 1, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 4 * 1024).await;
    for node in ["a".to_owned(), "&".repeat(1_000)] {
        fixture.create(&node, AccessModel::Whitelist).await;
    }
    let too_long = "modify/not-acceptable";
    assert_eq!(fixture.command(ADMIN, LIST_NODES, "", None).await, too_long, "no session begins");
    fixture.execute(&"&".repeat(1_000), Verb::Delete(None)).await;
    fixture.create(&format!("b{}", "&".repeat(1_000)), AccessModel::Whitelist).await;
    let first = fixture.command(ADMIN, LIST_NODES, "", None).await;
    assert_eq!(rows(&first), ["a"]);
    let session = format!("sessionid='{}'", attribute(&first, "sessionid"));
    let act = async |action: &str| {
        fixture.command(ADMIN, LIST_NODES, &format!("{session} action='{action}'"), None).await
    };
    assert_eq!([act("next").await, act("next").await], [too_long; 2]);
    assert_eq!(
        act("prev").await,
        "modify/bad-request+bad-action",
        "the first page is still the one that it shows"
    );
    assert_eq!(attribute(&act("complete").await, "status"), "completed");
}

#[tokio::test]
async fn those_who_wait_come_behind_those_who_are_subscribed() {
    let limits = Limits { page_items_max: 2, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    fixture.create("asked", AccessModel::Authorize).await;
    for user in ["a", "b", "c", "d"] {
        subscribe(&fixture, "asked", user).await;
    }
    for user in ["b", "d"] {
        fixture.affiliate("asked", &format!("{user}@example.net"), Affiliation::Member).await;
    }
    let node = "urn:stanzabus:command:1#node-subscriptions";
    let form = fixture.command(ADMIN, node, "", None).await;
    let session = format!("sessionid='{}'", attribute(&form, "sessionid"));
    // Who is approved is subscribed anew.
    let first = fixture.command(ADMIN, node, &session, Some(("node", "asked"))).await;
    assert_eq!(rows(&first), ["b@example.net", "d@example.net", "a@example.net", "c@example.net"]);
    assert_eq!(attribute(&first, "status"), "completed");
}

#[tokio::test]
async fn very_many_requests_for_approval_are_sent_in_portions() {
    const WAITING: usize = 230;
    let fixture = Fixture::new().await;
    fixture.create("asked", AccessModel::Authorize).await;
    for number in 0..WAITING {
        subscribe(&fixture, "asked", &format!("u{number}")).await;
    }
    take_approvals(&fixture, WAITING, "alice@example.org").await;
    let form = fixture.command(ALICE, GET_PENDING, "", None).await;
    let session = format!("sessionid='{}'", attribute(&form, "sessionid"));
    let first = fixture.command(ALICE, GET_PENDING, &session, Some(("pubsub#node", "asked"))).await;
    assert_eq!(attribute(&first, "status"), "executing", "{first}");
    assert!(first.contains("100; there are more"), "{first}");
    let asked = take_approvals(&fixture, 100, ALICE).await;
    assert_eq!((&*asked[0], &*asked[99]), ("u0@example.net", "u99@example.net"), "the oldest ones first");
    let next = format!("{session} action='next'");
    let second = fixture.command(ALICE, GET_PENDING, &next, None).await;
    assert!(second.contains("<actions execute='next'><next/><complete/></actions>"), "{second}");
    take_approvals(&fixture, 100, ALICE).await;
    let prev = format!("{session} action='prev'");
    assert_eq!(fixture.command(ALICE, GET_PENDING, &prev, None).await, "modify/bad-request+bad-action");
    // Clients send forms where none is asked for.
    let rest = fixture.command(ALICE, GET_PENDING, &next, Some(("other", ""))).await;
    assert_eq!(attribute(&rest, "status"), "completed", "{rest}");
    let asked = take_approvals(&fixture, 30, ALICE).await;
    assert_eq!((&*asked[0], &*asked[29]), ("u200@example.net", "u229@example.net"));
}

#[tokio::test]
async fn an_error_says_which_session_it_is_of() {
    let fixture = Fixture::new().await;
    let form = fixture.command(ADMIN, "urn:stanzabus:command:1#purge-node", "", None).await;
    let session = attribute(&form, "sessionid");
    let attributes = format!("node='urn:stanzabus:command:1#purge-node' sessionid='{session}'");
    let command = format!("<command xmlns='http://jabber.org/protocol/commands' {attributes}/>");
    let answer = fixture.service.handle(&iq(ADMIN, DOMAIN, "set", &command)).await.concat();
    assert!(answer.contains(&format!("{command}<error ")), "{answer}");
    let long = command.replace(session, &"&amp;".repeat(100_000));
    let answer = fixture.service.handle(&iq(ADMIN, DOMAIN, "set", &long)).await.concat();
    assert!(answer.contains("bad-sessionid") && answer.len() < 1_000, "{}", answer.len());
}

#[tokio::test]
async fn long_names_of_others_leave_a_form_short() {
    let fixture = Fixture::new().await;
    for number in 0..20 {
        let node = format!("{number:02}{}", "&".repeat(1_000));
        fixture.create(&node, AccessModel::Authorize).await;
        subscribe(&fixture, &node, "u").await;
    }
    let form = fixture.command(ADMIN, GET_PENDING, "", None).await;
    assert_eq!(form.matches("<option>").count(), 16);
    assert!(form.contains("<note type='info'>There are more nodes"), "{form:.300}");
}

#[tokio::test]
async fn an_owner_has_no_more_messages_sent_than_leave_room_for_others() {
    const PORTION: usize = 50;
    let fixture = Fixture::new().await;
    fixture.create("asked", AccessModel::Authorize).await;
    for number in 0..PORTION {
        subscribe(&fixture, "asked", &format!("u{number}")).await;
    }
    let mut portions = 0;
    loop {
        let form = fixture.command(ALICE, GET_PENDING, "", None).await;
        let session = format!("sessionid='{}'", attribute(&form, "sessionid"));
        let answer = fixture.command(ALICE, GET_PENDING, &session, Some(("pubsub#node", "asked"))).await;
        if answer == "wait/resource-constraint" {
            break;
        }
        portions += 1;
        assert!(portions * PORTION <= 5_000, "{answer}");
    }
    assert_eq!((portions + 1) * PORTION, 5_000, "with those that nobody has asked for");
}

async fn subscribe(fixture: &Fixture, node: &str, user: &str) {
    let jid = Jid::new(&format!("{user}@example.net")).unwrap();
    let (actor, node) = (Actor::new(jid.clone(), Role::User), NodeName::new(node).unwrap());
    fixture.engine.execute(Command { actor, node, verb: Verb::Subscribe(jid.into()) }).await.unwrap();
}

/// Whom the next requests for approval to `to` are about.
async fn take_approvals(fixture: &Fixture, count: usize, to: &str) -> Vec<String> {
    let mut asked = Vec::new();
    while asked.len() < count {
        let notice = fixture.engine.next_notice().await;
        assert_eq!(notice.to.as_str(), to);
        let NoticeAbout::Approval(waiting) = notice.about else { panic!("{:?}", notice.about) };
        asked.push(waiting.jid.to_string());
    }
    asked
}

#[tokio::test]
async fn affiliations_and_subscriptions_of_a_node_are_paged_by_commands() {
    let limits = Limits { page_items_max: 2, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    for user in ["b", "c", "d"] {
        fixture.affiliate("news", &format!("{user}@example.net"), Affiliation::Member).await;
        subscribe(&fixture, "news", user).await;
    }
    subscribe(&fixture, "news", "e").await;
    for (command, pages) in [
        ("node-affiliations", [["alice@example.org", "b@example.net"], ["c@example.net", "d@example.net"]]),
        ("node-subscriptions", [["b@example.net", "c@example.net"], ["d@example.net", "e@example.net"]]),
    ] {
        let node = format!("urn:stanzabus:command:1#{command}");
        let form = fixture.command(ADMIN, &node, "", None).await;
        let session = format!("sessionid='{}'", attribute(&form, "sessionid"));
        let first = fixture.command(ADMIN, &node, &session, Some(("node", "news"))).await;
        assert_eq!(
            (rows(&first), attribute(&first, "status")),
            (pages[0].to_vec(), "executing"),
            "{command}"
        );
        let last = fixture.command(ADMIN, &node, &format!("{session} action='next'"), None).await;
        assert_eq!((rows(&last), attribute(&last, "status")), (pages[1].to_vec(), "completed"), "{command}");
    }
}

#[tokio::test]
async fn a_first_request_executes() {
    let fixture = Fixture::new().await;
    for action in ["complete", "next", "prev"] {
        let answer = fixture.command(ALICE, GET_PENDING, &format!("action='{action}'"), None).await;
        assert_eq!(answer, "modify/bad-request+bad-sessionid", "{action}");
    }
    let answer = fixture.command(ALICE, GET_PENDING, "action='execute'", None).await;
    assert!(answer.starts_with("<command"), "{answer}");
}

/// An answer is as long as the stream takes and not a byte longer, whatever the id of its session will be.
#[tokio::test]
async fn an_answer_to_a_command_fits_to_the_byte() {
    let ask = async |answer_bytes_max: usize| {
        let fixture = Fixture::with(Settings::default(), answer_bytes_max).await;
        let command = format!("<command xmlns='http://jabber.org/protocol/commands' node='{GET_PENDING}'/>");
        fixture.service.handle(&iq(ALICE, DOMAIN, "set", &command)).await.pop().expect("an answer")
    };
    let whole = ask(480 * 1024).await;
    let id_bytes = attribute(&whole, "sessionid").len();
    let longest = whole.len() + 64 - id_bytes;
    assert_eq!(ask(longest).await.len(), whole.len());
    assert!(ask(longest - 1).await.contains("type='error'"));
}

#[tokio::test]
async fn admins_are_shown_all_commands_by_their_names() {
    let fixture = Fixture::new().await;
    let list =
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>";
    let answer = fixture.ask(ADMIN, "get", list).await;
    let names = answer.split(" name='").skip(1).map(|rest| rest.split('\'').next().unwrap());
    let expected = [
        "Delete a node",
        "Inspect a node",
        "List the affiliations of a node",
        "List the affiliations of a user",
        "List the nodes",
        "List the subscriptions of a user",
        "List the subscriptions to a node",
        "Remove all items of a node",
    ];
    let names: std::collections::BTreeSet<_> = names.collect();
    assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(names.len(), expected.len() + 1, "and who waits for approval: {names:?}");
}
