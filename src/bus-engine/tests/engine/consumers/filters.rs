//! Filters: what of the logs consumers hand out.

use super::*;
use bus_domain::consumer::Filter;

fn filter(json: &str) -> Filter {
    serde_json::from_str(json).expect("an expression")
}

/// Where a consumer stands on disk, on its only node.
const CURSOR: &str = "(SELECT max(seq) FROM consumer_cursors)";

#[tokio::test]
async fn only_what_passes_is_handed_out_and_the_rest_leaves_no_rows() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let wanted = filter(r#"{"any":[{"exact":{"subject":"b"}},{"exact":{"bus.item_id":"e"}}]}"#);
    for (consumer, mode) in [("queue", Mode::Queue), ("stream", Mode::Stream)] {
        create(&bus, consumer, &Wish { filter: Some(wanted.clone()), ..wish(mode, &["n"]) }).await;
    }
    bus.publish("n", &["a", "b", "c"]).await;
    let (mut queue, mut stream) = (open(&bus, "queue").await, open(&bus, "stream").await);
    let first = events(&mut queue, 1).await;
    assert_eq!((seqs(&first), seqs(&events(&mut stream, 1).await)), (vec![2], vec![2]));
    bus.publish("n", &["d", "e", "f"]).await;
    let second = events(&mut queue, 1).await;
    assert_eq!((seqs(&second), seqs(&events(&mut stream, 1).await)), (vec![5], vec![5]));
    let both = [leases(&first), leases(&second)].concat();
    assert_eq!(acknowledge(&mut queue, &both).await, [LeaseOutcome::Accepted; 2]);
    stream.commit(None, 5).expect("committed");
    bus.until_stored("(SELECT min(seq) FROM consumer_cursors)", 6).await;
    assert_eq!(bus.stored("(SELECT count(*) FROM consumer_deliveries)").await, 0);
    drop((queue, stream));
    let bus = bus.restart().await;
    let mut queue = open(&bus, "queue").await;
    bus.publish("n", &["g", "b"]).await;
    assert_eq!(seqs(&events(&mut queue, 1).await), [8], "the filter is kept with the consumer");
}

#[tokio::test]
async fn a_log_without_anything_that_passes_is_passed_with_the_least_credit() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let wanted = filter(r#"{"exact":{"bus.item_id":"last"}}"#);
    create(&bus, "q", &Wish { filter: Some(wanted), ..wish(Mode::Queue, &["n"]) }).await;
    for _ in 0..30 {
        bus.publish("n", &[""; 50]).await;
    }
    let mut session =
        bus.engine.open_consumer(&actor("owner"), &consumer_name("q"), "").await.expect("a session");
    session.add_credit(Credit { messages: 1, bytes: 1 });
    bus.until_stored(CURSOR, 1_500).await;
    bus.publish("n", &["last"]).await;
    assert_eq!(seqs(&events(&mut session, 1).await), [1_501], "its credit is there still");
}

#[tokio::test]
async fn consumers_with_one_filter_look_at_each_event_once() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut sessions = Vec::new();
    for number in 0..20 {
        let expression =
            if number < 10 { r#"{"suffix":{"subject":"x"}}"# } else { r#"{"prefix":{"subject":"x"}}"# };
        let consumer = format!("q-{number}");
        create(&bus, &consumer, &Wish { filter: Some(filter(expression)), ..wish(Mode::Queue, &["n"]) })
            .await;
        sessions.push(open(&bus, &consumer).await);
    }
    for _ in 0..10 {
        bus.publish("n", &["a", "b", "x"]).await;
    }
    for session in &mut sessions {
        assert_eq!(events(session, 10).await.len(), 10);
    }
    assert_eq!(bus.engine.statistics().snapshot().consumer_filterings, 2 * 30, "20 consumers, 2 filters");
}

#[tokio::test]
async fn what_cannot_be_a_filter_is_refused() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let wish = Wish { filter: Some(filter(r#"{"exact":{"Type":"x"}}"#)), ..wish(Mode::Queue, &["n"]) };
    let refused = bus.engine.create_consumer(&actor("owner"), consumer_name("q"), &wish).await;
    assert!(matches!(refused, Err(BusError::Consumer(ConsumerError::Invalid { .. }))), "{refused:?}");
}
