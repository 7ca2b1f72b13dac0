use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use outbound_http::{Client, Refused, Request, Response, SendError, Target};

use super::vapid::Vapid;
use bus_domain::push::Urgency;

/// Speaks RFC 8030.
pub(super) struct WebPushClient {
    pub(super) http: Client,
    pub(super) vapid: Vapid,
}

/// A message as a push service sees it.
pub(super) struct Encrypted<'a> {
    pub(super) body: Vec<u8>,
    pub(super) ttl_s: u32,
    pub(super) urgency: Urgency,
    pub(super) topic: Option<&'a str>,
}

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");

impl WebPushClient {
    /// Whether the endpoint of a subscription is a URL that may be asked.
    pub(super) fn target(&self, endpoint: &str) -> Result<Target, Refused> {
        self.http.guard().check_url(endpoint)
    }

    pub(super) async fn post(&self, target: Target, message: Encrypted<'_>) -> Result<Response, SendError> {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(AUTHORIZATION, self.vapid.authorization(&target.origin()));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(TTL, HeaderValue::from(message.ttl_s));
        headers.insert(URGENCY, HeaderValue::from_static(message.urgency.as_str()));
        if let Some(topic) = message.topic {
            let topic =
                HeaderValue::try_from(topic).map_err(|error| SendError::Malformed(error.to_string()))?;
            headers.insert(TOPIC, topic);
        }
        self.http.send(&Request { method: Method::POST, target, headers, body: message.body.into() }).await
    }
}
