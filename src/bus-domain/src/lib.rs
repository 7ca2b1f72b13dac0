//! The rules of the bus: plain values in, a decision or an error out.
//!
//! Nothing here does I/O, knows XML, reads a clock or draws a random number. One file per verb decides what a
//! request may do ([`publish`], [`retract`], [`purge`], [`subscribe`], [`unsubscribe`], [`create`], [`configure`],
//! [`delete`], [`collection`], [`affiliate`], [`manage_subscriptions`], [`options`], [`retrieve`], [`archive`]); who may do what is one table ([`access`]); what can go wrong is one vocabulary
//! ([`BusError`]). What goes by itself is decided by [`retention`]; what a notification that comes back says of its
//! subscriber is [`bounce`], and what follows is [`park`]; a lease that is over is ended by [`expire`];
//! what hangs on who is available is [`presence`]; which nodes go with which is [`relation`]; durable subscriptions of
//! services are [`consumer`]; what goes to devices, and what their providers' answers mean, is [`push`]. How much somebody
//! may have, and how fast, is one table too ([`quota`]). A request that comes again is recognised by [`idempotency`].
//!
//! A verb whose outcome depends on stored items or subscriptions has two halves: `decide` works on the node's
//! facts, `settle` runs inside the transaction on the rows that it concerns.

mod about;
pub mod access;
mod actor;
pub mod administer;
pub mod affiliate;
mod affiliation;
pub mod archive;
pub mod bounce;
pub mod collection;
pub mod configure;
pub mod consumer;
pub mod create;
pub mod delete;
mod error;
mod event;
pub mod expire;
mod facts;
pub mod idempotency;
mod ids;
mod limits;
pub mod manage_subscriptions;
mod node_config;
pub mod options;
pub mod park;
mod payload;
pub mod presence;
pub mod publish;
pub mod purge;
pub mod push;
pub mod quota;
mod redirect;
pub mod relation;
pub mod retention;
pub mod retract;
pub mod retrieve;
mod roster;
mod setting;
pub mod source;
pub mod subscribe;
mod subscription;
mod subscription_options;
#[cfg(test)]
mod tests;
mod text;
mod type_filter;
pub mod unsubscribe;

pub use about::About;
pub use actor::{Actor, Role};
pub use affiliation::{Affiliation, Affiliations};
pub use error::{BadRequest, BusError, ErrorClass, Feature, LimitKind};
pub use event::{Event, EventKind, Origin, Source};
pub use facts::NodeFacts;
pub use ids::{Epoch, ItemId, NodeId, NodeName, Seq, SubscriptionId};
pub use jid::{BareJid, FullJid, Jid};
pub use limits::Limits;
pub use node_config::{
    AccessModel, AssociationPolicy, ChildrenConfig, Durability, MessageType, NodeConfig, NodeType,
    ProcessingHint, PublishModel, SendLastItem, WhenItemsFull,
};
pub use payload::Payload;
pub use presence::{Show, ShowValues};
pub use redirect::{Redirect, RedirectError, RedirectUri};
pub use relation::{Relation, RelationKind, RelationWish};
pub use roster::{Acquaintance, LookedUp, OWNERS_ASKED_MAX, Roster, RosterEntry, acquaintance};
pub use setting::Setting;
pub use subscription::{Subscription, SubscriptionState};
pub use subscription_options::{Expire, OptionSetting, SubscriptionOptions, SubscriptionType};
pub use text::{TextError, check_text};
pub use type_filter::TypeFilter;
