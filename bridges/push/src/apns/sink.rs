use std::sync::Arc;

use async_trait::async_trait;
use bus_domain::push::{ApnsPushType, PushAddress, PushMessage, PushProvider, Urgency};
use bus_engine::Clock;
use bytes::Bytes;
use outbound_http::{Client, Target};
use serde_json::{Map, Value, json};

use super::client::{ApnsClient, Notification};
use super::error;
use super::provider_token::ProviderTokens;
use super::settings::Services;
use super::{ApnsSettings, ApnsSettingsError};
use crate::decision::without_answer;
use crate::json_object::{merge, parse};
use crate::{Outcome, Push, Sink, Unfit};

/// Sends to Apple's devices.
pub struct ApnsSink {
    client: ApnsClient,
    services: Services,
    clock: Arc<dyn Clock>,
}

/// Bytes of a payload; calls may have more.
const PAYLOAD_BYTES_MAX: usize = 4_096;
const VOIP_PAYLOAD_BYTES_MAX: usize = 5_120;

impl ApnsSink {
    /// Opens no connection.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(
        settings: &ApnsSettings,
        http: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApnsSettingsError> {
        settings.check()?;
        let tokens = ProviderTokens::new(settings, Arc::clone(&clock))?;
        let services = settings.services(http.guard())?;
        Ok(Self { client: ApnsClient { http, tokens }, services, clock })
    }

    fn prepare(&self, address: &PushAddress, message: &PushMessage) -> Result<Prepared, Unfit> {
        let PushAddress::Apns { token, bundle_id, environment } = address else {
            return Err(Unfit::Address("the device is not one of APNs".to_owned()));
        };
        address.check().map_err(|error| Unfit::Address(error.to_string()))?;
        let push_type = push_type(message);
        let payload = payload(message, push_type)?;
        let bytes_max =
            if push_type == ApnsPushType::Voip { VOIP_PAYLOAD_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
        if payload.len() > bytes_max {
            return Err(Unfit::PayloadTooLarge { bytes: payload.len(), bytes_max });
        }
        Ok(Prepared {
            device: self.services.device(*environment, token),
            topic: format!("{bundle_id}{}", topic_suffix(push_type)),
            push_type,
            payload: payload.into(),
        })
    }
}

#[async_trait]
impl Sink for ApnsSink {
    fn provider(&self) -> PushProvider {
        PushProvider::Apns
    }

    fn check(&self, address: &PushAddress, message: &PushMessage) -> Result<(), Unfit> {
        self.prepare(address, message).map(drop)
    }

    fn credentials_end_at_ms(&self) -> Option<i64> {
        self.client.tokens.end_at_ms()
    }

    async fn send(&self, push: &Push<'_>) -> Outcome {
        let Prepared { device, topic, push_type, payload } = match self.prepare(push.address, push.message) {
            Ok(prepared) => prepared,
            Err(unfit) => return unfit.into(),
        };
        let ttl_left_s = push.ttl_left_s(self.clock.now_ms());
        let notification = Notification {
            id: push.id,
            topic,
            push_type,
            priority: priority(push.message.urgency, push_type),
            expiration_s: if ttl_left_s == 0 { 0 } else { push.expires_at_ms.div_euclid(1_000) },
            collapse_id: push.message.collapse_key.as_deref(),
            payload,
        };
        match self.client.post(device, notification).await {
            Ok(response) => error::outcome(&response, self.clock.now_ms()),
            Err(error) => without_answer(&error),
        }
    }
}

struct Prepared {
    device: Target,
    topic: String,
    push_type: ApnsPushType,
    payload: Bytes,
}

fn push_type(message: &PushMessage) -> ApnsPushType {
    let otherwise = if message.is_visible() { ApnsPushType::Alert } else { ApnsPushType::Background };
    message.apns_push_type.unwrap_or(otherwise)
}

/// What Apple has an app's bundle id end with, for each type.
fn topic_suffix(push_type: ApnsPushType) -> &'static str {
    match push_type {
        ApnsPushType::Alert | ApnsPushType::Background | ApnsPushType::Mdm => "",
        ApnsPushType::Location => ".location-query",
        ApnsPushType::Voip => ".voip",
        ApnsPushType::Complication => ".complication",
        ApnsPushType::FileProvider => ".pushkit.fileprovider",
        ApnsPushType::LiveActivity => ".push-type.liveactivity",
        ApnsPushType::PushToTalk => ".voip-ptt",
        ApnsPushType::Widgets => ".push-type.widgets",
        ApnsPushType::Controls => ".push-type.controls",
    }
}

/// 10 is at once, 5 considers the battery, 1 above all the battery. What wakes an app unseen may not be at once.
fn priority(urgency: Urgency, push_type: ApnsPushType) -> u8 {
    match urgency {
        Urgency::VeryLow => 1,
        Urgency::Low => 5,
        Urgency::Normal | Urgency::High if push_type == ApnsPushType::Background => 5,
        Urgency::Normal | Urgency::High => 10,
    }
}

/// What the app reads: its own payload, or the message in Apple's words with the data beside `aps`.
fn payload(message: &PushMessage, push_type: ApnsPushType) -> Result<Vec<u8>, Unfit> {
    if let Some(own) = &message.apns_payload {
        return parse("apns_payload", own).map(|object| Value::Object(object).to_string().into_bytes());
    }
    let mut alert = Map::new();
    for (name, text) in [("title", &message.title), ("body", &message.body)] {
        if let Some(text) = text {
            alert.insert(name.to_owned(), json!(text));
        }
    }
    let aps = if push_type == ApnsPushType::Background {
        json!({ "content-available": 1 })
    } else {
        json!({ "alert": alert })
    };
    let mut payload: Map<_, _> =
        message.data.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    merge(&mut payload, Map::from_iter([("aps".to_owned(), aps)]));
    Ok(Value::Object(payload).to_string().into_bytes())
}
