use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use outbound_http::{Client, Request, Response, SendError, Target};
use uuid::Uuid;

use super::error;
use super::provider_token::ProviderTokens;
use bus_domain::push::ApnsPushType;

/// Speaks Apple's provider API.
pub(super) struct ApnsClient {
    pub(super) http: Client,
    pub(super) tokens: ProviderTokens,
}

/// A notification as Apple sees it.
pub(super) struct Notification<'a> {
    pub(super) id: [u8; 16],
    pub(super) topic: String,
    pub(super) push_type: ApnsPushType,
    pub(super) priority: u8,
    /// Seconds since 1970, or 0 for: try once and do not keep it.
    pub(super) expiration_s: i64,
    pub(super) collapse_id: Option<&'a str>,
    pub(super) payload: Bytes,
}

const ID: HeaderName = HeaderName::from_static("apns-id");
const TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");

impl ApnsClient {
    /// Sends it, and once more if our token turns out to be over.
    pub(super) async fn post(
        &self,
        device: Target,
        notification: Notification<'_>,
    ) -> Result<Response, SendError> {
        let authorization = self.tokens.authorization();
        let mut request = Request {
            method: Method::POST,
            target: device,
            headers: headers(&notification, authorization.clone())?,
            body: notification.payload,
        };
        let response = self.http.send(&request).await?;
        if !error::says_that_token_is_expired(&response) {
            return Ok(response);
        }
        let Some(renewed) = self.tokens.in_place_of(&authorization) else { return Ok(response) };
        request.headers.insert(AUTHORIZATION, renewed);
        self.http.send(&request).await
    }
}

fn headers(notification: &Notification<'_>, authorization: HeaderValue) -> Result<HeaderMap, SendError> {
    let text =
        |text: &str| HeaderValue::try_from(text).map_err(|error| SendError::Malformed(error.to_string()));
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(ID, text(&Uuid::from_bytes(notification.id).hyphenated().to_string())?);
    headers.insert(TOPIC, text(&notification.topic)?);
    headers.insert(PUSH_TYPE, HeaderValue::from_static(notification.push_type.as_str()));
    headers.insert(PRIORITY, HeaderValue::from(u16::from(notification.priority)));
    headers.insert(EXPIRATION, HeaderValue::from(notification.expiration_s));
    if let Some(collapse_id) = notification.collapse_id {
        headers.insert(COLLAPSE_ID, text(collapse_id)?);
    }
    Ok(headers)
}
