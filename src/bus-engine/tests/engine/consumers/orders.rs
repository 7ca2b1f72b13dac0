//! Events of one key, one after the other.

use super::*;

#[tokio::test]
async fn items_keep_their_order_also_over_a_restart() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let wish = Wish { key_ordered: true, retry_schedule_ms: vec![0], ..wish(Mode::Queue, &["n"]) };
    create(&bus, "q", &wish).await;
    bus.publish("n", &["a", "b", "a", "b", "a"]).await;
    let mut session = open(&bus, "q").await;
    let first = events(&mut session, 2).await;
    assert_eq!(seqs(&first), [1, 2]);
    session.refuse(&leases(&first)[..1], Failure::Refused { delay_ms: None }).expect("a queue");
    let again = loop {
        if let ConsumerFrame::Events(events) = next(&mut session).await {
            break events;
        }
    };
    assert_eq!((seqs(&again), leases(&again)[0].attempt), (vec![1], 2));
    bus.until_stored("(SELECT count(*) FROM consumer_deliveries WHERE order_key IS NOT NULL)", 5).await;
    bus.until_stored("(SELECT max(attempts) FROM consumer_deliveries WHERE is_leased = 1)", 2).await;
    drop(session);

    let bus = bus.restart().await;
    let mut session = open(&bus, "q").await;
    bus.publish("n", &["c", "b"]).await;
    let new = events(&mut session, 1).await;
    assert_eq!(seqs(&new), [6], "what is leased and what is behind it stays where it is");
    session.acknowledge(&leases(&again)).expect("a queue");
    session.acknowledge(&leases(&first)[1..]).expect("a queue");
    let mut order = Vec::new();
    while order.len() < 4 {
        if let ConsumerFrame::Events(events) = next(&mut session).await {
            order.extend(seqs(&events));
            session.acknowledge(&leases(&events)).expect("a queue");
        }
    }
    let of_b = order.iter().filter(|seq| **seq == 4 || **seq == 7).collect::<Vec<_>>();
    let of_a = order.iter().filter(|seq| **seq == 3 || **seq == 5).collect::<Vec<_>>();
    assert_eq!((of_a, of_b), (vec![&3, &5], vec![&4, &7]));
}
