//! The one mapping from errors to statuses: a canonical code, one `google.rpc.ErrorInfo`, `RetryInfo` where the same
//! call may work later, `QuotaFailure` where a quota is its reason, and `BadRequest` where one field is at fault.

mod push;

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use bus_admission::Refusal;
use bus_domain::BusError;
use bus_domain::consumer::ConsumerError;
use bus_domain::push::ProfileError;
use bus_domain::source::SourceError;
use bus_engine::PushProfileError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::v1::ErrorReason;

pub(crate) use push::{push_field_status, push_status};

/// `google.rpc.ErrorInfo.domain` of all our errors.
const DOMAIN: &str = "stanzabus";

/// The status for an error.
pub(crate) fn status(error: &BusError) -> Status {
    finish(error, details(error))
}

/// The status for what is wrong with a request about a durable subscription.
pub(crate) fn consumer_status(error: ConsumerError) -> Status {
    status(&BusError::Consumer(error))
}

/// The status for what is wrong with a request about a push profile.
pub(crate) fn profile_status(error: &PushProfileError) -> Status {
    let (code, reason) = match error {
        PushProfileError::Bus(error) => return status(error),
        PushProfileError::Profile(ProfileError::NotFound) => {
            (Code::NotFound, ErrorReason::PushProfileNotFound)
        }
        PushProfileError::Profile(ProfileError::Exists) => {
            (Code::AlreadyExists, ErrorReason::PushProfileExists)
        }
        PushProfileError::Profile(ProfileError::Forbidden) => {
            (Code::PermissionDenied, ErrorReason::AdminRequiredForPushProfile)
        }
        PushProfileError::Profile(ProfileError::TooMany { .. }) => {
            (Code::ResourceExhausted, ErrorReason::LimitReached)
        }
        PushProfileError::Profile(ProfileError::Invalid { .. }) => {
            (Code::InvalidArgument, ErrorReason::PushProfileInvalid)
        }
    };
    Status::with_error_details(code, error.to_string(), info(reason, HashMap::new()))
}

/// The status for a device that is not there.
pub(crate) fn no_such_device(message: String) -> Status {
    let details = info(ErrorReason::PushProfileDeviceNotFound, HashMap::new());
    Status::with_error_details(Code::NotFound, message, details)
}

/// The status for an error that a field of the request is to blame for.
pub(crate) fn field_status(field: &str, error: &BusError) -> Status {
    let mut details = details(error);
    details.add_bad_request_violation(field, error.to_string());
    finish(error, details)
}

/// The status for a field that cannot be what it is; `problem` goes on where the field's name ends.
pub(crate) fn invalid_field(field: &str, problem: impl Display) -> Status {
    field_status(field, &BusError::bad_request(format!("{field} {problem}")))
}

/// The status for a caller who is none, or no longer.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let reason = match refusal {
        Refusal::TokenMissing => ErrorReason::TokenMissing,
        Refusal::TokenInvalid | Refusal::Jwt { .. } => ErrorReason::TokenInvalid,
        Refusal::TokenExpired => ErrorReason::TokenExpired,
        Refusal::CertificateUnknown { .. } => ErrorReason::CertificateUnknown,
        Refusal::CredentialChanged => ErrorReason::CredentialChanged,
    };
    Status::with_error_details(Code::Unauthenticated, refusal.to_string(), info(reason, HashMap::new()))
}

/// The daemon stops, or is drained.
pub(crate) fn shutting_down() -> Status {
    let mut details = info(ErrorReason::ShuttingDown, HashMap::new());
    details.set_retry_info(Some(Duration::from_secs(1)));
    let message = "the daemon goes away; come back soon, readers with their last position";
    Status::with_error_details(Code::Unavailable, message, details)
}

fn finish(error: &BusError, details: ErrorDetails) -> Status {
    let (code, _) = code_and_reason(error);
    Status::with_error_details(code, error.to_string(), details)
}

