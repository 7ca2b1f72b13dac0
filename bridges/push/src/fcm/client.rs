use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use outbound_http::{Client, Request, Response, SendError};

use super::access_token::{AccessTokens, TokenError};
use super::error;

/// Speaks FCM's HTTP v1.
pub(super) struct FcmClient {
    pub(super) http: Client,
    pub(super) tokens: AccessTokens,
}

/// Why there is no answer.
pub(super) enum PostError {
    Token(TokenError),
    Send(SendError),
}

impl FcmClient {
    /// Sends it, and once more with a fresh token if Google does not take ours.
    pub(super) async fn post(&self, message: Bytes) -> Result<Response, PostError> {
        let authorization = self.tokens.authorization().await.map_err(PostError::Token)?;
        let json = HeaderValue::from_static("application/json");
        let headers = [(CONTENT_TYPE, json), (AUTHORIZATION, authorization.clone())];
        let mut request = Request {
            method: Method::POST,
            target: self.tokens.account().messages.clone(),
            headers: HeaderMap::from_iter(headers),
            body: message,
        };
        let response = self.http.send(&request).await.map_err(PostError::Send)?;
        if !error::says_that_token_is_refused(&response) {
            return Ok(response);
        }
        self.tokens.forget(&authorization);
        let renewed = self.tokens.authorization().await.map_err(PostError::Token)?;
        request.headers.insert(AUTHORIZATION, renewed);
        self.http.send(&request).await.map_err(PostError::Send)
    }
}
