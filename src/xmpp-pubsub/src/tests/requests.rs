//! The order of answers over the real service.

use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::{Inbound, ReplySender, RequestGauges, RequestLimits, RequestLoad, run};

struct Replies(mpsc::Sender<String>);

impl ReplySender for Replies {
    async fn send(&self, answer: Vec<String>) {
        for stanza in answer {
            self.0.send(stanza).await.expect("the test reads the replies");
        }
    }

    fn stanza_bytes_max(&self) -> usize {
        usize::MAX
    }
}

fn numbered(from: &str, number: usize, kind: &str, content: &str) -> Inbound {
    let head = format!("<iq type='{kind}' from='{from}' to='{DOMAIN}' id='{number}'>");
    Inbound::Stanza(parse(&format!("{head}{content}</iq>")))
}

/// Runs all stanzas through and returns the answers as (to, id, outcome), in the order in which they left.
async fn answers(
    fixture: &Fixture,
    limits: RequestLimits,
    stanzas: Vec<Inbound>,
) -> Vec<(String, usize, String)> {
    let (sender, inbound) = mpsc::channel(stanzas.len());
    let (replies, mut received) = mpsc::channel(1);
    for stanza in stanzas {
        sender.try_send(stanza).unwrap();
    }
    drop(sender);
    let sender = Replies(replies);
    let reading = async {
        let mut all = Vec::new();
        while let Some(answer) = received.recv().await {
            let answer = parse(&answer);
            let attribute = |name| answer.attr(name).expect("an attribute").to_owned();
            all.push((attribute("to"), attribute("id").parse().unwrap(), outcome(&answer)));
        }
        all
    };
    let running = async {
        run(&fixture.service, limits, inbound, &sender, &RequestGauges::default()).await;
        drop(sender);
    };
    let both = futures::future::join(running, reading);
    tokio::time::timeout(Duration::from_mins(1), both).await.expect("it ends by itself").1
}

#[tokio::test]
async fn a_senders_requests_are_answered_in_order_and_see_what_came_before() {
    let fixture = Fixture::new().await;
    let mut stanzas = Vec::new();
    for number in 0..60 {
        for sender in ["alice@example.org/a", "alice@example.org/b", "admin@example.org/c"] {
            let node = sender.rsplit('/').next().unwrap();
            let item = format!("<publish node='{node}'><item id='{number}'><b/></item></publish>");
            stanzas.push(match number {
                0 => numbered(sender, number, "set", &pubsub(&format!("<create node='{node}'/>"))),
                59 => numbered(sender, number, "get", &pubsub(&format!("<items node='{node}'/>"))),
                30 => numbered(sender, number, "get", "<nonsense/>"),
                _ => numbered(sender, number, "set", &pubsub(&item)),
            });
        }
    }
    let commits_before = fixture.engine.statistics().snapshot().commits;
    let all = answers(&fixture, RequestLimits::default(), stanzas).await;
    assert_eq!(all.len(), 180);
    for sender in ["alice@example.org/a", "alice@example.org/b", "admin@example.org/c"] {
        let own: Vec<_> = all.iter().filter(|(to, ..)| to == sender).collect();
        let numbers: Vec<_> = own.iter().map(|(_, number, _)| *number).collect();
        assert_eq!(numbers, (0..60).collect::<Vec<_>>(), "{sender}");
        let items = parse(&own[59].2);
        let ids = items.children().flat_map(Element::children).filter_map(|item| item.attr("id"));
        let expected: Vec<_> =
            (1..59).filter(|number| *number != 30).map(|number| number.to_string()).collect();
        assert_eq!(
            ids.collect::<Vec<_>>(),
            expected,
            "published in order, and all of them before the reading"
        );
    }
    let commits = fixture.engine.statistics().snapshot().commits - commits_before;
    assert!(commits < 100, "publishes share commits: {commits} for 174 changes");
}

