//! The namespaces of what is understood and of what is written.

/// XEP-0060: requests of subscribers and publishers.
pub(crate) const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060: requests of owners.
pub(crate) const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// XEP-0060: notifications.
pub(crate) const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0060: conditions beside those of RFC 6120.
pub(crate) const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// XEP-0030.
pub(crate) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030.
pub(crate) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0059.
pub(crate) const RSM: &str = "http://jabber.org/protocol/rsm";
/// XEP-0115.
pub(crate) const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0202.
pub(crate) const TIME: &str = "urn:xmpp:time";
/// XEP-0460.
pub(crate) const PUBSUB_CACHING: &str = "urn:xmpp:pubsub-caching:0";
/// XEP-0462.
pub(crate) const PUBSUB_FILTER: &str = "urn:xmpp:pubsub-filter:0";
/// XEP-0496.
pub(crate) const RELATIONSHIPS: &str = "urn:xmpp:pubsub-relationships:0";
/// XEP-0199.
pub(crate) const PING: &str = "urn:xmpp:ping";
/// XEP-0092.
pub(crate) const VERSION: &str = "jabber:iq:version";
/// RFC 6121 §2.
pub(crate) const ROSTER: &str = "jabber:iq:roster";
/// XEP-0356, by its versions: a server takes requests in the one that it announces.
pub(crate) const PRIVILEGE: [&str; 2] = ["urn:xmpp:privilege:2", "urn:xmpp:privilege:1"];
/// XEP-0004.
pub(crate) const DATA_FORMS: &str = "jabber:x:data";
/// XEP-0050.
pub(crate) const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0131.
pub(crate) const SHIM: &str = "http://jabber.org/protocol/shim";
/// XEP-0359.
pub(crate) const STANZA_ID: &str = "urn:xmpp:sid:0";
/// XEP-0313.
pub(crate) const MAM: &str = "urn:xmpp:mam:2";
/// XEP-0313: filters by id, flipped pages, meta-data.
pub(crate) const MAM_EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// XEP-0297.
pub(crate) const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0203.
pub(crate) const DELAY: &str = "urn:xmpp:delay";
/// XEP-0334.
pub(crate) const HINTS: &str = "urn:xmpp:hints";
/// XEP-0122.
pub(crate) const VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// XEP-0413.
pub(crate) const ORDER_BY: &str = "urn:xmpp:order-by:1";
/// RFC 6120: stanzas of clients.
pub(crate) const CLIENT: &str = "jabber:client";
/// RFC 6120 §8.3.3.
pub(crate) const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// Our own: where an event stands in its node's log.
pub(crate) const POSITION: &str = "urn:stanzabus:position:1";
/// XEP-0357.
pub(crate) const PUSH: &str = "urn:xmpp:push:0";
/// XEP-0357: what a push tells of the messages that it is about.
pub(crate) const PUSH_SUMMARY: &str = "urn:xmpp:push:summary";
/// Our own: the forms of devices and registrations.
pub(crate) const PUSH_FORM: &str = "urn:stanzabus:push:1";
