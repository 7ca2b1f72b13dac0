//! Durable subscriptions of services.

use bus_domain::consumer::create::{Wish, decide};
use bus_domain::consumer::destination::{ContentMode, Pace, Secret, Webhook};
use bus_domain::consumer::redrive::{Redrive, Redriven, Undeliverable};
use bus_domain::consumer::start::Start;
use bus_domain::consumer::{
    ConsumerId, ConsumerName, Destination, Filter, Mode, NodePattern, OrderKey, Standing, StandingState,
};
use bus_domain::{Limits, NodeId, NodeName};
use bus_store::{Claim, ConsumerMoves, CursorPlace, DeliveryRow, EpochRenewal, NewConsumer, Store};

use crate::fixture::{EPOCH, Fixture, bare, item_id};

const INSTANCE: [u8; 16] = [1; 16];

fn new(name: &str, nodes: &[NodeId]) -> NewConsumer {
    let wish = Wish {
        nodes: vec![NodePattern::new(">").expect("a pattern")],
        mode: Mode::Queue,
        start: Start::Earliest,
        lease_ms: None,
        retry_schedule_ms: vec![5],
        attempts_max: None,
        dead_letter_node: None,
        in_flight_max: None,
        filter: None,
        key_ordered: false,
        destination: None,
    };
    NewConsumer {
        name: ConsumerName::new(name).expect("a name"),
        owner: bare("worker@example.org"),
        config: decide(&wish, &Limits::default()).expect("a configuration"),
        created_at_ms: 7,
        cursors: nodes.iter().map(|node| place(*node, 0)).collect(),
    }
}

fn place(node: NodeId, through_seq: u64) -> CursorPlace {
    CursorPlace { node, epoch: EPOCH, through_seq, items_through_seq: None }
}

fn row(node: NodeId, seq: u64, attempts: u32) -> DeliveryRow {
    let order_key = (attempts > 1).then_some(OrderKey(u64::MAX - seq));
    DeliveryRow { node, seq, attempts, is_leased: true, due_at_ms: 1_000, generation: 7 << 32, order_key }
}

fn moves(consumer: ConsumerId, fence: u64) -> ConsumerMoves {
    ConsumerMoves { consumer, fence, cursors: vec![], put: vec![], removed: vec![] }
}

async fn create(store: &dyn Store, name: &str, nodes: &[NodeId]) -> ConsumerId {
    store.create_consumer(&new(name, nodes)).await.expect("insert").expect("a free name")
}

async fn claim(store: &dyn Store, consumer: ConsumerId, instance: [u8; 16], now_ms: i64) -> Option<u64> {
    let claim = Claim { instance, now_ms, until_ms: now_ms + 100 };
    store.claim_consumer(consumer, &claim).await.expect("a claim")
}

/// (node, cursor) and (position, attempts).
async fn standing(store: &dyn Store, consumer: ConsumerId) -> (Vec<(NodeId, u64)>, Vec<(u64, u32)>) {
    let progress = store.consumer_progress(consumer).await.expect("a read");
    (
        progress.cursors.iter().map(|cursor| (cursor.node, cursor.through_seq)).collect(),
        progress.deliveries.iter().map(|row| (row.seq, row.attempts)).collect(),
    )
}

