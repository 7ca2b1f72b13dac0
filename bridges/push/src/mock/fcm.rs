use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::push::PushProvider;
use ring::rsa;
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use url::form_urlencoded;

use super::jwt::Jwt;
use super::server::{Answer, Asked};
use super::state::{Received, State};

/// Google's side: who gives out tokens, and who takes messages for them.
pub(super) struct Fcm {
    account_json: String,
    public_key: Vec<u8>,
    token_uri: String,
    /// The tokens given out, with when they end, in seconds since 1970.
    tokens: Mutex<HashMap<String, i64>>,
}

const PROJECT: &str = "mock-project";
const CLIENT_EMAIL: &str = "push@mock-project.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const TOKEN_VALID_S: i64 = 3_600;
const TTL_S_MAX: u32 = 2_419_200;
const PAYLOAD_BYTES_MAX: usize = 4_096;

impl Fcm {
    pub(super) fn new(key_pem: &str, origin: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes())?;
        let key = rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| error.to_string())?;
        let token_uri = format!("{origin}/token");
        let account = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "mock-key",
            "private_key": key_pem,
            "client_email": CLIENT_EMAIL,
            "token_uri": token_uri,
        });
        let public_key = key.public().as_ref().to_vec();
        Ok(Self { account_json: account.to_string(), public_key, token_uri, tokens: Mutex::default() })
    }

    /// The service account's file.
    pub(super) fn account_json(&self) -> &str {
        &self.account_json
    }

    /// Whatever was given out counts no longer.
    pub(super) fn expire_tokens(&self) {
        self.tokens().clear();
    }

    /// Gives out a token for an assertion (RFC 7523).
    pub(super) fn give_token(&self, state: &State, asked: &Asked) -> Answer {
        let refuse = |error: &str, problem: &str| {
            Answer::json(400, &json!({ "error": error, "error_description": problem }))
        };
        let form: HashMap<_, _> = form_urlencoded::parse(&asked.body).into_owned().collect();
        let value = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if asked.method != "POST" || value("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return refuse("unsupported_grant_type", "the grant type is not jwt-bearer");
        }
        let Some(jwt) = Jwt::parse(value("assertion")) else {
            return refuse("invalid_grant", "the assertion is not a JWT");
        };
        if !jwt.is_signed_by("RS256", &RSA_PKCS1_2048_8192_SHA256, &self.public_key) {
            return refuse("invalid_grant", "Invalid JWT Signature.");
        }
        let now_s = state.now_s();
        let moment = |name: &str| jwt.claims[name].as_i64().unwrap_or(0);
        if jwt.claims["iss"] != CLIENT_EMAIL || jwt.claims["aud"] != self.token_uri.as_str() {
            return refuse("invalid_grant", "iss or aud is another one");
        }
        if jwt.claims["scope"] != SCOPE {
            return refuse("invalid_scope", "the scope is not that of messaging");
        }
        if moment("iat") > now_s + 60
            || moment("exp") < now_s
            || moment("exp") - moment("iat") > TOKEN_VALID_S
        {
            return refuse("invalid_grant", "the assertion must count now, and for an hour at most");
        }
        let token = format!("ya29.{}", URL_SAFE_NO_PAD.encode(state.random_bytes()));
        self.tokens().insert(token.clone(), now_s + TOKEN_VALID_S);
        let granted = json!({ "access_token": token, "expires_in": TOKEN_VALID_S, "token_type": "Bearer" });
        Answer::json(200, &granted)
    }

    /// Takes a message, or says what is wrong with it.
    pub(super) fn take(
        &self,
        state: &State,
        project: &str,
        asked: &Asked,
    ) -> Result<(Received, Answer), Answer> {
        if asked.method != "POST" {
            return Err(Answer::empty(404));
        }
        let token = asked.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let expires_s = token.and_then(|token| self.tokens().get(token).copied());
        if expires_s.is_none_or(|expires_s| expires_s <= state.now_s()) {
            return Err(refuse(401, "UNAUTHENTICATED"));
        }
        if project != PROJECT {
            return Err(refuse(403, "PERMISSION_DENIED"));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let message = &body["message"];
        let device = message["token"].as_str().ok_or_else(|| bad_field("message", "there is no token"))?;
        check_message(message)?;
        let received = asked.received(PushProvider::Fcm, device, message.to_string());
        let id = URL_SAFE_NO_PAD.encode(state.random_bytes());
        Ok((received, Answer::json(200, &json!({ "name": format!("projects/{PROJECT}/messages/{id}") }))))
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        // Nothing panics while it is held, and what it holds is whole at any time.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The device that a message is for, as far as it can be read.
pub(super) fn device_of(asked: &Asked) -> String {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    body["message"]["token"].as_str().unwrap_or_default().to_owned()
}

/// How a refusal looks: the status of `google.rpc`, with FCM's own code beside it where it has one.
pub(super) fn refuse(status: u16, reason: &str) -> Answer {
    let is_fcms_own =
        !["UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "NOT_FOUND"].contains(&reason);
    let rpc_status = match (status, is_fcms_own) {
        (_, false) => reason,
        (400, _) => "INVALID_ARGUMENT",
        (404, _) => "NOT_FOUND",
        (429, _) => "RESOURCE_EXHAUSTED",
        (500, _) => "INTERNAL",
        (503, _) => "UNAVAILABLE",
        _ => "PERMISSION_DENIED",
    };
    let fcm_error = json!({
        "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
        "errorCode": reason,
    });
    let details = if is_fcms_own { vec![fcm_error] } else { Vec::new() };
    with_details(status, rpc_status, "Refused by the mock.", &details)
}

fn bad_field(field: &str, problem: &str) -> Answer {
    let bad_request = json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": field, "description": problem }],
    });
    let fcm_error = json!({
        "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
        "errorCode": "INVALID_ARGUMENT",
    });
    with_details(400, "INVALID_ARGUMENT", problem, &[bad_request, fcm_error])
}

fn with_details(status: u16, rpc_status: &str, message: &str, details: &[Value]) -> Answer {
    let error = json!({ "code": status, "status": rpc_status, "message": message, "details": details });
    Answer::json(status, &json!({ "error": error }))
}

fn check_message(message: &Value) -> Result<(), Answer> {
    let no_members = serde_json::Map::new();
    let data = match &message["data"] {
        Value::Null => &no_members,
        Value::Object(data) => data,
        _ => return Err(bad_field("message.data", "the data is not an object")),
    };
    for (key, value) in data {
        let is_reserved =
            key == "from" || key == "message_type" || key.starts_with("google") || key.starts_with("gcm");
        if is_reserved || !value.is_string() {
            let field = format!("message.data[{key}]");
            return Err(bad_field(&field, "the key is reserved, or the value is no text"));
        }
    }
    let android = &message["android"];
    if !android["priority"].is_null() && !["HIGH", "NORMAL"].map(Value::from).contains(&android["priority"]) {
        return Err(bad_field("message.android.priority", "it is neither HIGH nor NORMAL"));
    }
    if let Some(ttl) = android["ttl"].as_str() {
        let seconds: Option<u32> = ttl.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
        if seconds.is_none_or(|seconds| seconds > TTL_S_MAX) {
            return Err(bad_field(
                "message.android.ttl",
                "it is not a number of seconds up to 2419200, and s",
            ));
        }
    }
    let shown = ["notification", "data"].iter().filter_map(|member| message.get(*member));
    if shown.map(|value| value.to_string().len()).sum::<usize>() > PAYLOAD_BYTES_MAX {
        return Err(bad_field("message", "Message is too big"));
    }
    Ok(())
}
