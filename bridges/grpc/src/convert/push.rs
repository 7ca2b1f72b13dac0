//! Between messages and the values of pushing.

use std::time::Duration;

use bus_domain::push::{
    ApnsEnvironment, ApnsPushType, Device, DeviceId, Inlet, InletTarget, JobId, JobState, PushAddress,
    PushMessage, Urgency,
};
use bus_engine::{JobRecord, PushGauges, QueuedPush};
use tonic::Status;
use v1::device_address::Provider;

use super::{enum_value, timestamp};
use crate::convert::duration;
use crate::status::invalid_field;
use crate::v1;

/// Jobs that one request may name.
const JOBS_MAX: usize = 1_000;

/// A device's id.
pub(crate) fn device_id(field: &str, text: &str) -> Result<DeviceId, Status> {
    text.parse().map_err(|_| invalid_field(field, "must have 32 hexadecimal digits"))
}

/// A job's id.
pub(crate) fn job_id(field: &str, text: &str) -> Result<JobId, Status> {
    text.parse().map_err(|_| invalid_field(field, "must have 32 hexadecimal digits"))
}

/// Ids of jobs, some and not too many.
pub(crate) fn job_ids(field: &str, texts: &[String]) -> Result<Vec<JobId>, Status> {
    if texts.is_empty() || texts.len() > JOBS_MAX {
        return Err(invalid_field(field, format!("must name 1 to {JOBS_MAX} jobs")));
    }
    let ids = texts.iter().enumerate().map(|(index, text)| job_id(&format!("{field}[{index}]"), text));
    ids.collect()
}

/// Where a device is.
pub(crate) fn address_from_message(field: &str, address: v1::DeviceAddress) -> Result<PushAddress, Status> {
    let provider = address.provider.ok_or_else(|| invalid_field(field, "must name a provider"))?;
    Ok(match provider {
        Provider::Apns(v1::ApnsAddress { token, bundle_id, environment }) => {
            let environment = match enum_value(&format!("{field}.apns.environment"), environment)? {
                Some(v1::ApnsEnvironment::Sandbox) => ApnsEnvironment::Sandbox,
                None | Some(v1::ApnsEnvironment::Unspecified | v1::ApnsEnvironment::Production) => {
                    ApnsEnvironment::Production
                }
            };
            PushAddress::Apns { token, bundle_id, environment }
        }
        Provider::Fcm(v1::FcmAddress { token }) => PushAddress::Fcm { token },
        Provider::WebPush(v1::WebPushAddress { endpoint, public_key, auth_secret }) => {
            PushAddress::WebPush { endpoint, public_key, auth_secret }
        }
    })
}

/// A device.
pub(crate) fn device_to_message(device: Device) -> v1::Device {
    let Device { id, owner, address, account, registered_at_ms, seen_at_ms, quarantined } = device;
    v1::Device {
        device_id: id.to_string(),
        owner: owner.to_string(),
        address: Some(address_to_message(address)),
        account: account.to_string(),
        register_time: Some(timestamp(registered_at_ms)),
        seen_time: Some(timestamp(seen_at_ms)),
        quarantine_reason: quarantined.unwrap_or_default(),
    }
}

/// A registration, without its secret.
pub(crate) fn inlet_to_message(inlet: Inlet) -> v1::PushRegistration {
    use v1::push_registration::Target;
    let Inlet { id, owner, secret: _, target, created_at_ms } = inlet;
    v1::PushRegistration {
        registration_id: id.to_string(),
        owner: owner.to_string(),
        target: Some(match target {
            InletTarget::Device(device) => Target::DeviceId(device.to_string()),
            InletTarget::Node { node, sender_key: _ } => Target::Node(node.to_string()),
        }),
        create_time: Some(timestamp(created_at_ms)),
    }
}

/// An account.
pub(crate) fn account_to_message(gauges: PushGauges) -> v1::PushAccount {
    v1::PushAccount {
        provider: gauges.lane.provider.as_str().to_owned(),
        name: gauges.lane.account.to_string(),
        is_usable: gauges.is_usable,
        is_refused: gauges.is_in_trouble,
        subscription_key: gauges.subscription_key.unwrap_or_default(),
    }
}

