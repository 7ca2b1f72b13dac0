//! What a dead letter may be, and where it is kept.

use crate::consumer::ConsumerId;
use crate::consumer::redrive::{self, DeadLetter, Undeliverable};
use crate::publish::{Overflow, Publication};
use crate::{
    BusError, Durability, Epoch, ItemId, Limits, NodeConfig, NodeId, NodeType, Payload, WhenItemsFull,
};

use super::sample::{node, owner, stranger};

const PUBLISHED_BYTES_MAX: usize = 1_000;

/// What is committed for a dead letter of so many bytes.
fn letter(config: NodeConfig, bytes: usize) -> Result<Publication, BusError> {
    let about = Undeliverable { consumer: ConsumerId(3), fence: 1, node: NodeId(2), epoch: Epoch(9), seq: 5 };
    let letter = DeadLetter { about, payload: Payload::from_serialised("x".repeat(bytes)) };
    let limits = Limits { payload_bytes_max: PUBLISHED_BYTES_MAX, ..Limits::default() };
    let next_id = || ItemId::new("made").unwrap();
    redrive::decide_dead_letter(&node(config), &owner(), &letter, &limits, next_id)
}

#[test]
fn a_dead_letter_is_an_item_that_may_be_longer_than_others_by_its_envelope() {
    let short = NodeConfig { payload_bytes_max: Some(10), ..NodeConfig::default() };
    let bytes_max = PUBLISHED_BYTES_MAX + 32_768;
    for config in [NodeConfig::default(), short] {
        let publication = letter(config.clone(), bytes_max).unwrap();
        let payload = publication.items[0].payload.as_ref().map(Payload::len_bytes);
        assert_eq!((publication.items.len(), payload), (1, Some(bytes_max)));
        assert_eq!(letter(config, bytes_max + 1), Err(BusError::PayloadTooBig { bytes_max }));
    }
}

#[test]
fn a_full_node_loses_no_dead_letter_whatever_it_does_with_other_items() {
    for when_items_full in WhenItemsFull::ALL {
        let config = NodeConfig { items_max: 7, when_items_full, ..NodeConfig::default() };
        let overflow = letter(config, 1).unwrap().overflow;
        assert_eq!(overflow, Some(Overflow::Refused { items_max: 7 }), "{when_items_full:?}");
    }
}

#[test]
fn a_dead_letter_node_keeps_what_it_is_given_and_shows_it() {
    assert_eq!(redrive::check_node(&node(NodeConfig::default()), &owner()), Ok(()));
    let unfit = |change: fn(&mut NodeConfig)| {
        let mut config = NodeConfig::default();
        change(&mut config);
        redrive::check_node(&node(config), &owner()).map_err(|error| error.to_string())
    };
    for (why, refused) in [
        ("must be a leaf on disk", unfit(|it| it.durability = Durability::Memory)),
        ("must be a leaf on disk", unfit(|it| it.node_type = NodeType::Collection)),
        ("keeps items", unfit(|it| it.persist_items = false)),
        ("delivers payloads", unfit(|it| it.deliver_payloads = false)),
        ("go by themselves", unfit(|it| it.item_expire_seconds = Some(86_400))),
        ("go by themselves", unfit(|it| it.purge_when_publisher_goes = true)),
    ] {
        assert!(refused.as_ref().is_err_and(|reason| reason.contains(why)), "{why}: {refused:?}");
    }
}

#[test]
fn who_may_not_publish_on_a_node_sends_no_dead_letters_there() {
    let node = node(NodeConfig::default());
    assert_eq!(redrive::check_node(&node, &stranger()), Err(BusError::Forbidden));
}
