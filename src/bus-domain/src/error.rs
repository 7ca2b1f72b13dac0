use thiserror::Error;

use crate::consumer::ConsumerError;
use crate::quota::{Counted, Quota, Scope};
use crate::source::SourceError;
use crate::{Epoch, RedirectUri, Seq};

/// Everything that can be said no with, on every leg. Each leg has one mapping from here to its own errors.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BusError {
    /// There is no node of this name.
    #[error("there is no such node")]
    NodeNotFound,
    /// The node of this name was deleted, and its owner has said where it is now.
    #[error("the node has moved to {to}")]
    NodeMoved {
        /// Where it is.
        to: RedirectUri,
    },
    /// The name is taken.
    #[error("a node of this name exists already")]
    NodeExists,
    /// The actor lacks the right, or is banned.
    #[error("not allowed for this affiliation")]
    Forbidden,
    /// The node is for listed entities, and the actor is not on the list.
    #[error("the node is closed to entities that are not on its whitelist")]
    ClosedNode,
    /// The node shows its items to subscribers only.
    #[error("the node is for its subscribers, whom an owner approves")]
    SubscriptionRequired,
    /// The node is for those who see the presence of an owner.
    #[error("the node is for those who are subscribed to the presence of its owner")]
    PresenceSubscriptionRequired,
    /// The node is for groups of its owners' rosters.
    #[error("the node is for certain groups of its owner's roster")]
    NotInRosterGroup,
    /// Whether an owner's roster lets the actor in cannot be told now.
    #[error("the roster that decides cannot be read at the moment; try again later")]
    RosterUnavailable,
    /// An owner has not decided yet.
    #[error("the subscription waits for an owner's approval")]
    SubscriptionPending,
    /// A retract names an item that is not there.
    #[error("there is no such item")]
    ItemNotFound,
    /// Nobody is subscribed at this address.
    #[error("not subscribed")]
    NotSubscribed,
    /// There is no subscription that could have options.
    #[error("not subscribed, so there are no options")]
    NoOptions,
    /// The address has several subscriptions, and the request does not say which one it is about.
    #[error("the address has several subscriptions: say which one by its subid")]
    SubIdRequired,
    /// No subscription of the address has this SubID.
    #[error("no subscription of this address has such a subid")]
    InvalidSubId,
    /// The options of a subscription cannot be like this.
    #[error("the options are not acceptable: {reason}")]
    InvalidOptions {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The address to subscribe is not the requester's.
    #[error("the address to subscribe is not the requester's own")]
    ForeignJid,
    /// A page starts at an entry that is not known here.
    #[error("the page starts at an entry that is not known here")]
    UnknownPosition,
    /// A replay starts behind the head, or in another life of the node.
    #[error("the position is of another epoch of the node, or beyond its head")]
    WrongEpoch,
    /// The payload has more bytes than allowed.
    #[error("the payload is longer than {bytes_max} bytes")]
    PayloadTooBig {
        /// The bound.
        bytes_max: usize,
    },
    /// The payload is not one acceptable XML element.
    #[error("the payload is not acceptable: {reason}")]
    InvalidPayload {
        /// What is wrong with it.
        reason: String,
    },
    /// More items in one request than allowed, or than the node keeps.
    #[error("more than {items_max} items in one request")]
    TooManyItems {
        /// The bound.
        items_max: usize,
    },
    /// The node has as many items as it keeps, and refuses more.
    #[error("the node is full")]
    NodeFull,
    /// A node cannot be configured like this.
    #[error("the configuration is not acceptable: {reason}")]
    InvalidConfig {
        /// What is wrong with it.
        reason: String,
    },
    /// Nodes cannot stand to each other like this (XEP-0248).
    #[error("nodes cannot be associated like this: {reason}")]
    InvalidAssociation {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The collection has as many children as it may have, or the node as many collections.
    #[error("more than {nodes_max} nodes cannot be associated with this one")]
    TooManyAssociations {
        /// The bound.
        nodes_max: u32,
    },
    /// Nodes cannot be related like this (XEP-0496).
    #[error("nodes cannot be related like this: {reason}")]
    InvalidRelation {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Who may associate these nodes is somebody else.
    #[error("these nodes are not yours to associate or dissociate")]
    AssociationForbidden,
    /// What is no child of a collection cannot be dissociated from it.
    #[error("the nodes are not associated")]
    NotAssociated,
    /// The address has a subscription of this type to the collection.
    #[error("the address is subscribed like this already")]
    SubscriptionExists,
    /// An access model that is not offered.
    #[error("this access model is not offered here")]
    UnsupportedAccessModel,
    /// The node is not configured as the publisher wants it to be.
    #[error("the node is not configured as the request demands")]
    PreconditionNotMet,
    /// Somebody has published since the publisher looked, or the log has begun a new life.
    #[error("the log does not end where the request expects: its newest position is {seq}, of epoch {:016x}", .epoch.0)]
    HeadMoved {
        /// The log's epoch.
        epoch: Epoch,
        /// Where it ends.
        seq: Seq,
    },
    /// The sender has used the request's id for another request.
    #[error("the request id was used for another request on this node; give each request an id of its own")]
    RequestIdReused,
    /// Nothing is kept by which a repeat could be recognised.
    #[error("the node is in memory, where no request ids are kept; publish without one")]
    RequestIdNotKept,
    /// A durable subscription of a service is not there, or not so.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// A source is not there, or not so.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The request does not say what it must, or says it wrongly.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// Understood, but not done here.
    #[error("{0} is not supported")]
    Unsupported(Feature),
    /// A bound of the operator's is reached; waiting may help, or asking the operator.
    #[error("the limit on {0} is reached{wait}", wait = .0.wait())]
    LimitReached(LimitKind),
    /// Too much is queued; the sender should slow down.
    #[error("too many requests are waiting; try again later")]
    Busy,
    /// The rules of the node changed again and again under the request.
    #[error("the node kept changing under the request; try again")]
    Contended,
    /// The store cannot be written or read at the moment.
    #[error("the store is not available; try again later")]
    StoreUnavailable,
    /// A fault of ours; the log has the cause.
    #[error("internal error")]
    Internal,
}

/// What is wrong with a request's form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// No node is named.
    #[error("the request names no node")]
    NodeRequired,
    /// No item is given, or it has no id.
    #[error("the request names no item")]
    ItemRequired,
    /// Something is published as an item, and the node only tells that something has happened.
    #[error("the node takes no items, only publishes without one")]
    ItemForbidden,
    /// The item has no payload, and the node is for payloads.
    #[error("the item has no payload")]
    PayloadRequired,
    /// No address is given.
    #[error("the request names no address")]
    JidRequired,
    /// An address cannot be parsed.
    #[error("the address is not a valid JID")]
    InvalidJid,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What is not done here. The names are XEP-0060's feature names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Reading and changing a node's configuration.
    ConfigNode,
    /// A configuration form in the request that creates the node.
    CreateAndConfigure,
    /// Requests for subscription to be approved.
    GetPending,
    /// An owner's lists of affiliations.
    ModifyAffiliations,
    /// An owner's lists of subscriptions.
    ManageSubscriptions,
    /// Items that stay on the node.
    PersistentItems,
    /// Items on the node.
    Publish,
    /// Reading items, or the log.
    RetrieveItems,
    /// Preconditions in a publish request.
    PublishOptions,
    /// Removing all items of a node.
    PurgeNodes,
    /// Reading the default configuration of nodes.
    RetrieveDefault,
    /// Reading the default options of subscriptions.
    RetrieveDefaultSub,
    /// Subscribing at all.
    Subscribe,
    /// Options of a subscription.
    SubscriptionOptions,
}

impl Feature {
    /// The short name of XEP-0060 §10.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigNode => "config-node",
            Self::CreateAndConfigure => "create-and-configure",
            Self::GetPending => "get-pending",
            Self::ModifyAffiliations => "modify-affiliations",
            Self::ManageSubscriptions => "manage-subscriptions",
            Self::PersistentItems => "persistent-items",
            Self::Publish => "publish",
            Self::RetrieveItems => "retrieve-items",
            Self::PublishOptions => "publish-options",
            Self::PurgeNodes => "purge-nodes",
            Self::RetrieveDefault => "retrieve-default",
            Self::RetrieveDefaultSub => "retrieve-default-sub",
            Self::Subscribe => "subscribe",
            Self::SubscriptionOptions => "subscription-options",
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Which bound of the operator's is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Subscriptions to the node, of one address or in all.
    Subscriptions,
    /// Entries in the node's list of affiliations.
    Affiliations,
    /// Events of the node that wait for their delivery.
    Undelivered,
    /// What somebody may have.
    Quota(Quota),
    /// Items that somebody may publish in a time.
    PublishRate {
        /// Whose.
        scope: Scope,
        /// The same request can pass in so many milliseconds, unless something else is published before.
        retry_after_ms: u64,
    },
}

impl LimitKind {
    /// The cell of the table of quotas, if it is one of these.
    pub fn quota(self) -> Option<Quota> {
        match self {
            Self::Quota(quota) => Some(quota),
            Self::PublishRate { scope, .. } => Some(Quota { counted: Counted::Publishes, scope }),
            Self::Subscriptions | Self::Affiliations | Self::Undelivered => None,
        }
    }

    /// What is said beside it about when to come again.
    fn wait(self) -> String {
        match self {
            Self::PublishRate { retry_after_ms, .. } => {
                format!("; try again in {retry_after_ms} milliseconds")
            }
            _ => String::new(),
        }
    }
}

impl std::fmt::Display for LimitKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subscriptions => out.write_str("subscriptions"),
            Self::Affiliations => out.write_str("affiliations"),
            Self::Undelivered => out.write_str("undelivered events"),
            Self::Quota(quota) => quota.fmt(out),
            Self::PublishRate { scope, .. } => Quota { counted: Counted::Publishes, scope: *scope }.fmt(out),
        }
    }
}