/// What devices are told.
pub(crate) fn push_message_from_message(
    field: &str,
    message: v1::PushMessage,
) -> Result<PushMessage, Status> {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let urgency = match enum_value(&format!("{field}.urgency"), message.urgency)? {
        Some(v1::PushUrgency::VeryLow) => Urgency::VeryLow,
        Some(v1::PushUrgency::Low) => Urgency::Low,
        None | Some(v1::PushUrgency::Unspecified | v1::PushUrgency::Normal) => Urgency::Normal,
        Some(v1::PushUrgency::High) => Urgency::High,
    };
    let push_type = |name: String| {
        let known = ApnsPushType::ALL.into_iter().find(|known| known.as_str() == name);
        known
            .ok_or_else(|| invalid_field(&format!("{field}.apns_push_type"), "is none of Apple's push types"))
    };
    Ok(PushMessage {
        title: message.title,
        body: message.body,
        data: message.data.into_iter().collect(),
        collapse_key: some(message.collapse_key),
        ttl_s: message.ttl.map_or(Ok(0), |ttl| ttl_s(&format!("{field}.ttl"), &ttl))?,
        urgency,
        apns_push_type: some(message.apns_push_type).map(push_type).transpose()?,
        apns_payload: some(message.apns_payload),
        fcm_message: some(message.fcm_message),
        webpush_payload: message.webpush_payload,
    })
}

/// What became of an order for one device.
pub(crate) fn queued_to_message(queued: QueuedPush) -> v1::QueuedPush {
    v1::QueuedPush {
        job_id: queued.job.to_string(),
        device_id: queued.device.to_string(),
        is_new: queued.is_new,
        refusal: queued.refused.unwrap_or_default(),
    }
}

/// How jobs stand that a request is about; `None` for any.
pub(crate) fn job_state_from_message(field: &str, number: i32) -> Result<Option<JobState>, Status> {
    Ok(match enum_value(field, number)? {
        None | Some(v1::PushJobState::Unspecified) => None,
        Some(v1::PushJobState::Waiting) => Some(JobState::Waiting),
        Some(v1::PushJobState::Delivered) => Some(JobState::Delivered),
        Some(v1::PushJobState::Dead) => Some(JobState::Dead),
    })
}

/// A job.
pub(crate) fn job_to_message(job: JobRecord) -> v1::PushJob {
    let state = match job.state {
        JobState::Waiting => v1::PushJobState::Waiting,
        JobState::Delivered => v1::PushJobState::Delivered,
        JobState::Dead => v1::PushJobState::Dead,
    };
    v1::PushJob {
        job_id: job.id.to_string(),
        device_id: job.device.to_string(),
        provider: job.provider.as_str().to_owned(),
        account: job.account.to_string(),
        state: state.into(),
        message: job.message.map(push_message_to_message),
        enqueue_time: Some(timestamp(job.enqueued_at_ms)),
        due_time: (job.state == JobState::Waiting).then(|| timestamp(job.due_at_ms)),
        expire_time: Some(timestamp(job.expires_at_ms)),
        attempts: job.attempts,
        reason: job.reason.unwrap_or_default(),
        finish_time: job.finished_at_ms.map(timestamp),
    }
}

fn address_to_message(address: PushAddress) -> v1::DeviceAddress {
    let provider = match address {
        PushAddress::Apns { token, bundle_id, environment } => {
            let environment = match environment {
                ApnsEnvironment::Production => v1::ApnsEnvironment::Production,
                ApnsEnvironment::Sandbox => v1::ApnsEnvironment::Sandbox,
            };
            Provider::Apns(v1::ApnsAddress { token, bundle_id, environment: environment.into() })
        }
        PushAddress::Fcm { token } => Provider::Fcm(v1::FcmAddress { token }),
        PushAddress::WebPush { endpoint, public_key, auth_secret } => {
            Provider::WebPush(v1::WebPushAddress { endpoint, public_key, auth_secret })
        }
    };
    v1::DeviceAddress { provider: Some(provider) }
}

fn push_message_to_message(message: PushMessage) -> v1::PushMessage {
    let urgency = match message.urgency {
        Urgency::VeryLow => v1::PushUrgency::VeryLow,
        Urgency::Low => v1::PushUrgency::Low,
        Urgency::Normal => v1::PushUrgency::Normal,
        Urgency::High => v1::PushUrgency::High,
    };
    v1::PushMessage {
        title: message.title,
        body: message.body,
        data: message.data.into_iter().collect(),
        collapse_key: message.collapse_key.unwrap_or_default(),
        ttl: (message.ttl_s > 0).then(|| duration(u64::from(message.ttl_s) * 1_000)),
        urgency: urgency.into(),
        apns_push_type: message.apns_push_type.map_or_else(String::new, |kind| kind.as_str().to_owned()),
        apns_payload: message.apns_payload.unwrap_or_default(),
        fcm_message: message.fcm_message.unwrap_or_default(),
        webpush_payload: message.webpush_payload,
    }
}

/// Whole seconds; what is over the most is refused with the message.
fn ttl_s(field: &str, ttl: &prost_types::Duration) -> Result<u32, Status> {
    let time = Duration::try_from(*ttl).map_err(|_| invalid_field(field, "must not be negative"))?;
    if time.subsec_nanos() != 0 {
        return Err(invalid_field(field, "must be of whole seconds"));
    }
    Ok(u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}
