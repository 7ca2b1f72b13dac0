//! The one mapping from what can be refused to stanza errors.

use bus_domain::push::NotLetIn;
use bus_domain::quota::{Counted, Scope};
use bus_domain::{BadRequest, BusError, Feature, LimitKind};
use bus_engine::PushError;
use bus_xml::RejectReason;
use thiserror::Error;

use crate::namespaces::{COMMANDS, PUBSUB_ERRORS, STANZA_ERRORS};
use crate::xml::Xml;

/// Why a stanza gets an error: what the bus says, and what only this leg knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// The bus refused.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The request's namespace means nothing here (RFC 6120 §8.4).
    #[error("this namespace is not served here")]
    UnknownNamespace,
    /// The namespace is known, this part of it is not done here.
    #[error("{0} is not implemented")]
    NotImplemented(&'static str),
    /// Some of what is wanted cannot be; the rest is done.
    #[error("not all of this can be; the rest is done")]
    DoneInPart,
    /// A command cannot be executed like this.
    #[error(transparent)]
    Command(#[from] CommandProblem),
    /// A device or a push is refused.
    #[error("{text}")]
    Push {
        /// The stanza error.
        error: StanzaError,
        /// Why.
        text: String,
    },
    /// Nobody is at the address asked.
    #[error("there is nobody at this address")]
    NoSuchAddress,
    /// The requester's address cannot be understood.
    #[error("the sender's address is not a valid JID")]
    SenderMalformed,
    /// The stanza broke a cap of the stream.
    #[error("{}", over_limit(*.0))]
    OverLimit(RejectReason),
    /// The answer would break the server's cap.
    #[error("the answer would be longer than {bytes_max} bytes; ask for less")]
    AnswerTooLong {
        /// The bound.
        bytes_max: usize,
    },
}

/// Why a command is not executed (XEP-0050 §4.4).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CommandProblem {
    /// There is no such action.
    #[error("there is no such action")]
    MalformedAction,
    /// The action has no meaning where the command stands.
    #[error("this action is not possible here")]
    BadAction,
    /// The form is not what was asked for.
    #[error("the form is not acceptable: {0}")]
    BadPayload(String),
    /// The session is none of this requester's, or of another command.
    #[error("there is no such session")]
    BadSession,
    /// The session is over.
    #[error("the session is over")]
    SessionExpired,
    /// There is no such command.
    #[error("there is no such command")]
    NoSuchCommand,
    /// The requester may not execute it.
    #[error("this command is not for you")]
    Forbidden,
    /// The requester has begun too many commands.
    #[error("too many commands are under way; complete or cancel one")]
    TooManySessions,
}

impl CommandProblem {
    /// A [`Self::BadPayload`] with this text.
    pub(crate) fn bad_payload(reason: impl Into<String>) -> Self {
        Self::BadPayload(reason.into())
    }
}

/// A stanza error (RFC 6120 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StanzaError {
    /// The error's `type`.
    pub(crate) kind: ErrorKind,
    /// The condition of RFC 6120.
    pub(crate) condition: &'static str,
    /// The condition of XEP-0060 or XEP-0050 beside it.
    pub(crate) pubsub: Option<PubsubCondition>,
}

/// What the sender of a refused stanza may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Get other rights.
    Auth,
    /// Give up.
    Cancel,
    /// Change the request.
    Modify,
    /// Try again later.
    Wait,
}

