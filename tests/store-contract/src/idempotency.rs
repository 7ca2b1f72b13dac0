//! Requests that are kept to recognise their repeats, and where logs end.

use bus_domain::idempotency::{IdempotencyKey, KeptAnswer, KeptRequest, RequestName};
use bus_domain::{Durability, NodeId};
use bus_store::{CursorMove, Leg, Position, Store};

use crate::fixture::{EPOCH, FIRST_SECOND_MS, Fixture, advance, bare, events, item_id};

const NOW_MS: i64 = FIRST_SECOND_MS;

pub async fn requests_are_kept_under_their_names(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (node, other) = (fixture.node("n").await.id, fixture.node("o").await.id);
    let request = request(node, "alice", "key \"with\" é'", 1);
    let answer = KeptAnswer {
        epoch: bus_domain::Epoch(u64::MAX),
        first_seq: 7,
        item_ids: vec![item_id("a\"b"), item_id("é,{}")],
        durability: Durability::Relaxed,
    };
    let rich = KeptRequest { name: name(node, "bob", "key"), answer, ..request.clone() };
    let mut transaction = fixture.begin().await;
    transaction.keep_requests(&[request.clone(), rich.clone()]).await.expect("kept");
    transaction.commit().await.expect("commit");
    let strangers = [
        name(node, "alice", "key"),
        name(node, "bob", "KEY"),
        name(other, "bob", "key"),
        name(node, "b", "key"),
    ];
    assert_eq!(find(&fixture, &strangers, NOW_MS).await, []);
    let wanted = [rich.name.clone(), name(node, "alice", "none"), request.name.clone()];
    assert_eq!(find(&fixture, &wanted, NOW_MS).await, [request, rich]);
}

pub async fn a_request_that_is_over_gives_its_name_up(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let first = request(node, "alice", "key", 1);
    keep(&fixture, &first).await;
    let names = [first.name.clone()];
    assert_eq!(find(&fixture, &names, first.expires_at_ms - 1).await, std::slice::from_ref(&first));
    assert_eq!(find(&fixture, &names, first.expires_at_ms).await, []);
    let second = request(node, "alice", "key", 2);
    keep(&fixture, &second).await;
    assert_eq!(find(&fixture, &names, first.expires_at_ms).await, [second]);
}

pub async fn requests_are_forgotten_step_by_step(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let requests: Vec<_> =
        (1..=5).map(|number| request(node, "alice", &format!("k{number}"), number)).collect();
    for request in &requests {
        keep(&fixture, request).await;
    }
    let names: Vec<_> = requests.iter().map(|request| request.name.clone()).collect();
    let over_ms = requests[2].expires_at_ms;
    assert_eq!(store.forget_requests(NOW_MS, 2).await.expect("a step"), 0);
    assert_eq!(store.forget_requests(over_ms, 2).await.expect("a step"), 2);
    assert_eq!(find(&fixture, &names, NOW_MS).await, requests[2..], "the oldest ones");
    assert_eq!(store.forget_requests(over_ms, 2).await.expect("a step"), 1);
    assert_eq!(store.forget_requests(over_ms, 2).await.expect("a step"), 0);
    assert_eq!(find(&fixture, &names, NOW_MS).await, requests[3..]);
}

pub async fn a_request_is_kept_with_its_transaction_only(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let request = request(node, "alice", "key", 1);
    let mut transaction = fixture.begin().await;
    transaction.keep_requests(std::slice::from_ref(&request)).await.expect("kept");
    drop(transaction);
    assert_eq!(find(&fixture, &[request.name], NOW_MS).await, []);
}

pub async fn requests_go_with_their_node(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (gone, kept) = (fixture.node("gone").await.id, fixture.node("kept").await.id);
    let requests = [request(gone, "alice", "key", 1), request(kept, "alice", "key", 1)];
    for request in &requests {
        keep(&fixture, request).await;
    }
    let to = Position::behind(fixture.delete(gone).await);
    store.move_cursors(Leg::Xmpp, &[CursorMove { node: gone, epoch: Some(EPOCH), to }]).await.expect("move");
    while store.reap_deleted(2).await.expect("reap") > 0 {}
    let names = requests.each_ref().map(|request| request.name.clone());
    assert_eq!(find(&fixture, &names, NOW_MS).await, requests[1..]);
}

pub async fn a_transaction_sees_where_logs_end(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (node, empty) = (fixture.node("n").await.id, fixture.node("e").await.id);
    fixture.publish(node, &["a", "b"], 10).await;
    let mut transaction = fixture.begin().await;
    let wanted = [empty, node, NodeId(i64::MAX)];
    let mut seqs = transaction.head_seqs(&wanted).await.expect("positions");
    seqs.sort_unstable();
    assert_eq!(seqs, [(node, 2), (empty, 0)], "those that are there");
    advance(&mut *transaction, events(node, 3)).await;
    assert_eq!(transaction.head_seqs(&[node]).await.expect("positions"), [(node, 5)], "its own too");
}

/// A request that is kept for `number` milliseconds.
fn request(node: NodeId, principal: &str, key: &str, number: u8) -> KeptRequest {
    KeptRequest {
        name: name(node, principal, key),
        content_hash: [number; 32],
        answer: KeptAnswer {
            epoch: EPOCH,
            first_seq: number.into(),
            item_ids: Vec::new(),
            durability: Durability::Fsync,
        },
        expires_at_ms: NOW_MS + i64::from(number),
    }
}

fn name(node: NodeId, principal: &str, key: &str) -> RequestName {
    let key = IdempotencyKey::new(key).expect("a key");
    RequestName { node, principal: bare(&format!("{principal}@example.org")), key }
}

async fn keep(fixture: &Fixture<'_>, request: &KeptRequest) {
    let mut transaction = fixture.begin().await;
    transaction.keep_requests(std::slice::from_ref(request)).await.expect("kept");
    transaction.commit().await.expect("commit");
}

/// What is found of these, in the order of the names.
async fn find(fixture: &Fixture<'_>, names: &[RequestName], now_ms: i64) -> Vec<KeptRequest> {
    let mut transaction = fixture.begin().await;
    let mut found = transaction.find_requests(names, now_ms).await.expect("a look");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}
