//! `GET` or `POST /v1/webhooks/{subscription}/agreement?key=…`: a server that was asked agrees later (CloudEvents webhooks
//! §4.1.3). Whoever has the key may; there is no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bus_domain::consumer::ConsumerName;
use url::Url;

use super::handshake;
use crate::path::SubscriptionPath;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::Api;

/// Where a server may agree.
pub(super) fn callback_url(base: &Url, name: &ConsumerName, key: &str) -> String {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["v1", "webhooks", name.as_str(), "agreement"]);
    }
    url.query_pairs_mut().append_pair("key", key);
    url.into()
}

/// Takes an agreement.
pub(crate) async fn take(
    State(api): State<Arc<Api>>,
    SubscriptionPath(name): SubscriptionPath,
    query: Query,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    query.only(&["key"])?;
    let key = query.get("key").ok_or_else(|| Problem::invalid("key", "is missing"))?;
    let allowed = headers.get(handshake::ALLOWED_RATE).map(|value| value.to_str().unwrap_or_default().trim());
    let allowed = allowed.map_or(Ok(None), handshake::rate);
    let allowed =
        allowed.map_err(|_| Problem::invalid("WebHook-Allowed-Rate", "is neither * nor a number above 0"))?;
    api.engine.agree(&name, key, allowed).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_has_the_name_and_the_key() {
        let name = ConsumerName::new("billing/eu").unwrap();
        for (base, expected) in [
            ("https://bus.example.org", "https://bus.example.org/v1/webhooks/billing%2Feu/agreement?key=k"),
            ("https://example.org/bus/", "https://example.org/bus/v1/webhooks/billing%2Feu/agreement?key=k"),
        ] {
            assert_eq!(callback_url(&Url::parse(base).unwrap(), &name, "k"), expected);
        }
    }
}
