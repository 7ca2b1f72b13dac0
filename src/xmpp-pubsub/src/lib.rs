//! XEP-0060 and its companions as a service: stanzas become commands and queries, outcomes become stanzas, events
//! become notifications. No sockets, no SQL; the rules are bus-domain's.
//!
//! * [`Service`] answers stanzas. `request` holds the one table of what is understood; each verb has a file with
//!   its two directions, `parse` and `encode`; `errors` is the one mapping of refusals.
//! * [`run`] answers a stream of stanzas, each sender's in order ([`RequestLimits`] bounds it).
//! * `push_service` is a second address, for pushes of the users' servers (XEP-0357).
//! * [`tell`] sends messages that are no events.
//! * [`Notifier`] encodes committed events, each once, for any number of recipients; [`BounceReader`] knows those that
//!   come back.
//!
//! Stanzas that leave stand in the stream's default namespace, without declaring it.

mod ad_hoc;
mod affiliations;
mod answer;
mod archive;
mod authorization;
mod availability;
mod bounce;
mod caching_hints;
mod caps;
mod collection;
mod configure;
mod contacts;
mod create;
mod date_time;
mod defaults;
mod delete;
mod disco;
mod envelope;
mod errors;
mod form;
mod items;
mod meta_data;
mod namespaces;
mod node_form;
mod notices;
mod notify;
mod options;
mod options_form;
mod order_by;
mod ordering;
mod owner_affiliations;
mod owner_subscriptions;
mod page;
mod parts;
mod ping;
mod presence;
mod privileges;
mod publish;
mod purge;
mod push_service;
mod relation;
mod request;
mod request_gauges;
mod requests;
mod retract;
mod rosters;
mod rsm;
mod service;
mod subscribe;
mod subscriptions;
mod time;
mod unsubscribe;
mod version;
mod xml;

pub use availability::{hear, seek};
pub use bounce::{BounceReader, BounceReading};
pub use contacts::Contacts;
pub use notices::tell;
pub use notify::{LaneRefusal, NotificationCounters, NotificationLane, Notifier};
pub use ordering::RequestLimits;
pub use privileges::{IqPermission, PresencePermission, Privileges, RosterPermission};
pub use push_service::PushServiceSettings;
pub use request_gauges::{RequestGauges, RequestLoad};
pub use requests::{Inbound, ReplySender, run};
pub use rosters::RosterReader;
pub use service::{Service, ServiceSettings};

#[cfg(test)]
mod tests;
