use bus_admission::{Authentication, Caller, Refusal};
use bus_domain::Actor;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::connections::Peer;
use crate::status::refused;

/// Lets calls with a credential that counts through, and tells them who calls (see [`authenticated`]).
#[derive(Clone)]
pub(crate) struct Admission(pub(crate) Authentication);

impl Interceptor for Admission {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let authorization = request.metadata().get("authorization").map(MetadataValue::as_encoded_bytes);
        let peer = request.extensions().get::<Peer>();
        let certificate_names = peer.and_then(|peer| peer.certificate_names.clone());
        let caller = self.0.caller(authorization, certificate_names).map_err(|why| refused(&why))?;
        if let Some(peer) = peer {
            peer.acquaintance.made();
        }
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

/// Who calls, and what with.
pub(crate) fn authenticated<Message>(request: Request<Message>) -> Result<(Actor, Message), Status> {
    let (caller, message) = authenticated_stream(request)?;
    Ok((caller.actor().clone(), message))
}

/// As [`authenticated`], for what goes on.
pub(crate) fn authenticated_stream<Message>(
    mut request: Request<Message>,
) -> Result<(Caller, Message), Status> {
    let caller = request.extensions_mut().remove::<Caller>();
    let caller = caller.ok_or_else(|| refused(&Refusal::TokenMissing))?;
    Ok((caller, request.into_inner()))
}