pub async fn a_consumer_comes_back_as_it_was_made(store: &dyn Store) {
    let fixture = Fixture::new(store);
    assert_eq!(store.newest_node().await.expect("a read"), None);
    let node = fixture.node("n").await.id;
    let wanted = new("b", &[node]);
    let id = create(store, "b", &[node]).await;
    assert_eq!(store.create_consumer(&wanted).await.expect("insert"), None, "the name is taken");
    let found = store.find_consumer(&wanted.name).await.expect("a read").expect("it is there");
    assert_eq!((found.id, &found.name, &found.owner), (id, &wanted.name, &wanted.owner));
    assert_eq!((&found.config, found.is_paused, found.created_at_ms), (&wanted.config, false, 7));
    create(store, "a", &[]).await;
    let list = async |owner: Option<&str>, after: Option<&str>, max| {
        let (owner, after) = (owner.map(bare), after.map(|name| ConsumerName::new(name).expect("a name")));
        let page = store.list_consumers(owner.as_ref(), after.as_ref(), max).await.expect("a page");
        page.iter().map(|consumer| consumer.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 9).await, ["a", "b"]);
    assert_eq!(list(Some("worker@example.org"), Some("a"), 9).await, ["b"]);
    assert_eq!(list(None, None, 1).await, ["a"]);
    assert_eq!(list(Some("other@example.org"), None, 9).await, Vec::<String>::new());
    assert_eq!(store.count_consumers(&wanted.owner).await.expect("a count"), 2);
    let progress = store.consumer_progress(id).await.expect("a read");
    assert_eq!((progress.cursors[0].name.as_str(), progress.cursors[0].head.epoch), ("n", EPOCH));
    let name = |text| NodeName::new(text).expect("a name");
    assert_eq!(store.newest_node().await.expect("a read"), Some(node));
    let newer = fixture.node("m").await.id;
    assert_eq!(store.newest_node().await.expect("a read"), Some(newer));
    let names = store.names_of_nodes("m", None, 9).await.expect("a page");
    assert_eq!(names.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["m", "n"]);
    assert_eq!(store.names_of_nodes("", Some(&name("m")), 9).await.expect("a page"), [(node, name("n"))]);
}

pub async fn those_with_destinations_are_found_and_say_how_they_stand(store: &dyn Store) {
    let pace = Pace { requests_in_flight_max: 8, batch_events_max: 1, requests_per_minute: Some(60) };
    let uri = "https://example.org/hook".to_owned();
    let secret = Some(Secret("whsec_c2VjcmV0".to_owned()));
    let webhook = Webhook { uri, mode: ContentMode::Structured, secret, bearer_token: None, pace };
    let mut wanted = new("b", &[]);
    wanted.config.destination = Some(Destination::Webhook(webhook));
    let values = |text: &str| [("type".to_owned(), text.to_owned())].into();
    let not = Filter::Not(Box::new(Filter::Exact(values("it's \"quoted\"; \u{1f4a1}"))));
    wanted.config.filter = Some(Filter::All(vec![Filter::Prefix(values("com.example.")), not]));
    let id = store.create_consumer(&wanted).await.expect("insert").expect("a free name");
    create(store, "c", &[]).await;
    let list = async |after: Option<&ConsumerName>, max| {
        store.list_with_destinations(after, max).await.expect("a page")
    };
    let found = list(None, 9).await;
    assert_eq!(found.iter().map(|it| (it.id, &it.config)).collect::<Vec<_>>(), [(id, &wanted.config)]);
    assert_eq!(found[0].standing, None, "nothing was tried");
    assert_eq!((list(Some(&wanted.name), 9).await, list(None, 0).await), (vec![], vec![]));
    let standing = |state| {
        let reason = "no answer".to_owned();
        Standing { state, reason, since_ms: 9, allowed_per_minute: Some(120) }
    };
    let fence = claim(store, id, INSTANCE, 0).await.expect("a claim");
    let set = async |fence, state| store.set_standing(id, fence, &standing(state)).await.expect("a write");
    assert!(set(Some(fence), StandingState::Failing).await);
    assert!(!set(Some(fence - 1), StandingState::Active).await, "somebody else has it");
    let found = async || list(None, 1).await[0].standing.clone();
    assert_eq!(found().await, Some(standing(StandingState::Failing)));
    assert!(set(None, StandingState::Gone).await);
    assert_eq!(found().await, Some(standing(StandingState::Gone)));
}

