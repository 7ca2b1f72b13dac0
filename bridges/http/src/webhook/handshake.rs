//! Whether a server wants events (CloudEvents webhooks §4).

use bus_engine::Agreement;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use outbound_http::{Client, Request, Target};

/// Names the sender, in this request and in each delivery.
pub(super) const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const REQUEST_CALLBACK: HeaderName = HeaderName::from_static("webhook-request-callback");
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
/// How many requests a server allows in a minute.
pub(super) const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// What a server is asked.
pub(super) struct Handshake<'a> {
    pub(super) target: Target,
    pub(super) origin: &'a str,
    pub(super) requests_per_minute: Option<u32>,
    /// Where it may agree later.
    pub(super) callback: Option<String>,
}

impl Handshake<'_> {
    /// Asks.
    pub(super) async fn ask(self, client: &Client) -> Agreement {
        let headers = match self.headers() {
            Ok(headers) => headers,
            Err(error) => return Agreement::Refused { reason: error.to_string() },
        };
        let Self { target, origin, requests_per_minute, .. } = self;
        let request = Request { method: Method::OPTIONS, target, headers, body: Bytes::new() };
        match client.send(&request).await {
            Ok(response) => read(response.status, &response.headers, origin, requests_per_minute),
            Err(error) => match error.refused() {
                Some(refused) => Agreement::Refused { reason: refused.to_string() },
                None => Agreement::Unanswered { reason: error.to_string() },
            },
        }
    }

    fn headers(&self) -> Result<HeaderMap, hyper::header::InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ORIGIN, HeaderValue::from_str(self.origin)?);
        if let Some(rate) = self.requests_per_minute {
            headers.insert(REQUEST_RATE, HeaderValue::from(rate));
        }
        if let Some(callback) = &self.callback {
            headers.insert(REQUEST_CALLBACK, HeaderValue::from_str(callback)?);
        }
        Ok(headers)
    }
}

/// The status says nothing (§4.2): servers answer OPTIONS with 200 that know nothing of events.
fn read(status: StatusCode, headers: &HeaderMap, origin: &str, asked: Option<u32>) -> Agreement {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(allowed) = text(ALLOWED_ORIGIN) else {
        let reason = format!("it answers OPTIONS with {} and no WebHook-Allowed-Origin", status.as_u16());
        return Agreement::Refused { reason };
    };
    if allowed != "*" && !allowed.eq_ignore_ascii_case(origin) {
        return Agreement::Refused {
            reason: format!("it wants events of {allowed:?}, and we are {origin:?}"),
        };
    }
    match text(ALLOWED_RATE).map_or(Ok(asked), rate) {
        Ok(requests_per_minute) => Agreement::Agreed { requests_per_minute },
        Err(text) => {
            let reason = format!("its WebHook-Allowed-Rate {text:?} is neither * nor a number above 0");
            Agreement::Refused { reason }
        }
    }
}

/// A number of requests in a minute, or `*` for any number.
pub(super) fn rate(text: &str) -> Result<Option<u32>, &str> {
    match text {
        "*" => Ok(None),
        text => text.parse().ok().filter(|rate| *rate > 0).map(Some).ok_or(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "events.example.org";

    fn answered(status: u16, lines: &[(&'static str, &'static str)], asked: Option<u32>) -> Agreement {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        read(StatusCode::from_u16(status).unwrap(), &lines.collect(), ORIGIN, asked)
    }

    #[test]
    fn only_the_headers_say_yes() {
        let agreed = |requests_per_minute| Agreement::Agreed { requests_per_minute };
        for status in [200, 204, 405, 500] {
            assert_eq!(answered(status, &[(ALLOWED_ORIGIN, ORIGIN)], Some(60)), agreed(Some(60)), "as asked");
        }
        let any = (ALLOWED_ORIGIN, "*");
        assert_eq!(answered(200, &[any], None), agreed(None));
        assert_eq!(answered(200, &[any, (ALLOWED_RATE, "*")], Some(60)), agreed(None));
        assert_eq!(answered(200, &[any, (ALLOWED_RATE, " 120 ")], None), agreed(Some(120)));
        assert_eq!(answered(200, &[(ALLOWED_ORIGIN, "Events.Example.Org")], None), agreed(None));
        for refused in [
            answered(200, &[], None),
            answered(200, &[(ALLOWED_RATE, "*")], None),
            answered(200, &[(ALLOWED_ORIGIN, "other.example.org")], None),
            answered(200, &[any, (ALLOWED_RATE, "0")], None),
            answered(200, &[any, (ALLOWED_RATE, "many")], None),
        ] {
            assert!(matches!(refused, Agreement::Refused { .. }), "{refused:?}");
        }
    }

    #[test]
    fn the_request_says_who_asks_and_how_much_comes() {
        let target = outbound_http::Guard::default().check_url("https://example.com/hook").unwrap();
        let callback = Some("https://bus.example.org/yes".to_owned());
        let asked = Handshake { target, origin: ORIGIN, requests_per_minute: Some(60), callback };
        let headers = asked.headers().unwrap();
        let text = |name: &HeaderName| headers[name].to_str().unwrap();
        assert_eq!((text(&REQUEST_ORIGIN), text(&REQUEST_RATE)), (ORIGIN, "60"));
        assert_eq!(text(&REQUEST_CALLBACK), "https://bus.example.org/yes");
    }
}
