use bus_domain::ErrorClass;
use bus_domain::RedirectUri;
use bus_domain::push::PushProvider;
use bus_domain::quota::Quota;
use bus_store::StoreError;

use super::*;

fn every_bus_error() -> Vec<BusError> {
    let mut all: Vec<_> = every_limit().into_iter().map(BusError::LimitReached).collect();
    all.extend([
        BusError::NodeNotFound,
        moved(),
        BusError::NodeExists,
        BusError::Forbidden,
        BusError::ClosedNode,
        BusError::PresenceSubscriptionRequired,
        BusError::NotInRosterGroup,
        BusError::RosterUnavailable,
        BusError::ItemNotFound,
        BusError::NotSubscribed,
        BusError::ForeignJid,
        BusError::UnknownPosition,
        BusError::WrongEpoch,
        BusError::PayloadTooBig { bytes_max: 1 },
        BusError::InvalidPayload { reason: "<&'\">".to_owned() },
        BusError::TooManyItems { items_max: 1 },
        BadRequest::NodeRequired.into(),
        BadRequest::ItemRequired.into(),
        BadRequest::PayloadRequired.into(),
        BadRequest::JidRequired.into(),
        BadRequest::InvalidJid.into(),
        BusError::bad_request("<&'\">"),
        BusError::Unsupported(Feature::PurgeNodes),
        BusError::Unsupported(Feature::PersistentItems),
        BusError::Busy,
        BusError::Contended,
        BusError::StoreUnavailable,
        BusError::Internal,
    ]);
    all
}

fn moved() -> BusError {
    BusError::NodeMoved { to: RedirectUri::new("xmpp:a@example.org?;node=<b>").unwrap() }
}

fn every_limit() -> Vec<LimitKind> {
    let mut all = vec![LimitKind::Subscriptions, LimitKind::Affiliations, LimitKind::Undelivered];
    all.extend(Quota::ALL.map(LimitKind::Quota));
    all.extend(Scope::ALL.map(|scope| LimitKind::PublishRate { scope, retry_after_ms: 5 }));
    all
}

#[test]
fn who_has_too_much_violates_a_policy_and_what_is_full_for_all_is_a_constraint() {
    for limit in every_limit() {
        let StanzaError { kind, condition, pubsub } = of_limit(limit);
        let expected = match limit.quota().map(|quota| (quota.counted, quota.scope)) {
            Some((Counted::StoredBytes, _)) => ("resource-constraint", None),
            Some((Counted::Publishes, Scope::Total)) if !matches!(limit, LimitKind::Quota(_)) => {
                ("resource-constraint", None)
            }
            Some((Counted::Subscriptions, _)) => ("policy-violation", Some("too-many-subscriptions")),
            Some(_) => ("policy-violation", None),
            None => continue,
        };
        let pubsub = pubsub.map(|it| match it {
            PubsubCondition::Named(name) | PubsubCondition::OfCommand(name) => name,
            PubsubCondition::Unsupported(feature) => feature.as_str(),
        });
        assert_eq!((kind, condition, pubsub), (Wait, expected.0, expected.1), "{limit}");
    }
}

#[test]
fn the_type_agrees_with_the_class_of_the_error() {
    for error in every_bus_error() {
        let kind = Refusal::from(error.clone()).stanza_error().kind;
        let expected: &[ErrorKind] = match error.class() {
            ErrorClass::Wait => &[Wait],
            ErrorClass::Internal => &[Cancel],
            ErrorClass::Request => &[Cancel, Modify],
            ErrorClass::Denied if error == BusError::ClosedNode => &[Cancel],
            ErrorClass::Denied => &[Auth],
        };
        assert!(expected.contains(&kind), "{error:?} is {kind:?}");
    }
}

#[test]
fn an_error_is_a_condition_then_the_one_of_pubsub_then_text() {
    let mut out = Xml::default();
    encode(&Refusal::from(BusError::InvalidPayload { reason: "<b>".to_owned() }), &mut out);
    let expected = "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                    <invalid-payload xmlns='http://jabber.org/protocol/pubsub#errors'/>\
                    <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>\
                    the payload is not acceptable: &lt;b&gt;</text></error>";
    assert_eq!(out.finish(), expected);
    let mut out = Xml::default();
    encode(&Refusal::from(moved()), &mut out);
    let gone = "<error type='modify'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>\
                xmpp:a@example.org?;node=&lt;b&gt;</gone><text";
    assert!(out.finish().starts_with(gone));
    let mut out = Xml::default();
    encode(&Refusal::from(BusError::Unsupported(Feature::PurgeNodes)), &mut out);
    let unsupported =
        "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='purge-nodes'/><text";
    assert!(out.finish().contains(unsupported));
}

#[test]
fn what_servers_are_told_of_a_push_ends_a_registration_only_where_nobody_will_be_reached() {
    let lane = PushProvider::Fcm.into();
    let unavailable = StoreError::Unavailable { message: "the password is x".to_owned(), source: None };
    for (error, expected) in [
        (PushError::NoSuchInlet, (Cancel, "item-not-found")),
        (NotLetIn::WrongSecret.into(), (Auth, "not-authorized")),
        (NotLetIn::Foreign.into(), (Auth, "forbidden")),
        (PushError::NotNow { reason: "r".to_owned() }, (Wait, "recipient-unavailable")),
        (PushError::TooFast { retry_after_ms: 1 }, (Wait, "policy-violation")),
        (PushError::QueueFull { lane }, (Wait, "resource-constraint")),
        (unavailable.into(), (Wait, "internal-server-error")),
    ] {
        let refusal = Refusal::from(error);
        let StanzaError { kind, condition, pubsub } = refusal.stanza_error();
        assert_eq!(((kind, condition), pubsub), (expected, None), "{refusal}");
        assert!(!refusal.to_string().contains("password"), "what a database says is for its operator");
    }
}
