//! What is written as a text is read as the same again, and no two things share a text.

use std::collections::HashSet;

use crate::consumer::{ConsumerName, NodePattern};
use crate::quota::{Counted, Quota, Scope};
use crate::retention::WhenUndeliveredFull;
use crate::{
    AccessModel, Affiliation, AssociationPolicy, BusError, Durability, Feature, ItemId, LimitKind,
    MessageType, NodeName, NodeType, PublishModel, RedirectUri, RelationKind, SendLastItem,
    SubscriptionState, SubscriptionType, TypeFilter, WhenItemsFull,
};

#[test]
fn affiliations_and_states_are_read_as_they_are_written() {
    for affiliation in Affiliation::ALL {
        assert_eq!(Affiliation::parse(affiliation.as_str()), Some(affiliation));
    }
    for state in SubscriptionState::ALL {
        assert_eq!(SubscriptionState::parse(state.as_str()), Some(state));
    }
    assert_eq!((Affiliation::parse("Owner"), SubscriptionState::parse("")), (None, None));
    assert_eq!(Affiliation::ALL.map(Affiliation::as_str)[2], "publish-only");
}

#[test]
fn levels_of_durability_are_read_as_they_are_written() {
    for durability in Durability::ALL {
        assert_eq!(Durability::parse(durability.as_str()), Some(durability));
    }
    assert_eq!((Durability::parse("Fsync"), Durability::parse("")), (None, None));
}

#[test]
fn kinds_of_relations_are_read_as_they_are_written() {
    for (kind, name) in [(RelationKind::Link, "link"), (RelationKind::Parent, "parent")] {
        assert_eq!((kind.as_str(), name.parse()), (name, Ok(kind)));
    }
    assert!("Parent".parse::<RelationKind>().is_err());
}

#[test]
fn a_name_is_the_text_that_it_was_made_of() {
    assert_eq!(String::from(NodeName::new("news").unwrap()), "news");
}

/// Forms show these words, and stores hold them.
#[test]
fn choices_are_stored_as_they_are_shown() {
    fn check<Choice: serde::Serialize + Copy>(choices: &[Choice], shown: fn(Choice) -> &'static str) {
        for choice in choices {
            assert_eq!(serde_json::to_value(choice).unwrap(), shown(*choice));
        }
    }
    check(&AccessModel::ALL, AccessModel::as_str);
    check(&AssociationPolicy::ALL, AssociationPolicy::as_str);
    check(&Durability::ALL, Durability::as_str);
    check(&MessageType::ALL, MessageType::as_str);
    check(&NodeType::ALL, NodeType::as_str);
    check(&PublishModel::ALL, PublishModel::as_str);
    check(&SubscriptionType::ALL, SubscriptionType::as_str);
    check(&WhenUndeliveredFull::ALL, WhenUndeliveredFull::as_str);
    assert_eq!(SendLastItem::ALL.map(SendLastItem::as_str), ["never", "on_sub", "on_sub_and_presence"]);
    let full = WhenItemsFull::ALL.map(WhenItemsFull::as_str);
    assert_eq!(full, ["discard-oldest", "retract-oldest", "reject"]);
}

#[test]
fn what_is_counted_is_read_as_it_is_written() {
    for counted in Counted::ALL {
        assert_eq!(Counted::parse(counted.as_str()), Some(counted));
    }
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Some(scope));
    }
    assert_eq!((Counted::parse(""), Scope::parse("jids")), (None, None));
}

#[test]
fn a_name_is_shown_as_it_is() {
    let (node, item) = (NodeName::new("a b").unwrap(), ItemId::new("c").unwrap());
    assert_eq!((node.as_str(), item.as_str()), ("a b", "c"));
    assert_eq!((node.to_string(), item.to_string()), ("a b".to_owned(), "c".to_owned()));
    assert_eq!(format!("{node:?} {item:?}"), r#""a b" "c""#);
    let (consumer, pattern) = (ConsumerName::new("c").unwrap(), NodePattern::new("a.*").unwrap());
    assert_eq!((consumer.as_str(), pattern.as_str()), ("c", "a.*"));
    assert_eq!((consumer.to_string(), pattern.to_string()), ("c".to_owned(), "a.*".to_owned()));
    assert_eq!(format!("{consumer:?} {pattern:?}"), r#""c" "a.*""#);
    let uri = RedirectUri::new("urn:a").unwrap();
    assert_eq!((uri.to_string(), format!("{uri:?}")), ("urn:a".to_owned(), r#""urn:a""#.to_owned()));
}

#[test]
fn what_is_not_done_is_named_as_in_the_xep() {
    let named = [(Feature::GetPending, "get-pending"), (Feature::PersistentItems, "persistent-items")];
    for (feature, name) in named {
        assert_eq!((feature.as_str(), feature.to_string()), (name, name.to_owned()));
    }
}

#[test]
fn a_limit_says_which_it_is_and_when_it_passes() {
    let rate = LimitKind::PublishRate { scope: Scope::Domain, retry_after_ms: 1_500 };
    let of_rate = Quota { counted: Counted::Publishes, scope: Scope::Domain };
    assert_eq!(rate.quota(), Some(of_rate));
    assert!(BusError::LimitReached(rate).to_string().ends_with("; try again in 1500 milliseconds"));
    let of_nodes = Quota { counted: Counted::Nodes, scope: Scope::Jid };
    let others = [
        LimitKind::Subscriptions,
        LimitKind::Affiliations,
        LimitKind::Undelivered,
        LimitKind::Quota(of_nodes),
        rate,
    ];
    assert_eq!(others.map(LimitKind::quota), [None, None, None, Some(of_nodes), Some(of_rate)]);
    let texts: HashSet<_> = others.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), others.len(), "{texts:?}");
    assert!(texts.iter().all(|text| !text.is_empty()));
    assert!(!BusError::LimitReached(LimitKind::Undelivered).to_string().contains("milliseconds"));
}

#[test]
fn a_filter_says_what_it_is_made_of() {
    let types = vec!["urn:a".to_owned()];
    let (only, others) = (TypeFilter::only(types.clone()), TypeFilter::all_but(types.clone()));
    assert_eq!((only.types(), others.types()), (&*types, &*types));
    assert_eq!((only.is_inclusive(), others.is_inclusive()), (true, false));
}
