use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use bus_admission::{Caller, bearer_token};

use crate::problem::Problem;
use crate::routes::Api;

/// The subject alternative names of the certificate that the client of a connection has shown, if it has shown one.
#[derive(Debug, Clone)]
pub(crate) struct PeerNames(pub(crate) Option<Arc<[String]>>);

/// Who calls. Asked for before anything else of a request, so that a stranger learns nothing.
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Arc<Api>> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let names = parts.extensions.get::<PeerNames>().and_then(|names| names.0.clone());
        let caller = api.authentication.caller(authorization.and_then(bearer_token), names);
        caller.map(Self).map_err(|refusal| Problem::refused(&refusal))
    }
}
