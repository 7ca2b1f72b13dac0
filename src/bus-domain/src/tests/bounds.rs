//! A bound is the highest number that passes.

use crate::collection::{self, Neighbours, Placement, Wish};
use crate::manage_subscriptions::{self, Entry, Wanted};
use crate::quota::{Counted, Quota, Quotas, Scope, StoredBytes, UsageChange};
use crate::retrieve::{self, Selection};
use crate::{
    BusError, ItemId, Jid, Limits, NodeConfig, NodeName, Payload, Role, archive, publish, quota, retract,
};

use super::sample::{actor, bare, ids, node, owner};

const MAX: usize = 3;

/// Whether a number of things passes.
type Check = fn(usize, &Limits) -> Result<(), BusError>;

fn limits() -> Limits {
    Limits { request_items_max: MAX, payload_bytes_max: MAX, ..Limits::default() }
}

fn items(count: usize) -> Vec<publish::NewItem> {
    let payload = Some(Payload::from_serialised("<a/>"[..MAX].to_owned()));
    ids(count).into_iter().map(|id| publish::NewItem { id: Some(id), payload: payload.clone() }).collect()
}

fn publish(items: Vec<publish::NewItem>, limits: &Limits) -> Result<(), BusError> {
    let request = publish::Request { items, ..publish::Request::default() };
    let next_id = || ItemId::new("made").unwrap();
    publish::decide(&node(NodeConfig::default()), &owner(), request, limits, next_id).map(drop)
}

const CHECKS: [(&str, Check); 6] = [
    ("items of a publish", |count, limits| publish(items(count), limits)),
    ("bytes of a payload", |count, limits| {
        let payload = Some(Payload::from_serialised("x".repeat(count)));
        publish(vec![publish::NewItem { id: None, payload }], limits)
    }),
    ("items of a retraction", |count, limits| {
        let request = retract::Request { item_ids: ids(count), notify: None };
        retract::decide(&node(NodeConfig::default()), &owner(), request, limits).map(drop)
    }),
    ("items asked for by id", |count, limits| {
        let selection = Selection::ById(ids(count));
        retrieve::decide(&node(NodeConfig::default()), &owner(), false, selection, limits).map(drop)
    }),
    ("entries of an archive asked for by id", archive::check_listed),
    ("subscriptions to be managed", |count, limits| {
        let entry = |number| {
            let jid = Jid::new(&format!("u{number}@example.org")).unwrap();
            Entry { jid, sub_id: None, wanted: Wanted::Ended }
        };
        let entries = (0..count).map(entry).collect();
        let request = manage_subscriptions::Request { entries, is_approval: false };
        manage_subscriptions::decide(&node(NodeConfig::default()), &owner(), request, limits).map(drop)
    }),
];

#[test]
fn as_many_pass_as_the_limit_says_and_no_more() {
    for (what, check) in CHECKS {
        for count in 1..=MAX {
            assert_eq!(check(count, &limits()), Ok(()), "{count} {what}");
        }
        let refused = check(MAX + 1, &limits()).unwrap_err();
        assert!(
            matches!(
                refused,
                BusError::TooManyItems { items_max: MAX } | BusError::PayloadTooBig { bytes_max: MAX }
            ),
            "{what}: {refused:?}"
        );
    }
}

#[test]
fn quotas_bind_everybody_but_admins() {
    let bound = [Role::User, Role::Creator, Role::Admin].map(|role| quota::binds(&actor("a", role)));
    assert_eq!(bound, [true, true, false]);
}

#[test]
fn a_quota_is_the_highest_number_that_one_may_have() {
    let quotas = Quotas { nodes_per_jid_max: 3, nodes_per_domain_max: 5, nodes_max: 7, ..Quotas::default() };
    let change = |by| UsageChange { counted: Counted::Nodes, owner: bare("a@example.org"), by };
    let refused = |scope| Err(Quota { counted: Counted::Nodes, scope });
    assert_eq!(change(1).settle([2, 4, 6], &quotas), Ok(()));
    assert_eq!(change(1).settle([3, 0, 0], &quotas), refused(Scope::Jid));
    assert_eq!(change(1).settle([0, 5, 0], &quotas), refused(Scope::Domain));
    assert_eq!(change(1).settle([0, 0, 7], &quotas), refused(Scope::Total));
    assert_eq!(change(0).settle([9, 9, 9], &quotas), Ok(()), "nothing becomes more");
    assert_eq!(change(-1).settle([9, 9, 9], &quotas), Ok(()), "less is always allowed");
}

#[test]
fn what_is_stored_is_added_up() {
    let mut stored = StoredBytes::default();
    for (creator, bytes) in [("a@example.org", 3), ("b@example.org", 4), ("a@example.org", 5)] {
        stored.add(&bare(creator), bytes);
    }
    assert_eq!(stored.total(), 12);
}

#[test]
fn a_request_changes_so_many_associations_and_no_more() {
    let changes = |count: usize| {
        let names = (0..count).map(|number| NodeName::new(&format!("child {number}")).unwrap()).collect();
        let wish =
            Wish::Placement(Placement { collections: None, children: Some(names), ..Placement::default() });
        let placing = collection::decide(&node(NodeConfig::default()), &owner(), wish, &Limits::default());
        let top = NodeName::new("top").unwrap();
        placing.unwrap().changes(&top, &Neighbours::default()).map(|changes| changes.len())
    };
    assert_eq!(changes(64), Ok(64));
    assert!(matches!(changes(65), Err(BusError::BadRequest(_))));
}