fn details(error: &BusError) -> ErrorDetails {
    let (_, reason) = code_and_reason(error);
    let mut details = info(reason, metadata(error));
    if let Some(delay_ms) = error.retry_after_ms() {
        details.set_retry_info(Some(Duration::from_millis(delay_ms)));
    }
    if let BusError::LimitReached(limit) = error
        && let Some(quota) = limit.quota()
    {
        details.add_quota_failure_violation(quota.as_str(), error.to_string());
    }
    details
}

fn info(reason: ErrorReason, metadata: HashMap<String, String>) -> ErrorDetails {
    let name = reason.as_str_name();
    let name = name.strip_prefix("ERROR_REASON_").unwrap_or(name);
    ErrorDetails::with_error_info(name, DOMAIN, metadata)
}

fn code_and_reason(error: &BusError) -> (Code, ErrorReason) {
    match error {
        BusError::NodeNotFound => (Code::NotFound, ErrorReason::NodeNotFound),
        BusError::NodeMoved { .. } => (Code::NotFound, ErrorReason::NodeMoved),
        BusError::NodeExists => (Code::AlreadyExists, ErrorReason::NodeExists),
        BusError::Forbidden | BusError::AssociationForbidden => {
            (Code::PermissionDenied, ErrorReason::AffiliationRequired)
        }
        BusError::ClosedNode => (Code::PermissionDenied, ErrorReason::AccessModelWhitelist),
        BusError::SubscriptionRequired => (Code::PermissionDenied, ErrorReason::SubscriptionRequired),
        BusError::SubscriptionPending => (Code::PermissionDenied, ErrorReason::SubscriptionPending),
        BusError::PresenceSubscriptionRequired => {
            (Code::PermissionDenied, ErrorReason::PresenceSubscriptionRequired)
        }
        BusError::NotInRosterGroup => (Code::PermissionDenied, ErrorReason::NotInRosterGroup),
        BusError::RosterUnavailable => (Code::Unavailable, ErrorReason::RosterUnavailable),
        BusError::ItemNotFound => (Code::NotFound, ErrorReason::ItemNotFound),
        BusError::NotSubscribed => (Code::InvalidArgument, ErrorReason::NotSubscribed),
        BusError::ForeignJid => (Code::InvalidArgument, ErrorReason::ForeignJid),
        BusError::UnknownPosition => (Code::InvalidArgument, ErrorReason::UnknownPosition),
        BusError::WrongEpoch => (Code::OutOfRange, ErrorReason::WrongEpoch),
        BusError::PayloadTooBig { .. } => (Code::InvalidArgument, ErrorReason::PayloadTooBig),
        BusError::InvalidPayload { .. } => (Code::InvalidArgument, ErrorReason::PayloadInvalid),
        BusError::TooManyItems { .. } => (Code::InvalidArgument, ErrorReason::TooManyItems),
        BusError::PreconditionNotMet => (Code::FailedPrecondition, ErrorReason::PreconditionNotMet),
        BusError::HeadMoved { .. } => (Code::Aborted, ErrorReason::SeqMismatch),
        BusError::RequestIdReused => (Code::AlreadyExists, ErrorReason::RequestIdReused),
        BusError::RequestIdNotKept => (Code::FailedPrecondition, ErrorReason::RequestIdNotKept),
        BusError::UnsupportedAccessModel
        | BusError::InvalidConfig { .. }
        | BusError::InvalidAssociation { .. }
        | BusError::InvalidRelation { .. }
        | BusError::TooManyAssociations { .. } => (Code::InvalidArgument, ErrorReason::ConfigInvalid),
        // Options and SubIDs are of XMPP subscriptions, associations of XMPP requests; no request here is about them.
        BusError::BadRequest(_)
        | BusError::NoOptions
        | BusError::NotAssociated
        | BusError::SubscriptionExists
        | BusError::SubIdRequired
        | BusError::InvalidSubId
        | BusError::InvalidOptions { .. } => (Code::InvalidArgument, ErrorReason::RequestInvalid),
        BusError::Consumer(error) => of_consumer(error),
        BusError::Source(error) => of_source(error),
        BusError::Unsupported(_) => (Code::Unimplemented, ErrorReason::Unsupported),
        BusError::NodeFull => (Code::ResourceExhausted, ErrorReason::NodeFull),
        BusError::LimitReached(_) => (Code::ResourceExhausted, ErrorReason::LimitReached),
        BusError::Busy => (Code::ResourceExhausted, ErrorReason::Busy),
        BusError::Contended => (Code::Aborted, ErrorReason::Contended),
        BusError::StoreUnavailable => (Code::Unavailable, ErrorReason::StorageUnavailable),
        BusError::Internal => (Code::Internal, ErrorReason::Internal),
    }
}

