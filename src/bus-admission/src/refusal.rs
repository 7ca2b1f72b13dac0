use thiserror::Error;

use crate::JwtProblem;

/// Why a caller is none, or no longer. Each leg has one mapping from here to its own errors.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nothing is shown that could count, or `authorization` holds no token.
    #[error(
        "the call carries no token; send \"authorization: Bearer TOKEN\" with a token of `stanzabus token create`, or one \
         that is listed under [grpc] tokens in the daemon's configuration"
    )]
    TokenMissing,
    /// The token is not on the list.
    #[error(
        "the token is not known; make one with `stanzabus token create`, or add its SHA-256 under [grpc] tokens in the \
         daemon's configuration"
    )]
    TokenInvalid,
    /// The token is a JWT, and no good.
    #[error("the JWT does not count: {problem}")]
    Jwt {
        /// Why not.
        #[source]
        problem: JwtProblem,
    },
    /// The token was good once.
    #[error(
        "the token has expired; get another one from its issuer, or make one with `stanzabus token create`"
    )]
    TokenExpired,
    /// There is no token, and the client's certificate stands for nobody.
    #[error(
        "the call carries no token, and no name of the client's certificate ({names}) is listed under [grpc] certificates \
         in the daemon's configuration"
    )]
    CertificateUnknown {
        /// The names in it.
        names: String,
    },
    /// The credential makes its holder somebody else, or gives another role.
    #[error("what the credential stands for has changed; call again to go on as what it stands for now")]
    CredentialChanged,
}
