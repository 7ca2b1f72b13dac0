use super::*;

#[tokio::test]
async fn nodes_are_found_by_patterns_also_those_that_come_later() {
    let bus = Bus::start().await;
    for node in ["orders.eu", "orders.us", "other"] {
        bus.create(node).await;
        bus.publish(node, &["before"]).await;
    }
    create(&bus, "q", &Wish { start: Start::Latest, ..wish(Mode::Queue, &["orders.>"]) }).await;
    let mut session = open(&bus, "q").await;
    for node in ["orders.us", "other", "orders.eu"] {
        bus.publish(node, &["after"]).await;
    }
    bus.create("orders.asia.new").await;
    bus.publish("orders.asia.new", &["first"]).await;
    let got = events(&mut session, 3).await;
    let mut got: Vec<_> = got.iter().map(|it| (it.facts.name.to_string(), it.event.seq)).collect();
    got.sort_unstable();
    let expected = [("orders.asia.new", 1), ("orders.eu", 2), ("orders.us", 2)];
    assert_eq!(got, expected.map(|(node, seq)| (node.to_owned(), seq)));
    drop(session);
    let bus = bus.restart().await;
    bus.create("orders.late").await;
    bus.publish("orders.late", &["x"]).await;
    let mut session = open(&bus, "q").await;
    let got = events_in_time(&bus, &mut session, 4).await;
    assert!(got.iter().any(|it| it.facts.name.as_str() == "orders.late"), "{got:?}");
}

