//! What is printed of devices and jobs.

use std::collections::BTreeMap;

use bridge_grpc::v1;
use serde::Serialize;
use v1::device_address::Provider;
use v1::push_registration::Target;

/// A device.
#[derive(Serialize)]
pub(super) struct DeviceLine {
    device: String,
    owner: String,
    provider: &'static str,
    account: String,
    /// Its token, or the endpoint.
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_at: Option<String>,
    /// Why it gets nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    quarantined: String,
}

/// What was registered for pushes to come in.
#[derive(Serialize)]
pub(super) struct RegistrationLine {
    registration: String,
    owner: String,
    /// The device that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// The node that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

/// An account.
#[derive(Serialize)]
pub(super) struct AccountLine {
    provider: String,
    account: String,
    is_usable: bool,
    is_refused: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    subscription_key: String,
}

/// What becomes of a message for one device.
#[derive(Serialize)]
pub(super) struct QueuedLine {
    job: String,
    device: String,
    is_new: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    refused: String,
}

/// A job.
#[derive(Serialize)]
pub(super) struct JobLine {
    job: String,
    device: String,
    provider: String,
    account: String,
    state: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enqueued_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

impl DeviceLine {
    pub(super) fn of(device: v1::Device) -> Self {
        let (provider, token, bundle_id, sandbox) = match device.address.and_then(|it| it.provider) {
            Some(Provider::Apns(address)) => {
                let sandbox = address.environment() == v1::ApnsEnvironment::Sandbox;
                ("apns", address.token, Some(address.bundle_id), Some(sandbox))
            }
            Some(Provider::Fcm(address)) => ("fcm", address.token, None, None),
            Some(Provider::WebPush(address)) => ("webpush", address.endpoint, None, None),
            None => ("unknown", String::new(), None, None),
        };
        Self {
            device: device.device_id,
            owner: device.owner,
            provider,
            account: device.account,
            token,
            bundle_id,
            sandbox,
            registered_at: device.register_time.map(|time| time.to_string()),
            seen_at: device.seen_time.map(|time| time.to_string()),
            quarantined: device.quarantine_reason,
        }
    }
}

impl RegistrationLine {
    pub(super) fn of(registration: v1::PushRegistration) -> Self {
        let (device, node) = match registration.target {
            Some(Target::DeviceId(device)) => (Some(device), None),
            Some(Target::Node(node)) => (None, Some(node)),
            None => (None, None),
        };
        Self {
            registration: registration.registration_id,
            owner: registration.owner,
            device,
            node,
            created_at: registration.create_time.map(|time| time.to_string()),
        }
    }
}

impl AccountLine {
    pub(super) fn of(account: v1::PushAccount) -> Self {
        Self {
            provider: account.provider,
            account: account.name,
            is_usable: account.is_usable,
            is_refused: account.is_refused,
            subscription_key: account.subscription_key,
        }
    }
}

impl QueuedLine {
    pub(super) fn of(push: v1::QueuedPush) -> Self {
        Self { job: push.job_id, device: push.device_id, is_new: push.is_new, refused: push.refusal }
    }
}

impl JobLine {
    pub(super) fn of(job: v1::PushJob) -> Self {
        let state = match job.state() {
            v1::PushJobState::Waiting => "waiting",
            v1::PushJobState::Delivered => "delivered",
            v1::PushJobState::Dead => "dead",
            v1::PushJobState::Unspecified => "unknown",
        };
        let message = job.message.unwrap_or_default();
        Self {
            job: job.job_id,
            device: job.device_id,
            provider: job.provider,
            account: job.account,
            state,
            attempts: job.attempts,
            reason: job.reason,
            title: message.title,
            body: message.body,
            data: message.data.into_iter().collect(),
            enqueued_at: job.enqueue_time.map(|time| time.to_string()),
            due_at: job.due_time.map(|time| time.to_string()),
            expires_at: job.expire_time.map(|time| time.to_string()),
            finished_at: job.finish_time.map(|time| time.to_string()),
        }
    }
}