/// Whose turn it is after an error: the bounded label of metrics, and what a leg's mapping must agree with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is at fault; the same request will fail again.
    Request,
    /// The actor may not.
    Denied,
    /// Try again later.
    Wait,
    /// We are at fault.
    Internal,
}

impl BusError {
    /// The class of the error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Forbidden
            | Self::ClosedNode
            | Self::SubscriptionRequired
            | Self::PresenceSubscriptionRequired
            | Self::NotInRosterGroup
            | Self::AssociationForbidden
            | Self::SubscriptionPending
            | Self::Consumer(ConsumerError::DestinationForbidden) => ErrorClass::Denied,
            Self::Consumer(ConsumerError::Elsewhere | ConsumerError::TooMany { .. })
            | Self::Source(SourceError::Elsewhere | SourceError::TooMany { .. })
            | Self::LimitReached(_)
            | Self::Busy
            | Self::Contended
            | Self::RosterUnavailable
            | Self::StoreUnavailable => ErrorClass::Wait,
            Self::Internal => ErrorClass::Internal,
            Self::NodeNotFound
            | Self::NodeMoved { .. }
            | Self::NodeExists
            | Self::ItemNotFound
            | Self::NotSubscribed
            | Self::NoOptions
            | Self::SubIdRequired
            | Self::InvalidSubId
            | Self::InvalidOptions { .. }
            | Self::ForeignJid
            | Self::UnknownPosition
            | Self::WrongEpoch
            | Self::PayloadTooBig { .. }
            | Self::InvalidPayload { .. }
            | Self::TooManyItems { .. }
            | Self::NodeFull
            | Self::InvalidConfig { .. }
            | Self::InvalidAssociation { .. }
            | Self::TooManyAssociations { .. }
            | Self::InvalidRelation { .. }
            | Self::NotAssociated
            | Self::SubscriptionExists
            | Self::UnsupportedAccessModel
            | Self::PreconditionNotMet
            | Self::HeadMoved { .. }
            | Self::RequestIdReused
            | Self::RequestIdNotKept
            | Self::Consumer(_)
            | Self::Source(_)
            | Self::BadRequest(_)
            | Self::Unsupported(_) => ErrorClass::Request,
        }
    }

    /// In how many milliseconds the same request may pass: for the errors of the class [`ErrorClass::Wait`], and no others.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Contended => Some(50),
            Self::Busy => Some(200),
            Self::StoreUnavailable | Self::RosterUnavailable | Self::LimitReached(LimitKind::Undelivered) => {
                Some(1_000)
            }
            Self::LimitReached(LimitKind::PublishRate { retry_after_ms, .. }) => Some(*retry_after_ms),
            Self::Consumer(ConsumerError::Elsewhere) | Self::Source(SourceError::Elsewhere) => Some(5_000),
            Self::LimitReached(_)
            | Self::Consumer(ConsumerError::TooMany { .. })
            | Self::Source(SourceError::TooMany { .. }) => Some(60_000),
            _ => None,
        }
    }

    /// A [`Self::InvalidConfig`] with this text.
    pub fn invalid_config(reason: impl Into<String>) -> Self {
        Self::InvalidConfig { reason: reason.into() }
    }

    /// A [`BadRequest::Other`] with this text.
    pub fn bad_request(reason: impl Into<String>) -> Self {
        Self::BadRequest(BadRequest::Other(reason.into()))
    }
}
