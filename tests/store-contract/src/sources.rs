//! Services that the bus reads.

use bus_domain::consumer::destination::Secret;
use bus_domain::consumer::{ConsumerName, Standing, StandingState};
use bus_domain::source::{Source, SourceId, SourceMove};
use bus_domain::{BareJid, NodeName};
use bus_store::{Claim, CommitLevel, Store};

use crate::fixture::bare;

fn source(name: &str, owner: &str) -> Source {
    Source {
        id: SourceId(0),
        name: ConsumerName::new(name).expect("a name"),
        owner: bare(owner),
        node: NodeName::new("n").expect("a name"),
        uri: "https://example.org/".to_owned(),
        bearer_token: Some(Secret("t".to_owned())),
        created_at_ms: 7,
        resume_token: Vec::new(),
        standing: None,
    }
}

pub async fn a_source_comes_back_as_it_was_made(store: &dyn Store) {
    let made = source("b", "a@example.org");
    let id = store.create_source(&made).await.expect("a write").expect("a free name");
    assert_eq!(store.create_source(&made).await.expect("a write"), None, "the name is taken");
    let found = store.find_source(&made.name).await.expect("a read");
    assert_eq!(found, Some(Source { id, ..made.clone() }));
    let plain = Source { bearer_token: None, ..source("a", "b@example.org") };
    store.create_source(&plain).await.expect("a write").expect("a free name");
    let list = async |owner: Option<&BareJid>, after: Option<&ConsumerName>, max| {
        let page = store.list_sources(owner, after, max).await.expect("a page");
        page.iter().map(|source| source.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 9).await, ["a", "b"]);
    assert_eq!(list(None, None, 1).await, ["a"]);
    assert_eq!(list(None, Some(&plain.name), 9).await, ["b"]);
    assert_eq!(list(Some(&plain.owner), None, 9).await, ["a"]);
    assert_eq!(store.count_sources(&plain.owner).await.expect("a count"), 1);
    assert!(store.delete_source(id).await.expect("a write"));
    assert!(!store.delete_source(id).await.expect("a write"), "it is gone");
    assert_eq!(list(None, None, 9).await, ["a"]);
}

pub async fn the_token_of_a_source_moves_with_its_transaction_and_under_its_fence(store: &dyn Store) {
    let made = source("s", "a@example.org");
    let id = store.create_source(&made).await.expect("a write").expect("a free name");
    let claim = async |instance, now_ms| {
        let claim = Claim { instance, now_ms, until_ms: now_ms + 100 };
        store.claim_source(id, &claim).await.expect("a claim")
    };
    let first = claim([1; 16], 0).await.expect("nobody has it");
    assert_eq!(claim([2; 16], 99).await, None);
    assert!(store.renew_source(id, first, 500).await.expect("a write"));
    assert_eq!(claim([2; 16], 499).await, None);
    let second = claim([2; 16], 500).await.expect("it has lapsed");
    assert!(!store.renew_source(id, first, 900).await.expect("a write"));

    let to = |fence, token: &[u8]| SourceMove { source: id, fence, resume_token: token.to_vec() };
    let token =
        async || store.find_source(&made.name).await.expect("a read").expect("it is there").resume_token;
    let mut dropped = store.begin(CommitLevel::Fsync).await.expect("a transaction");
    assert!(dropped.move_source(&to(second, b"lost")).await.expect("a write"));
    drop(dropped);
    assert_eq!(token().await, b"", "nothing was committed");
    let mut committed = store.begin(CommitLevel::Fsync).await.expect("a transaction");
    assert!(!committed.move_source(&to(first, b"fenced")).await.expect("a write"));
    assert!(committed.move_source(&to(second, b"\x00\xff")).await.expect("a write"));
    committed.commit().await.expect("a commit");
    assert_eq!(token().await, b"\x00\xff");

    let standing = Standing {
        state: StandingState::Failing,
        reason: "no answer".to_owned(),
        since_ms: 9,
        allowed_per_minute: None,
    };
    assert!(!store.set_source_standing(id, first, &standing).await.expect("a write"));
    assert!(store.set_source_standing(id, second, &standing).await.expect("a write"));
    let found = store.find_source(&made.name).await.expect("a read").expect("it is there");
    assert_eq!(found.standing, Some(standing));
}
