use bus_domain::ErrorClass;

use super::*;

fn every_bus_error() -> Vec<BusError> {
    vec![
        BusError::NodeNotFound,
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
        BusError::LimitReached(LimitKind::Subscriptions),
        BusError::LimitReached(LimitKind::Affiliations),
        BusError::LimitReached(LimitKind::Undelivered),
        BusError::Busy,
        BusError::Contended,
        BusError::StoreUnavailable,
        BusError::Internal,
    ]
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
    encode(&Refusal::from(BusError::Unsupported(Feature::PurgeNodes)), &mut out);
    let unsupported =
        "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='purge-nodes'/><text";
    assert!(out.finish().contains(unsupported));
}
