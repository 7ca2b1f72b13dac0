use std::sync::Arc;

use async_trait::async_trait;
use bus_domain::push::{PushAddress, PushMessage, PushProvider, Urgency};
use bus_engine::Clock;
use outbound_http::Client;
use serde_json::{Map, Value, json};

use super::access_token::AccessTokens;
use super::client::FcmClient;
use super::error;
use super::{FcmSettings, FcmSettingsError};
use crate::json_object::{merge, parse};
use crate::{Outcome, Push, Sink, Unfit};

/// Sends through Firebase.
pub struct FcmSink {
    client: FcmClient,
    clock: Arc<dyn Clock>,
}

/// Bytes of what is shown and what is for the app, together.
const PAYLOAD_BYTES_MAX: usize = 4_096;

impl FcmSink {
    /// Opens no connection.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(
        settings: &FcmSettings,
        http: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FcmSettingsError> {
        let account = settings.read(http.guard())?;
        let tokens = AccessTokens::new(account, http.clone(), Arc::clone(&clock));
        Ok(Self { client: FcmClient { http, tokens }, clock })
    }
}

#[async_trait]
impl Sink for FcmSink {
    fn provider(&self) -> PushProvider {
        PushProvider::Fcm
    }

    fn check(&self, address: &PushAddress, message: &PushMessage) -> Result<(), Unfit> {
        body(address, message, message.ttl_s).map(drop)
    }

    fn credentials_end_at_ms(&self) -> Option<i64> {
        self.client.tokens.end_at_ms()
    }

    async fn send(&self, push: &Push<'_>) -> Outcome {
        let ttl_left_s = push.ttl_left_s(self.clock.now_ms());
        let body = match body(push.address, push.message, ttl_left_s) {
            Ok(body) => body,
            Err(unfit) => return unfit.into(),
        };
        match self.client.post(body.into()).await {
            Ok(response) => error::outcome(&response, self.clock.now_ms()),
            Err(error) => error::without_response(&error),
        }
    }
}

/// The message in FCM's words, with the app's own members over them.
fn body(address: &PushAddress, message: &PushMessage, ttl_s: u32) -> Result<Vec<u8>, Unfit> {
    let PushAddress::Fcm { token } = address else {
        return Err(Unfit::Address("the device is not one of FCM".to_owned()));
    };
    address.check().map_err(|error| Unfit::Address(error.to_string()))?;
    let mut object = common(message);
    merge(&mut object, android(message, ttl_s));
    merge(&mut object, others(message, ttl_s));
    if let Some(own) = &message.fcm_message {
        let own = parse("fcm_message", own)?;
        if ["token", "topic", "condition", "name"].iter().any(|member| own.contains_key(*member)) {
            return Err(Unfit::Contradiction(
                "fcm_message may not say whom it is for: token, topic, condition, name",
            ));
        }
        merge(&mut object, own);
    }
    let shown = ["notification", "data"].iter().filter_map(|member| object.get(*member));
    let bytes = shown.map(|value| value.to_string().len()).sum();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(Unfit::PayloadTooLarge { bytes, bytes_max: PAYLOAD_BYTES_MAX });
    }
    object.insert("token".to_owned(), json!(token));
    Ok(json!({ "message": object }).to_string().into_bytes())
}

fn common(message: &PushMessage) -> Map<String, Value> {
    let mut object = Map::new();
    let mut notification = Map::new();
    for (name, text) in [("title", &message.title), ("body", &message.body)] {
        if let Some(text) = text {
            notification.insert(name.to_owned(), json!(text));
        }
    }
    if !notification.is_empty() {
        object.insert("notification".to_owned(), Value::Object(notification));
    }
    if !message.data.is_empty() {
        object.insert("data".to_owned(), json!(message.data));
    }
    object
}

fn android(message: &PushMessage, ttl_s: u32) -> Map<String, Value> {
    let priority = match message.urgency {
        Urgency::VeryLow | Urgency::Low => "NORMAL",
        // What people see has to wake the device; the rest only if it is urgent.
        Urgency::Normal if !message.is_visible() => "NORMAL",
        Urgency::Normal | Urgency::High => "HIGH",
    };
    let mut android = json!({ "priority": priority, "ttl": format!("{ttl_s}s") });
    if let Some(key) = &message.collapse_key {
        android["collapse_key"] = json!(key);
    }
    Map::from_iter([("android".to_owned(), android)])
}

/// The same for the browsers and Apple's devices that Firebase reaches.
fn others(message: &PushMessage, ttl_s: u32) -> Map<String, Value> {
    let mut webpush = json!({ "TTL": ttl_s.to_string(), "Urgency": message.urgency.as_str() });
    let mut members = Map::new();
    if let Some(key) = &message.collapse_key {
        webpush["Topic"] = json!(key);
        members.insert("apns".to_owned(), json!({ "headers": { "apns-collapse-id": key } }));
    }
    members.insert("webpush".to_owned(), json!({ "headers": webpush }));
    members
}