/// More than a task may do before the runtime interrupts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_bursts_of_publishes_are_stored_in_order() {
    const PUBLISHES: usize = 99;
    let fixture = Fixture::new().await;
    let sender = "alice@example.org/a";
    for round in 0..40 {
        let node = format!("r{round}");
        let create = pubsub(&format!("<create node='{node}'/>"));
        let mut stanzas = vec![numbered(sender, 0, "set", &create)];
        stanzas.extend((1..=PUBLISHES).map(|number| {
            let item = format!("<publish node='{node}'><item id='{number}'><b/></item></publish>");
            numbered(sender, number, "set", &pubsub(&item))
        }));
        let list = pubsub(&format!("<items node='{node}'/>"));
        stanzas.push(numbered(sender, PUBLISHES + 1, "get", &list));
        let all = answers(&fixture, RequestLimits::default(), stanzas).await;
        let items = parse(&all[PUBLISHES + 1].2);
        let ids = items.children().flat_map(Element::children).filter_map(|item| item.attr("id"));
        let expected: Vec<_> = (1..=PUBLISHES).map(|number| number.to_string()).collect();
        assert_eq!(ids.collect::<Vec<_>>(), expected, "round {round}");
    }
}

#[tokio::test]
async fn over_a_limit_a_request_is_busy_and_still_answered_once() {
    let fixture = Fixture::new().await;
    let publish = pubsub("<publish node='news'><item><b/></item></publish>");
    let limits = RequestLimits { requests_per_sender_max: 3, ..RequestLimits::default() };
    let stanzas = (0..200).map(|number| numbered(ALICE, number, "set", &publish)).collect();
    let all = answers(&fixture, limits, stanzas).await;
    let mut numbers: Vec<_> = all.iter().map(|(_, number, _)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    let busy = all.iter().filter(|(.., outcome)| outcome == "wait/resource-constraint").count();
    assert!((1..=197).contains(&busy), "{busy}");
}

#[tokio::test]
async fn rejected_stanzas_are_answered_behind_the_senders_earlier_requests() {
    let fixture = Fixture::new().await;
    let publish = pubsub("<publish node='news'><item><b/></item></publish>");
    let head = parse(&format!("<iq type='set' from='{ALICE}' to='{DOMAIN}' id='1'/>"));
    let stanzas = vec![
        numbered(ALICE, 0, "set", &publish),
        Inbound::Rejected { head, reason: bus_xml::RejectReason::TooLong },
        numbered(ALICE, 2, "get", "<ping xmlns='urn:xmpp:ping'/>"),
    ];
    let all = answers(&fixture, RequestLimits::default(), stanzas).await;
    let numbers: Vec<_> = all.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(all[1].2, "modify/policy-violation");
}

#[tokio::test]
async fn a_reader_that_takes_no_answers_slows_senders_down_and_loses_none() {
    let fixture = Fixture::new().await;
    let limits = RequestLimits { answers_bytes_max: 1_000, ..RequestLimits::default() };
    let (sender, inbound) = mpsc::channel(500);
    for number in 0..500 {
        sender.try_send(numbered(BOB, number, "get", "<ping xmlns='urn:xmpp:ping'/>")).unwrap();
    }
    let (replies, mut received) = mpsc::channel(1);
    let replies = Replies(replies);
    let gauges = RequestGauges::default();
    let mut running = Box::pin(run(&fixture.service, limits, inbound, &replies, &gauges));
    for _ in 0..1_000 {
        assert!(futures::poll!(&mut running).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(sender.capacity() < 50, "{} of 500 taken in", sender.capacity());
    assert!(gauges.get().answers_bytes >= 1_000, "what waits is shown: {:?}", gauges.get());
    drop(sender);
    let reading = async {
        for number in 0..500 {
            let answer = received.recv().await.expect("an answer");
            assert_eq!(parse(&answer).attr("id"), Some(number.to_string().as_str()));
        }
    };
    futures::future::join(running, reading).await;
    assert_eq!(gauges.get(), RequestLoad::default());
    assert!(received.try_recv().is_err(), "one each");
}
