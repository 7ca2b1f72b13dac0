use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use bus_admission::{Acquaintance, Caller};

use crate::problem::Problem;
use crate::routes::Api;

/// What is known of the other side of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The subject alternative names of its certificate; `None` without one.
    pub(crate) certificate_names: Option<Arc<[String]>>,
    /// Whether somebody was let in who has come over it.
    pub(crate) acquaintance: Acquaintance,
}

/// Who calls. Asked for before anything else of a request, so that a stranger learns nothing.
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Arc<Api>> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let authorization = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let peer = parts.extensions.get::<Peer>();
        let names = peer.and_then(|peer| peer.certificate_names.clone());
        let caller = api.authentication.caller(authorization, names);
        let caller = caller.map_err(|refusal| Problem::refused(&refusal))?;
        if let Some(peer) = peer {
            peer.acquaintance.made();
        }
        Ok(Self(caller))
    }
}