pub async fn a_claim_is_held_by_one_until_it_lapses(store: &dyn Store) {
    let id = create(store, "c", &[]).await;
    let first = claim(store, id, INSTANCE, 0).await.expect("nobody has it");
    assert_eq!(claim(store, id, [2; 16], 99).await, None);
    let again = claim(store, id, INSTANCE, 50).await.expect("its own");
    assert!(again > first, "each claim moves the fence");
    assert_eq!(store.renew_claims(&[(id, first)], 900).await.expect("a renewal"), []);
    assert_eq!(store.renew_claims(&[(id, again)], 900).await.expect("a renewal"), [id]);
    assert_eq!(claim(store, id, [2; 16], 899).await, None);
    let other = claim(store, id, [2; 16], 900).await.expect("it has lapsed");
    assert!(other > again);
    assert!(!store.pause_consumer(id, again, true).await.expect("a write"));
    assert!(store.pause_consumer(id, other, true).await.expect("a write"));
    let found = store.find_consumer(&ConsumerName::new("c").expect("a name")).await.expect("a read");
    assert!(found.expect("it is there").is_paused);
    assert!(!store.delete_consumer(id, again).await.expect("a write"));
    assert!(store.delete_consumer(id, other).await.expect("a write"));
    assert_eq!(claim(store, id, INSTANCE, 9_999).await, None, "gone");
}

pub async fn consumers_move_together_and_only_under_their_fences(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (a, b) = (fixture.node("a").await.id, fixture.node("b").await.id);
    let (first, second) = (create(store, "first", &[a]).await, create(store, "second", &[]).await);
    let fence = claim(store, first, INSTANCE, 0).await.expect("a claim");
    let lost = claim(store, second, INSTANCE, 0).await.expect("a claim");
    claim(store, second, INSTANCE, 0).await.expect("a claim");
    let of_first = ConsumerMoves {
        cursors: vec![place(a, 5), place(b, 2)],
        put: vec![(EPOCH, row(a, 3, 1)), (EPOCH, row(a, 4, 2))],
        ..moves(first, fence)
    };
    let of_second = ConsumerMoves { cursors: vec![place(a, 9)], ..moves(second, lost) };
    assert_eq!(store.move_consumers(&[of_first, of_second]).await.expect("a move"), [first]);
    assert_eq!(standing(store, first).await, (vec![(a, 5), (b, 2)], vec![(3, 1), (4, 2)]));
    let rows = store.consumer_progress(first).await.expect("a read").deliveries;
    assert_eq!(rows, [row(a, 3, 1), row(a, 4, 2)], "with all that is known of them");
    assert_eq!(standing(store, second).await, (vec![], vec![]));
    let step = ConsumerMoves {
        cursors: vec![place(a, 1)],
        put: vec![(EPOCH, row(a, 4, 3))],
        removed: vec![(a, 3), (b, 99)],
        ..moves(first, fence)
    };
    store.move_consumers(&[step]).await.expect("a move");
    assert_eq!(standing(store, first).await, (vec![(a, 5), (b, 2)], vec![(4, 3)]), "never back");
    let other_life = CursorPlace { epoch: bus_domain::Epoch(1), ..place(a, 8) };
    let step = ConsumerMoves { cursors: vec![other_life], ..moves(first, fence) };
    assert_eq!(store.move_consumers(&[step]).await.expect("a move"), [first]);
    assert_eq!(standing(store, first).await.0, [(a, 5), (b, 2)]);
    assert!(!store.seek_consumer(first, fence + 1, &[place(a, 2)]).await.expect("a move"));
    let items = CursorPlace { items_through_seq: Some(4), ..place(a, 2) };
    assert!(store.seek_consumer(first, fence, &[items]).await.expect("a move"));
    let step = ConsumerMoves { cursors: vec![place(a, 2)], ..moves(first, fence) };
    store.move_consumers(&[step]).await.expect("a move");
    let cursors = store.consumer_progress(first).await.expect("a read").cursors;
    assert_eq!(cursors[0].items_through_seq, Some(4), "moves leave it as it is");
    assert_eq!(standing(store, first).await, (vec![(a, 2), (b, 2)], vec![]), "back, and without rows");
}

