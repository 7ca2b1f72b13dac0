use tonic::Status;
use tonic_types::StatusExt as _;

use crate::v1;

/// A status of ours as a message, for what fails inside of a stream that goes on.
pub(crate) fn failure(status: &Status) -> v1::Failure {
    let details = status.get_error_details();
    let (reason, metadata) = match details.error_info() {
        Some(info) => {
            let reason = v1::ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
            (reason.unwrap_or_default(), info.metadata.clone())
        }
        None => Default::default(),
    };
    let violations = details.bad_request().map(|bad| &bad.field_violations);
    let field = violations.and_then(|violations| violations.first()).map(|violation| violation.field.clone());
    let retry_delay = details.retry_info().and_then(|info| info.retry_delay);
    v1::Failure {
        code: status.code().into(),
        reason: reason.into(),
        message: status.message().to_owned(),
        field: field.unwrap_or_default(),
        metadata: metadata.into_iter().collect(),
        retry_delay: retry_delay.and_then(|delay| delay.try_into().ok()),
    }
}