/// XEP-0060 §17.2, XEP-0050 §4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PubsubCondition {
    /// An element of this name.
    Named(&'static str),
    /// `<unsupported feature=…/>`.
    Unsupported(Feature),
    /// An element of this name, of XEP-0050.
    OfCommand(&'static str),
}

use ErrorKind::{Auth, Cancel, Modify, Wait};

impl Refusal {
    /// The stanza error for this refusal.
    pub(crate) fn stanza_error(&self) -> StanzaError {
        match self {
            Self::Bus(error) => of_bus(error),
            Self::UnknownNamespace => plain(Cancel, "service-unavailable"),
            Self::NotImplemented(_) => plain(Cancel, "feature-not-implemented"),
            Self::Command(problem) => of_command(problem),
            Self::Push { error, .. } => *error,
            Self::NoSuchAddress => plain(Cancel, "item-not-found"),
            Self::SenderMalformed => plain(Modify, "jid-malformed"),
            Self::OverLimit(_) => plain(Modify, "policy-violation"),
            Self::DoneInPart | Self::AnswerTooLong { .. } => plain(Modify, "not-acceptable"),
        }
    }

    /// What stands inside of the condition: where that is which was asked for (RFC 6120 §8.3.3.5).
    fn new_address(&self) -> Option<&str> {
        match self {
            Self::Bus(BusError::NodeMoved { to }) => Some(to.as_str()),
            _ => None,
        }
    }
}

/// XEP-0060 §11 and the error sections of each use case.
#[expect(clippy::match_same_arms, reason = "one line per error of the bus")]
fn of_bus(error: &BusError) -> StanzaError {
    match error {
        BusError::NodeNotFound => plain(Cancel, "item-not-found"),
        // As the example of §6.1.3.11 has it: the request may be made somewhere else.
        BusError::NodeMoved { .. } => plain(Modify, "gone"),
        BusError::NodeExists => plain(Cancel, "conflict"),
        BusError::Forbidden => plain(Auth, "forbidden"),
        BusError::ClosedNode => with(Cancel, "not-allowed", "closed-node"),
        BusError::SubscriptionRequired => with(Auth, "not-authorized", "not-subscribed"),
        BusError::PresenceSubscriptionRequired => {
            with(Auth, "not-authorized", "presence-subscription-required")
        }
        BusError::NotInRosterGroup => with(Auth, "not-authorized", "not-in-roster-group"),
        BusError::RosterUnavailable => plain(Wait, "remote-server-timeout"),
        BusError::SubscriptionPending => with(Auth, "not-authorized", "pending-subscription"),
        BusError::ItemNotFound => plain(Cancel, "item-not-found"),
        BusError::NotSubscribed => with(Cancel, "unexpected-request", "not-subscribed"),
        BusError::NoOptions => with(Modify, "unexpected-request", "not-subscribed"),
        BusError::SubIdRequired => with(Modify, "bad-request", "subid-required"),
        BusError::InvalidSubId => with(Modify, "not-acceptable", "invalid-subid"),
        BusError::InvalidOptions { .. } => with(Modify, "bad-request", "invalid-options"),
        BusError::ForeignJid => with(Modify, "bad-request", "invalid-jid"),
        BusError::UnknownPosition | BusError::WrongEpoch => plain(Cancel, "item-not-found"),
        BusError::PayloadTooBig { .. } => with(Modify, "not-acceptable", "payload-too-big"),
        BusError::InvalidPayload { .. } => with(Modify, "bad-request", "invalid-payload"),
        BusError::TooManyItems { .. } => with(Cancel, "not-allowed", "max-items-exceeded"),
        BusError::NodeFull => with(Cancel, "conflict", "node-full"),
        BusError::InvalidAssociation { .. } => with(Cancel, "not-allowed", "invalid-options"),
        BusError::TooManyAssociations { .. } => with(Cancel, "not-allowed", "max-nodes-exceeded"),
        // XEP-0496 writes it in the singular, unlike XEP-0060.
        BusError::InvalidRelation { .. } => with(Cancel, "not-allowed", "invalid-option"),
        BusError::AssociationForbidden => plain(Cancel, "forbidden"),
        BusError::NotAssociated => plain(Modify, "bad-request"),
        BusError::SubscriptionExists => plain(Cancel, "conflict"),
        BusError::UnsupportedAccessModel => with(Modify, "not-acceptable", "unsupported-access-model"),
        BusError::PreconditionNotMet => with(Cancel, "conflict", "precondition-not-met"),
        // No stanza carries what these are about; were there one, this is what it would be told.
        BusError::HeadMoved { .. } => with(Cancel, "conflict", "precondition-not-met"),
        BusError::RequestIdReused => plain(Cancel, "conflict"),
        BusError::RequestIdNotKept => plain(Modify, "not-acceptable"),
        BusError::InvalidConfig { .. } => plain(Modify, "not-acceptable"),
        // Of subscriptions of services; no request here is about them.
        BusError::Consumer(_) | BusError::Source(_) => plain(Cancel, "not-allowed"),
        BusError::BadRequest(what) => of_bad_request(what),
        BusError::Unsupported(feature) => StanzaError {
            pubsub: Some(PubsubCondition::Unsupported(*feature)),
            ..plain(Cancel, "feature-not-implemented")
        },
        BusError::LimitReached(limit) => of_limit(*limit),
        BusError::Busy | BusError::Contended => plain(Wait, "resource-constraint"),
        BusError::StoreUnavailable => plain(Wait, "internal-server-error"),
        BusError::Internal => plain(Cancel, "internal-server-error"),
    }
}

/// Who has too much or is too fast violates a policy; what is full for all is a constraint (RFC 6120 §8.3.3.12, §8.3.3.18).
#[expect(clippy::match_same_arms, reason = "one line per limit")]
fn of_limit(limit: LimitKind) -> StanzaError {
    match limit {
        LimitKind::Subscriptions => with(Wait, "policy-violation", "too-many-subscriptions"),
        LimitKind::Affiliations => plain(Wait, "policy-violation"),
        LimitKind::Undelivered => plain(Wait, "resource-constraint"),
        LimitKind::Quota(quota) => match quota.counted {
            Counted::Subscriptions => with(Wait, "policy-violation", "too-many-subscriptions"),
            Counted::Nodes | Counted::Publishes => plain(Wait, "policy-violation"),
            Counted::StoredBytes => plain(Wait, "resource-constraint"),
        },
        LimitKind::PublishRate { scope: Scope::Jid | Scope::Domain, .. } => plain(Wait, "policy-violation"),
        LimitKind::PublishRate { scope: Scope::Total, .. } => plain(Wait, "resource-constraint"),
    }
}

fn of_command(problem: &CommandProblem) -> StanzaError {
    let with = |kind, condition, of_command| StanzaError {
        pubsub: Some(PubsubCondition::OfCommand(of_command)),
        ..plain(kind, condition)
    };
    match problem {
        CommandProblem::MalformedAction => with(Modify, "bad-request", "malformed-action"),
        CommandProblem::BadAction => with(Modify, "bad-request", "bad-action"),
        CommandProblem::BadPayload(_) => with(Modify, "bad-request", "bad-payload"),
        CommandProblem::BadSession => with(Modify, "bad-request", "bad-sessionid"),
        CommandProblem::SessionExpired => with(Cancel, "not-allowed", "session-expired"),
        CommandProblem::NoSuchCommand => plain(Cancel, "item-not-found"),
        CommandProblem::Forbidden => plain(Cancel, "forbidden"),
        CommandProblem::TooManySessions => plain(Cancel, "not-allowed"),
    }
}

/// What servers hear of a push decides whether they ever push again: one that is not `wait` ends the registration, on ejabberd
/// at once. So all that passes or that somebody else can mend is `wait`.
fn of_push(error: &PushError) -> StanzaError {
    match error {
        PushError::NoSuchInlet | PushError::NoSuchDevice | PushError::NoSuchJob => {
            plain(Cancel, "item-not-found")
        }
        PushError::NotLetIn(NotLetIn::WrongSecret) => plain(Auth, "not-authorized"),
        PushError::NotLetIn(NotLetIn::Foreign) | PushError::Forbidden => plain(Auth, "forbidden"),
        PushError::NotNow { .. } => plain(Wait, "recipient-unavailable"),
        PushError::TooFast { .. } => plain(Wait, "policy-violation"),
        PushError::QueueFull { .. } => plain(Wait, "resource-constraint"),
        PushError::Bus(error) => of_bus(error),
        PushError::Store(_) => plain(Wait, "internal-server-error"),
        PushError::TooManyDevices { .. } | PushError::TooManyInlets { .. } => plain(Cancel, "not-allowed"),
        PushError::ProviderNotConfigured { .. }
        | PushError::AccountNotConfigured { .. }
        | PushError::AppNotConfigured { .. }
        | PushError::TooMany { .. }
        | PushError::SenderKey
        | PushError::Address(_)
        | PushError::Message(_)
        | PushError::Unfit(_) => plain(Modify, "not-acceptable"),
    }
}

fn of_bad_request(what: &BadRequest) -> StanzaError {
    match what {
        BadRequest::NodeRequired => with(Modify, "bad-request", "nodeid-required"),
        BadRequest::ItemRequired => with(Modify, "bad-request", "item-required"),
        BadRequest::ItemForbidden => with(Modify, "bad-request", "item-forbidden"),
        BadRequest::PayloadRequired => with(Modify, "bad-request", "payload-required"),
        BadRequest::JidRequired => with(Modify, "bad-request", "jid-required"),
        BadRequest::InvalidJid => with(Modify, "bad-request", "invalid-jid"),
        BadRequest::Other(_) => plain(Modify, "bad-request"),
    }
}

fn plain(kind: ErrorKind, condition: &'static str) -> StanzaError {
    StanzaError { kind, condition, pubsub: None }
}

fn with(kind: ErrorKind, condition: &'static str, pubsub: &'static str) -> StanzaError {
    StanzaError { kind, condition, pubsub: Some(PubsubCondition::Named(pubsub)) }
}

/// Writes `<error/>`: the condition, XEP-0060's beside it, and a text for people.
pub(crate) fn encode(refusal: &Refusal, out: &mut Xml) {
    let error = refusal.stanza_error();
    out.start("error").attribute("type", error.kind.as_str());
    out.start_in(error.condition, STANZA_ERRORS);
    if let Some(address) = refusal.new_address() {
        out.text(address);
    }
    out.end();
    match error.pubsub {
        None => {}
        Some(PubsubCondition::Named(name)) => {
            out.start_in(name, PUBSUB_ERRORS).end();
        }
        Some(PubsubCondition::OfCommand(name)) => {
            out.start_in(name, COMMANDS).end();
        }
        Some(PubsubCondition::Unsupported(feature)) => {
            out.start_in("unsupported", PUBSUB_ERRORS).attribute("feature", feature.as_str()).end();
        }
    }
    out.start_in("text", STANZA_ERRORS).attribute("xml:lang", "en").text(&refusal.to_string()).end();
    out.end();
}

impl ErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Auth => "auth",
            Cancel => "cancel",
            Modify => "modify",
            Wait => "wait",
        }
    }
}

impl From<BadRequest> for Refusal {
    fn from(what: BadRequest) -> Self {
        Self::Bus(what.into())
    }
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let text = match &error {
            // What the database said is for the operator.
            PushError::Store(failed) => {
                tracing::warn!(error = %failed, "a request about pushes fails");
                BusError::StoreUnavailable.to_string()
            }
            error => error.to_string(),
        };
        Self::Push { error: of_push(&error), text }
    }
}

fn over_limit(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::TooDeep => "the stanza is nested too deeply",
        RejectReason::TooLong => "the stanza is too long",
        RejectReason::Misnamed => "the stanza has a name whose prefix is not bound, or an attribute twice",
    }
}

#[cfg(test)]
mod tests;