pub async fn a_dead_letter_and_its_event_are_one_transaction(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b"], 10).await;
    let id = create(store, "c", &[node]).await;
    let fence = claim(store, id, INSTANCE, 0).await.expect("a claim");
    let step = ConsumerMoves {
        cursors: vec![place(node, 2)],
        put: vec![(EPOCH, row(node, 1, 5))],
        ..moves(id, fence)
    };
    store.move_consumers(&[step]).await.expect("a move");
    let about = Undeliverable { consumer: id, fence, node, epoch: EPOCH, seq: 1 };
    for wrong in [
        Undeliverable { fence: fence + 1, ..about },
        Undeliverable { seq: 2, ..about },
        Undeliverable { epoch: bus_domain::Epoch(1), ..about },
    ] {
        let mut transaction = fixture.begin().await;
        assert!(!transaction.settle_delivery(&wrong).await.expect("a write"), "{wrong:?}");
        transaction.commit().await.expect("commit");
    }
    let mut dropped = fixture.begin().await;
    assert!(dropped.settle_delivery(&about).await.expect("a write"));
    drop(dropped);
    assert_eq!(standing(store, id).await.1, [(1, 5)]);
    let mut transaction = fixture.begin().await;
    assert!(transaction.settle_delivery(&about).await.expect("a write"));
    assert!(!transaction.settle_delivery(&about).await.expect("a write"), "once");
    transaction.commit().await.expect("commit");
    assert_eq!(standing(store, id).await.1, []);

    let order_key = |seq| (seq == 2).then_some(OrderKey(u64::MAX));
    let letter = |seq| Redriven { item_id: item_id("x"), node, epoch: EPOCH, seq, order_key: order_key(seq) };
    let redrive = Redrive { consumer: id, fence, letters: vec![letter(1), letter(7)], due_at_ms: 9 };
    let mut transaction = fixture.begin().await;
    assert_eq!(transaction.return_deliveries(&redrive).await.expect("a write"), 1, "7 is not there");
    drop(transaction);
    let redrive = Redrive { letters: vec![letter(1), letter(2)], ..redrive };
    let mut transaction = fixture.begin().await;
    let stale = Redrive { fence: fence + 1, ..redrive.clone() };
    assert_eq!(transaction.return_deliveries(&stale).await.expect("a write"), 0);
    assert_eq!(transaction.return_deliveries(&redrive).await.expect("a write"), 2);
    transaction.commit().await.expect("commit");
    let rows = store.consumer_progress(id).await.expect("a read").deliveries;
    let due = |seq| DeliveryRow {
        node,
        seq,
        attempts: 0,
        is_leased: false,
        due_at_ms: 9,
        generation: 0,
        order_key: order_key(seq),
    };
    assert_eq!(rows, [due(1), due(2)]);
}

pub async fn what_is_leased_is_kept_and_goes_with_its_node_and_its_life(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c", "d"], 10).await;
    let id = create(store, "c", &[node]).await;
    let fence = claim(store, id, INSTANCE, 0).await.expect("a claim");
    let retained = async || store.retained(None, 9).await.expect("a page").nodes[0].log.lagging_through_seq;
    assert_eq!(retained().await, None);
    let put = vec![(EPOCH, row(node, 2, 1)), (EPOCH, row(node, 4, 1))];
    let step = ConsumerMoves { cursors: vec![place(node, 4)], put, ..moves(id, fence) };
    store.move_consumers(&[step]).await.expect("a move");
    assert_eq!(retained().await, Some(1));
    let mut transaction = fixture.begin().await;
    let renewal = EpochRenewal { node, epoch: bus_domain::Epoch(77), last_seq: 3 };
    transaction.renew_epochs(&[renewal]).await.expect("a renewal");
    transaction.commit().await.expect("commit");
    assert_eq!(standing(store, id).await, (vec![(node, 3)], vec![(2, 1)]), "what lies beyond is set back");
}
