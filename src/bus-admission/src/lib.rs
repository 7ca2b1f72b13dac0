//! Who is let in, on every leg that listens by itself: connections, bounded and with TLS, and callers, by their tokens,
//! by what an issuer has signed (`jwt.rs`), or by the names in their certificates.
//!
//! * [`accept`] takes a listener's connections ([`Connection`]) within the bounds of [`Accepting`]; [`TlsServer`] agrees on
//!   TLS with them.
//! * [`Authentication`] makes of what a client shows a [`Caller`], who counts as one until its credential ends, or says why
//!   not ([`Refusal`]). [`Credentials`] are replaced while calls are served.
//! * [`Departure`] is how the legs let go of their callers.

mod address;
mod authentication;
mod connections;
mod credentials;
mod departure;
mod jwt;
mod refusal;
mod tls;

pub use address::{PlaintextError, check_address};
pub use authentication::{Authentication, Caller};
pub use connections::{Accepting, Acquaintance, Connection, accept};
pub use credentials::{
    AccessToken, CertificateName, CredentialError, Credentials, CredentialsInForce, token_sha256_hex,
};
pub use departure::Departure;
pub use jwt::{JwtIssuer, JwtProblem, JwtRule};
pub use refusal::Refusal;
pub use tls::{TlsError, TlsIdentity, TlsProtocol, TlsServer};
