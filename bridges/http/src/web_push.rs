//! Web Push as its services speak it (RFC 8030): application servers push to an address that a user of XMPP has given them, and
//! the push becomes an event on a node of that user's. `UnifiedPush` is the same.

mod vapid;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bus_domain::BusError;
use bus_domain::push::{InletTarget, WebPush, WebPushError};
use bus_engine::{PushError, Pushes};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;
use url::Url;

use crate::auth::Peer;
use crate::problem::Problem;
use crate::routes::Api;

const TTL: HeaderName = HeaderName::from_static("ttl");

/// What pushes come in with.
#[derive(Debug, Clone)]
pub struct WebPushSettings {
    /// Inlets.
    pub pushes: Pushes,
    /// What the API is called from outside: what stands in front of the addresses that are given out.
    pub public_url: Url,
}

/// `GET /v1/push/{token}`: says, of any token, that pushes may come here, which is how apps find out that an address is one of
/// `UnifiedPush`.
pub(crate) async fn get(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    const DISCOVERY: &str = "{\"unifiedpush\":{\"version\":1}}\n";
    served(&api)?;
    Ok(([(CONTENT_TYPE, "application/json")], DISCOVERY).into_response())
}

/// `POST /v1/push/{token}`: a push, answered once it is on disk.
pub(crate) async fn post(
    State(api): State<Arc<Api>>,
    Path(token): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let _under_way = api.settings.departure.admit_publish().ok_or_else(Problem::shutting_down)?;
    let WebPushSettings { pushes, public_url } = served(&api)?;
    let inlet = pushes.web_inlet(&token).await.map_err(|error| problem(&error))?;
    if let InletTarget::Node { sender_key: Some(key), .. } = &inlet.target {
        let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let checked = vapid::check(authorization, key, public_url, api.engine.now_ms());
        if let Err(refused) = checked {
            pushes.count_foreign_web_push();
            return Err(refused.into());
        }
    }
    // Who has the address is no stranger.
    if let Some(Extension(peer)) = peer {
        peer.acquaintance.made();
    }
    let push = read(&api, &headers, body).await?;
    let item = pushes.web_push_in(&api.engine, &inlet, &push).await.map_err(|error| problem(&error))?;
    let mut response = StatusCode::CREATED.into_response();
    let location = format!("{}/v1/push/{token}/{item}", public_url.as_str().trim_end_matches('/'));
    let location = HeaderValue::try_from(location).map_err(|_| Problem::of(&BusError::Internal))?;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(TTL, HeaderValue::from(push.ttl_s));
    Ok(response)
}

fn served(api: &Api) -> Result<&WebPushSettings, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", "there is nothing at this path");
    api.settings.web_push.as_ref().ok_or_else(none)
}

async fn read(api: &Api, headers: &HeaderMap, body: Body) -> Result<WebPush, Problem> {
    let bytes_max = WebPush::BODY_BYTES_MAX;
    let read = timeout(api.settings.request_patience, Limited::new(body, bytes_max).collect()).await;
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("a push has at most {bytes_max} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail));
        }
        Ok(Err(_)) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "REQUEST_INVALID", "the body breaks off"));
        }
        Err(_) => {
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", "the body takes too long"));
        }
    };
    // What is no text is no word of any of them.
    let header = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("\u{0}"));
    let (urgency, topic) = (HeaderName::from_static("urgency"), HeaderName::from_static("topic"));
    let push =
        WebPush::new(header(TTL), header(urgency), header(topic), header(CONTENT_ENCODING), body.to_vec());
    push.map_err(|error| Problem::invalid(header_of(error), error))
}

fn header_of(error: WebPushError) -> &'static str {
    match error {
        WebPushError::Ttl => "TTL",
        WebPushError::Urgency => "Urgency",
        WebPushError::Topic => "Topic",
        WebPushError::ContentEncoding => "Content-Encoding",
    }
}

/// What application servers understand (RFC 8030 §7.3, §8.4): they forget an address at 404 and at 410, and at nothing else.
fn problem(error: &PushError) -> Problem {
    match error {
        PushError::NoSuchInlet => Problem::new(
            StatusCode::NOT_FOUND,
            "PUSH_ADDRESS_NOT_FOUND",
            "there is no such address, or not any more",
        ),
        PushError::Bus(BusError::NodeNotFound | BusError::NodeMoved { .. }) => {
            Problem::new(StatusCode::GONE, "PUSH_ADDRESS_GONE", "its owner wants no more pushes here")
        }
        PushError::TooFast { retry_after_ms } => Problem::too_many_pushes(*retry_after_ms, error.to_string()),
        PushError::Bus(error) => Problem::of(error),
        PushError::Store(failed) => {
            tracing::warn!(error = %failed, "a push cannot be taken in");
            Problem::of(&BusError::StoreUnavailable)
        }
        _ => Problem::of(&BusError::Internal),
    }
}
