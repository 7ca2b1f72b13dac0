use super::*;

#[tokio::test]
async fn a_dead_letter_and_its_way_back() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.create("dead").await;
    let dead_letter_node = Some(name("dead"));
    let wish = Wish {
        attempts_max: Some(2),
        dead_letter_node,
        retry_schedule_ms: vec![0],
        ..wish(Mode::Queue, &["n"])
    };
    create(&bus, "q", &wish).await;
    bus.publish("n", &["a", "b"]).await;
    let mut session = open(&bus, "q").await;
    let [a, b] = leases(&events(&mut session, 2).await)[..] else { panic!("two leases") };
    acknowledge(&mut session, &[b]).await;
    session.refuse(&[a], Failure::Refused { delay_ms: None }).expect("a queue");
    let again = loop {
        if let ConsumerFrame::Events(events) = next(&mut session).await {
            break leases(&events)[0];
        }
    };
    assert_eq!(again.attempt, 2);
    session.refuse(&[again], Failure::Refused { delay_ms: None }).expect("a queue");
    bus.until("it is a dead letter", |statistics| statistics.dead_letters == 1).await;
    assert_eq!(bus.stored("(SELECT count(*) FROM consumer_deliveries)").await, 0);

    let owner = actor("owner");
    let (letters, more) =
        bus.engine.dead_letters(&owner, &consumer_name("q"), None, 10).await.expect("a page");
    let [letter] = &*letters else { panic!("{letters:?}") };
    assert_eq!((letter.about.node.as_str(), letter.about.seq, letter.about.attempts), ("n", 1, 2));
    assert_eq!(letter.about.item_id.as_deref(), Some("a"));
    assert_eq!(letter.payload.as_ref().map(bus_domain::Payload::as_str), Some("<a xmlns='urn:test'>a</a>"));
    assert_eq!(more, None);

    let redriven = bus.engine.redrive_dead_letters(&owner, &consumer_name("q"), &[]).await.expect("redriven");
    assert_eq!(redriven, (1, vec![]));
    let anew = loop {
        if let ConsumerFrame::Events(events) = next(&mut session).await {
            break leases(&events);
        }
    };
    assert_eq!((anew[0].seq, anew[0].attempt), (1, 1), "it begins anew");
    assert_eq!(acknowledge(&mut session, &[a]).await, [LeaseOutcome::Expired], "its first life is over");
    assert_eq!(acknowledge(&mut session, &anew).await, [LeaseOutcome::Accepted]);
    assert!(bus.item_ids("dead").await.is_empty());
    assert_eq!(bus.engine.redrive_dead_letters(&owner, &consumer_name("q"), &[]).await, Ok((0, vec![])));
}

#[tokio::test]
async fn a_dead_letter_that_its_node_does_not_take_leaves_the_event_as_it_is() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.create("dead").await;
    let wish =
        Wish { attempts_max: Some(1), dead_letter_node: Some(name("dead")), ..wish(Mode::Queue, &["n"]) };
    create(&bus, "q", &wish).await;
    bus.publish("n", &["a"]).await;
    bus.run("owner", "dead", Verb::Delete(None)).await.expect("deleted");
    let mut session = open(&bus, "q").await;
    let lease = leases(&events(&mut session, 1).await);
    session.refuse(&lease, Failure::Terminated).expect("a queue");
    bus.until_stored("(SELECT count(*) FROM consumer_deliveries WHERE is_leased = 0)", 1).await;
    bus.create("dead").await;
    let mut poll = tokio::time::interval(Duration::from_millis(50));
    while bus.engine.statistics().snapshot().dead_letters == 0 {
        poll.tick().await;
        bus.clock.jump(31);
    }
    assert_eq!(bus.item_ids("dead").await.len(), 1);
}

#[tokio::test]
async fn a_full_dead_letter_node_loses_nothing() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.create_with("dead", NodeConfig { items_max: 1, ..NodeConfig::default() }).await;
    let wish =
        Wish { attempts_max: Some(1), dead_letter_node: Some(name("dead")), ..wish(Mode::Queue, &["n"]) };
    create(&bus, "q", &wish).await;
    bus.publish("n", &["a", "b"]).await;
    let mut session = open(&bus, "q").await;
    let both = leases(&events(&mut session, 2).await);
    session.refuse(&both[..1], Failure::Terminated).expect("a queue");
    bus.until("the first is a dead letter", |statistics| statistics.dead_letters == 1).await;
    session.refuse(&both[1..], Failure::Terminated).expect("a queue");
    bus.until_stored("(SELECT count(*) FROM consumer_deliveries WHERE is_leased = 0)", 1).await;
    let first = bus.item_ids("dead").await;
    bus.run("owner", "dead", crate::fixture::retract_verb(&[&first[0]], None)).await.expect("room");
    let mut poll = tokio::time::interval(Duration::from_millis(50));
    while bus.engine.statistics().snapshot().dead_letters == 1 {
        poll.tick().await;
        bus.clock.jump(31);
    }
    assert_ne!(bus.item_ids("dead").await, first);
    let expiring = NodeConfig { item_expire_seconds: Some(9), ..NodeConfig::default() };
    bus.create_with("expiring", expiring).await;
    let wish = Wish { dead_letter_node: Some(name("expiring")), ..wish };
    let refused = bus.engine.create_consumer(&actor("owner"), consumer_name("x"), &wish).await;
    assert!(matches!(refused, Err(BusError::Consumer(ConsumerError::Invalid { .. }))), "{refused:?}");
}
