use std::collections::HashMap;

use bus_domain::BusError;
use bus_engine::PushError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{info, status};
use crate::v1::ErrorReason;

/// The status for what is wrong with a request about devices or pushes.
pub(crate) fn push_status(error: &PushError) -> Status {
    if let PushError::Store(failed) = error {
        tracing::warn!(error = %failed, "a request about pushes fails");
        return status(&BusError::StoreUnavailable);
    }
    if let PushError::Bus(error) = error {
        return status(error);
    }
    let (code, _) = code_and_reason(error);
    Status::with_error_details(code, error.to_string(), details(error))
}

/// The same, for an error that a field of the request is to blame for.
pub(crate) fn push_field_status(field: &str, error: &PushError) -> Status {
    let (code, _) = code_and_reason(error);
    let mut details = details(error);
    details.add_bad_request_violation(field, error.to_string());
    Status::with_error_details(code, error.to_string(), details)
}

fn details(error: &PushError) -> ErrorDetails {
    let (_, reason) = code_and_reason(error);
    let metadata = match error {
        PushError::ProviderNotConfigured { provider } => Some(("provider", provider.as_str().to_owned())),
        PushError::AccountNotConfigured { lane } => Some(("provider", lane.provider.as_str().to_owned())),
        PushError::AppNotConfigured { .. } => Some(("provider", "apns".to_owned())),
        PushError::TooManyDevices { .. } => Some(("limit", "push_devices_per_jid_max".to_owned())),
        PushError::TooManyInlets { .. } => Some(("limit", "push_inlets_per_jid_max".to_owned())),
        _ => None,
    };
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    info(reason, metadata.into_iter().collect::<HashMap<_, _>>())
}

fn code_and_reason(error: &PushError) -> (Code, ErrorReason) {
    match error {
        PushError::Forbidden | PushError::NotLetIn(_) => (Code::PermissionDenied, ErrorReason::PushForbidden),
        // An inlet that leads to no device is told of on no call.
        PushError::NoSuchDevice | PushError::NoSuchInlet => (Code::NotFound, ErrorReason::DeviceNotFound),
        PushError::NoSuchJob => (Code::NotFound, ErrorReason::PushJobNotFound),
        PushError::ProviderNotConfigured { .. }
        | PushError::AccountNotConfigured { .. }
        | PushError::AppNotConfigured { .. }
        | PushError::NotNow { .. } => (Code::FailedPrecondition, ErrorReason::PushNotConfigured),
        PushError::TooManyDevices { .. }
        | PushError::TooManyInlets { .. }
        | PushError::TooFast { .. }
        | PushError::QueueFull { .. } => (Code::ResourceExhausted, ErrorReason::LimitReached),
        PushError::TooMany { .. } | PushError::SenderKey => {
            (Code::InvalidArgument, ErrorReason::RequestInvalid)
        }
        PushError::Address(_) | PushError::Unfit(_) => {
            (Code::InvalidArgument, ErrorReason::DeviceAddressInvalid)
        }
        PushError::Message(_) => (Code::InvalidArgument, ErrorReason::PushMessageInvalid),
        // Both have a status of their own before they get here.
        PushError::Store(_) | PushError::Bus(_) => (Code::Unavailable, ErrorReason::StorageUnavailable),
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::push::{MessageError, PushProvider};
    use bus_engine::Unfit;

    use super::*;

    #[test]
    fn each_error_has_its_code_and_its_reason() {
        let provider = PushProvider::Apns;
        let app = PushError::AppNotConfigured { bundle_id: "a".to_owned(), place: "b".to_owned() };
        for (error, code, reason) in [
            (PushError::Forbidden, Code::PermissionDenied, "PUSH_FORBIDDEN"),
            (PushError::NoSuchDevice, Code::NotFound, "DEVICE_NOT_FOUND"),
            (PushError::NoSuchJob, Code::NotFound, "PUSH_JOB_NOT_FOUND"),
            (PushError::ProviderNotConfigured { provider }, Code::FailedPrecondition, "PUSH_NOT_CONFIGURED"),
            (
                PushError::AccountNotConfigured { lane: provider.into() },
                Code::FailedPrecondition,
                "PUSH_NOT_CONFIGURED",
            ),
            (app, Code::FailedPrecondition, "PUSH_NOT_CONFIGURED"),
            (PushError::TooManyDevices { devices_max: 1 }, Code::ResourceExhausted, "LIMIT_REACHED"),
            (PushError::TooMany { what: "jobs", most: 1 }, Code::InvalidArgument, "REQUEST_INVALID"),
            (Unfit::Contradiction("c").into(), Code::InvalidArgument, "DEVICE_ADDRESS_INVALID"),
            (MessageError::CollapseKey.into(), Code::InvalidArgument, "PUSH_MESSAGE_INVALID"),
        ] {
            let (status, text) = (push_status(&error), error.to_string());
            let info = status.get_error_details().error_info().unwrap().clone();
            assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{error:?}");
            assert_eq!(status.message(), text);
        }
        let field = push_field_status("message", &MessageError::CollapseKey.into());
        let details = field.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "message");
    }
}
