//! The request that brings events to a webhook.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_cloudevents::{CloudEvent, Format, json};
use bus_domain::consumer::destination::{ContentMode, Webhook};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use outbound_http::{Request, Target};
use ring::digest;

use super::handshake::REQUEST_ORIGIN;
use super::signature;
use crate::binary_mode;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Events on their way to a webhook.
pub(super) struct Delivery<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) target: Target,
    pub(super) origin: &'a str,
    /// Not empty; one, unless they go as a batch.
    pub(super) events: &'a [CloudEvent],
    /// The bus's own ids of the events.
    pub(super) ids: &'a [String],
    /// In milliseconds since 1970.
    pub(super) now_ms: i64,
}

impl Delivery<'_> {
    /// The request.
    ///
    /// # Errors
    /// What cannot stand in a header.
    pub(super) fn request(self) -> Result<Request, String> {
        let (mut headers, body) = self.content();
        let mut set = |name: HeaderName, value: &str| match HeaderValue::from_str(value) {
            Ok(value) => {
                headers.insert(name, value);
                Ok(())
            }
            Err(_) => Err(format!("the value of {name} cannot be one of a header")),
        };
        set(REQUEST_ORIGIN, self.origin)?;
        if let Some(token) = &self.webhook.bearer_token {
            set(AUTHORIZATION, &format!("Bearer {}", token.0))?;
        }
        let (id, timestamp_s) = (self.id(), self.now_ms.div_euclid(1_000));
        set(WEBHOOK_ID, &id)?;
        set(WEBHOOK_TIMESTAMP, &timestamp_s.to_string())?;
        if let Some(secret) = &self.webhook.secret {
            let signed = signature::sign(&secret.0, &id, timestamp_s, &body);
            set(WEBHOOK_SIGNATURE, &signed.ok_or("the secret is no key")?)?;
        }
        Ok(Request { method: Method::POST, target: self.target, headers, body })
    }

    fn content(&self) -> (HeaderMap, Bytes) {
        let of_type = |format: Format, body: String| {
            let content_type = HeaderValue::from_static(format.media_type());
            (HeaderMap::from_iter([(CONTENT_TYPE, content_type)]), Bytes::from(body))
        };
        match (self.webhook.mode, self.events) {
            (ContentMode::Binary, [event]) => {
                // A request without a payload or a content type is none of the specification (§2.1).
                binary_mode::write(event).unwrap_or_else(|| of_type(Format::Json, json::write(event)))
            }
            (ContentMode::Structured, [event]) => of_type(Format::Json, json::write(event)),
            (_, events) => of_type(Format::JsonBatch, json::write_batch(events)),
        }
    }

    /// The same for the same events, however often they are brought.
    fn id(&self) -> String {
        match self.ids {
            [id] => id.clone(),
            ids => URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, ids.join(" ").as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use bus_cloudevents::{AttributeValue, Data};
    use bus_domain::consumer::destination::{Pace, Secret};

    use super::*;

    fn event(id: &str) -> CloudEvent {
        let mut event = CloudEvent::new(id, "/s", "t").unwrap();
        event.set("datacontenttype", AttributeValue::String("application/json".to_owned())).unwrap();
        event.set("subject", AttributeValue::String("50% \"é\"".to_owned())).unwrap();
        event.set_data(Data::Text("{}".to_owned()));
        event
    }

    fn request(mode: ContentMode, secret: Option<&str>, events: &[CloudEvent]) -> Request {
        let pace = Pace { requests_in_flight_max: 8, batch_events_max: 1, requests_per_minute: None };
        let secret = secret.map(|secret| Secret(secret.to_owned()));
        let bearer_token = Some(Secret("t0ken".to_owned()));
        let uri = "https://example.com/hook?a=b".to_owned();
        let webhook = Webhook { uri, mode, secret, bearer_token, pace };
        let ids: Vec<String> = events.iter().map(|event| format!("of-{}", event.id())).collect();
        let target = outbound_http::Guard::default().check_url(&webhook.uri).unwrap();
        let origin = "events.example.org";
        Delivery { webhook: &webhook, target, origin, events, ids: &ids, now_ms: 1_614_265_330_999 }
            .request()
            .unwrap()
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn each_mode_has_its_form() {
        let one = event("1");
        let structured = request(ContentMode::Structured, None, std::slice::from_ref(&one));
        assert_eq!(header(&structured, "content-type"), Some("application/cloudevents+json"));
        assert_eq!(json::read(&structured.body).unwrap(), one);
        assert_eq!(header(&structured, "authorization"), Some("Bearer t0ken"));
        assert_eq!(header(&structured, "webhook-request-origin"), Some("events.example.org"));
        assert_eq!(header(&structured, "webhook-id"), Some("of-1"));
        assert_eq!(header(&structured, "webhook-signature"), None);
        let binary = request(ContentMode::Binary, None, std::slice::from_ref(&one));
        assert_eq!(
            (header(&binary, "content-type"), &binary.body[..]),
            (Some("application/json"), &b"{}"[..])
        );
        assert_eq!(header(&binary, "ce-subject"), Some("50%25%20%22%C3%A9%22"));
        let batch = request(ContentMode::Batch, None, &[one.clone(), event("2")]);
        assert_eq!(header(&batch, "content-type"), Some("application/cloudevents-batch+json"));
        assert_eq!(json::read_batch(&batch.body, 9).unwrap(), [one.clone(), event("2")]);
        let again = request(ContentMode::Batch, None, &[one, event("2")]);
        assert_eq!(header(&batch, "webhook-id"), header(&again, "webhook-id"));
    }

    #[test]
    fn an_event_without_data_has_a_payload_all_the_same() {
        let bare = CloudEvent::new("1", "/s", "t").unwrap();
        let request = request(ContentMode::Binary, None, &[bare]);
        assert_eq!(header(&request, "content-type"), Some("application/cloudevents+json"));
        assert!(!request.body.is_empty());
    }

    #[test]
    fn the_signature_is_of_what_is_sent() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = request(ContentMode::Structured, Some(secret), &[event("1")]);
        assert_eq!(header(&signed, "webhook-timestamp"), Some("1614265330"));
        let expected = signature::sign(secret, "of-1", 1_614_265_330, &signed.body);
        assert_eq!(header(&signed, "webhook-signature"), expected.as_deref());
    }
}