#[tokio::test]
async fn consumers_begin_where_they_say() {
    let bus = Bus::start().await;
    bus.create("n").await;
    for id in ["a", "b", "c"] {
        bus.publish("n", &[id]).await;
        bus.clock.jump(10);
    }
    let at_ms = bus.engine.now_ms();
    for (consumer, start, first) in [
        ("earliest", Start::Earliest, 1),
        ("after", Start::After(2), 3),
        ("time", Start::Time(at_ms - 25_000), 2),
        ("future", Start::Time(at_ms + 1), 4),
        ("latest", Start::Latest, 4),
    ] {
        create(&bus, consumer, &Wish { start, ..wish(Mode::Stream, &["n"]) }).await;
        let mut session = open(&bus, consumer).await;
        if first == 4 {
            bus.publish("n", &["d"]).await;
            let seq = events(&mut session, 1).await[0].event.seq;
            assert!(seq >= 4, "{consumer}");
        } else {
            let ConsumerFrame::Events(events) = next(&mut session).await else { panic!("events") };
            assert_eq!(events[0].event.seq, first, "{consumer}");
        }
    }
    let too_far = Wish { start: Start::After(99), ..wish(Mode::Stream, &["n"]) };
    let refused = bus.engine.create_consumer(&actor("owner"), consumer_name("x"), &too_far).await;
    assert!(matches!(refused, Err(BusError::Consumer(ConsumerError::Invalid { .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_trimmed_range_is_told_as_a_gap_and_what_is_leased_is_kept() {
    let engine = bus_engine::EngineLimits { recent_bytes_max: 1, ..Default::default() };
    let mut bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    let history = History { events_max: Some(2), ..History::default() };
    bus.create_with("n", NodeConfig { history, items_max: 1, ..NodeConfig::default() }).await;
    create(&bus, "behind", &wish(Mode::Stream, &["n"])).await;
    create(&bus, "q", &Wish { in_flight_max: Some(1), ..wish(Mode::Queue, &["n"]) }).await;
    bus.publish("n", &["a"]).await;
    let mut worker =
        bus.engine.open_consumer(&actor("owner"), &consumer_name("q"), "").await.expect("a session");
    worker.add_credit(Credit { messages: 1, bytes: 1 });
    let held = leases(&events(&mut worker, 1).await);
    bus.until_stored("(SELECT count(*) FROM consumer_deliveries)", 1).await;
    for id in ["b", "c", "d", "e", "f"] {
        bus.publish("n", &[id]).await;
    }
    let leg = bus.attach();
    leg.up().await;
    bus.retain();
    bus.until_stored("(SELECT seq FROM cursors)", 6).await;
    assert_eq!(bus.stored("(SELECT trimmed_through_seq FROM heads)").await, 0, "1 is leased");
    acknowledge(&mut worker, &held).await;
    bus.until_stored("(SELECT trimmed_through_seq FROM heads)", 4).await;
    let mut session = open(&bus, "behind").await;
    let ConsumerFrame::Gap { first_seq: 5, .. } = next(&mut session).await else { panic!("a gap") };
    assert_eq!(seqs(&events(&mut session, 2).await), [5, 6]);
    drop((worker, session));
    leg.detach().await;
    let bus = bus.restart().await;
    let mut session = open(&bus, "behind").await;
    let ConsumerFrame::Gap { first_seq: 5, .. } = next(&mut session).await else { panic!("told again") };
    assert_eq!(seqs(&events(&mut session, 2).await), [5, 6]);
}

#[tokio::test]
async fn the_newest_of_each_item_comes_first_also_what_history_has_lost() {
    let mut bus = Bus::start().await;
    let history = History { events_max: Some(1), ..History::default() };
    bus.create_with("n", NodeConfig { history, ..NodeConfig::default() }).await;
    bus.publish("n", &["a", "b", "a", "c", "b"]).await;
    let leg = bus.attach();
    leg.up().await;
    bus.retain();
    bus.until_stored("(SELECT trimmed_through_seq FROM heads)", 4).await;
    let wish = Wish { start: Start::LastPerItem, ..wish(Mode::Stream, &["n"]) };
    create(&bus, "c", &wish).await;
    bus.publish("n", &["a", "d"]).await;
    let mut session = open(&bus, "c").await;
    assert_eq!(
        seqs(&events(&mut session, 4).await),
        [4, 5, 6, 7],
        "3 is no item any more, and 6 follows in the log"
    );
    session.commit(None, 4).expect("committed");
    assert!(matches!(next(&mut session).await, ConsumerFrame::Committed { through_seq: 4, .. }));
    drop(session);
    leg.detach().await;
    let bus = bus.restart().await;
    let mut session = open(&bus, "c").await;
    assert_eq!(seqs(&events(&mut session, 3).await), [5, 6, 7]);
}

#[tokio::test]
async fn an_item_that_was_sent_and_not_committed_comes_again_though_the_log_ends_with_none() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["a", "b"]).await;
    bus.run("owner", "n", crate::fixture::retract_verb(&["b"], None)).await.expect("retracted");
    create(&bus, "c", &Wish { start: Start::LastPerItem, ..wish(Mode::Stream, &["n"]) }).await;
    let mut session = open(&bus, "c").await;
    assert_eq!(seqs(&events(&mut session, 1).await), [1]);
    // What comes behind it shows that the rest of the items was passed over.
    bus.publish("n", &["c"]).await;
    assert_eq!(seqs(&events(&mut session, 1).await), [4]);
    drop(session);
    let bus = bus.restart().await;
    let mut session = open(&bus, "c").await;
    assert_eq!(seqs(&events(&mut session, 2).await), [1, 4]);
}

#[tokio::test]
async fn patterns_pass_over_what_the_reader_may_not_read_and_tell_nothing_of_it() {
    let bus = Bus::start().await;
    bus.create("a.open").await;
    let access_model = bus_domain::AccessModel::Whitelist;
    bus.create_with("a.secret", NodeConfig { access_model, ..NodeConfig::default() }).await;
    let (reader, q) = (actor("reader"), consumer_name("q"));
    bus.engine.create_consumer(&reader, q.clone(), &wish(Mode::Queue, &["a.>"])).await.expect("a consumer");
    bus.publish("a.secret", &["x"]).await;
    bus.publish("a.open", &["y"]).await;
    let mut session = bus.engine.open_consumer(&reader, &q, "").await.expect("a session");
    session.add_credit(Credit { messages: 10, bytes: 100_000 });
    let got = events(&mut session, 1).await;
    assert_eq!(got[0].facts.name.as_str(), "a.open");
    let names = |nodes: &[bus_engine::BacklogOfNode]| -> Vec<String> {
        nodes.iter().map(|node| node.facts.name.to_string()).collect()
    };
    assert_eq!(names(&session.positions(9)), ["a.open"]);
    let backlog = bus.engine.consumer_backlog(&reader, &q).await.expect("a backlog");
    assert_eq!(names(&backlog.nodes), ["a.open"]);
    let secret = name("a.secret");
    let refused = bus.engine.seek_consumer(&reader, &q, Some(&secret), Start::After(99)).await;
    assert_eq!(refused, Err(BusError::ClosedNode));
    // An event that was handed out while it could be read is not asked for again and again once it cannot.
    session.refuse(&leases(&got), Failure::Refused { delay_ms: Some(0) }).expect("a queue");
    bus.affiliate("a.open", "reader", Affiliation::Outcast).await;
    assert_eq!(outcomes(&mut session).await, [LeaseOutcome::Accepted]);
    bus.affiliate("a.open", "reader", Affiliation::None).await;
    let again = events_in_time(&bus, &mut session, 1).await;
    assert!(again[0].lease.expect("a queue").attempt >= 2);
}