fn of_source(error: &SourceError) -> (Code, ErrorReason) {
    match error {
        SourceError::NotFound => (Code::NotFound, ErrorReason::SourceNotFound),
        SourceError::Exists => (Code::AlreadyExists, ErrorReason::SourceExists),
        SourceError::Invalid { .. } => (Code::InvalidArgument, ErrorReason::SourceInvalid),
        SourceError::TooMany { .. } => (Code::ResourceExhausted, ErrorReason::LimitReached),
        SourceError::Elsewhere => (Code::Unavailable, ErrorReason::SourceElsewhere),
    }
}

fn of_consumer(error: &ConsumerError) -> (Code, ErrorReason) {
    match error {
        ConsumerError::NotFound => (Code::NotFound, ErrorReason::SubscriptionNotFound),
        ConsumerError::Exists => (Code::AlreadyExists, ErrorReason::SubscriptionExists),
        ConsumerError::Invalid { .. } => (Code::InvalidArgument, ErrorReason::SubscriptionInvalid),
        ConsumerError::TooMany { .. } => (Code::ResourceExhausted, ErrorReason::LimitReached),
        ConsumerError::WrongMode { .. } => (Code::FailedPrecondition, ErrorReason::SubscriptionMode),
        ConsumerError::HasDestination => (Code::FailedPrecondition, ErrorReason::SubscriptionHasDestination),
        ConsumerError::DestinationForbidden => (Code::PermissionDenied, ErrorReason::DestinationForbidden),
        ConsumerError::InUse => (Code::FailedPrecondition, ErrorReason::SubscriptionInUse),
        ConsumerError::TakenOver => (Code::Aborted, ErrorReason::SubscriptionTakenOver),
        ConsumerError::Moved => (Code::Aborted, ErrorReason::SubscriptionMoved),
        ConsumerError::Elsewhere => (Code::Unavailable, ErrorReason::SubscriptionElsewhere),
        ConsumerError::Stalled { .. } => (Code::Aborted, ErrorReason::ReaderStalled),
        ConsumerError::Trimmed { .. } => (Code::OutOfRange, ErrorReason::SeqTrimmed),
    }
}

/// What a program may want to read out of the message.
fn metadata(error: &BusError) -> HashMap<String, String> {
    if let BusError::HeadMoved { epoch, seq } = error {
        return [("head_seq", seq), ("epoch", &epoch.0)]
            .map(|(key, value)| (key.into(), value.to_string()))
            .into();
    }
    let entry = match error {
        BusError::NodeMoved { to } => Some(("redirect_uri", to.to_string())),
        BusError::PayloadTooBig { bytes_max } => Some(("payload_bytes_max", bytes_max.to_string())),
        BusError::TooManyItems { items_max } => Some(("items_max", items_max.to_string())),
        BusError::Unsupported(feature) => Some(("feature", feature.to_string())),
        BusError::LimitReached(limit) => Some(("limit", limit.to_string())),
        BusError::Consumer(ConsumerError::TooMany { .. }) | BusError::Source(SourceError::TooMany { .. }) => {
            Some(("limit", "consumers_per_jid_max".to_owned()))
        }
        BusError::Consumer(ConsumerError::Trimmed { first_seq }) => {
            Some(("first_seq", first_seq.to_string()))
        }
        _ => None,
    };
    entry.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
