use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const NOW_MS: i64 = 1_700_000_000_000;
const NOW_S: i64 = NOW_MS / 1_000;
const ISSUER: &str = "https://login.example.org";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer's two keys.
struct Signer {
    edwards: Ed25519KeyPair,
    curve: EcdsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let curve = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self {
            edwards: Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap(),
            curve: EcdsaKeyPair::from_pkcs8(algorithm, curve.as_ref(), &random).unwrap(),
        }
    }

    fn jwks(&self) -> String {
        let point = self.curve.public_key().as_ref();
        json!({ "keys": [
            { "kty": "oct", "kid": "shared", "k": encode("secret") },
            { "kty": "EC", "crv": "P-256", "kid": "curve", "alg": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "edwards", "use": "sig", "x": encode(self.edwards.public_key()) },
        ] })
        .to_string()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = match header["alg"].as_str() {
            Some("ES256") => {
                self.curve.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            _ => self.edwards.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", encode(signature))
    }

    fn issuer(&self) -> JwtIssuer {
        JwtIssuer::new(rule(), &self.jwks()).unwrap()
    }
}

fn rule() -> JwtRule {
    JwtRule {
        issuer: ISSUER.to_owned(),
        audience: "stanzabus".to_owned(),
        claim: "sub".to_owned(),
        prefix: String::new(),
        domain: BareJid::new("events.example.org").unwrap(),
        may_create: true,
        may_administer: false,
    }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "stanzabus", "sub": "Carol", "exp": NOW_S + 60, "nbf": NOW_S })
}

/// The claims with others in their place; null takes one away.
fn claims_but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn edwards() -> Value {
    json!({ "alg": "EdDSA", "kid": "edwards" })
}

fn check(issuer: &JwtIssuer, token: &str, now_ms: i64) -> Result<(String, Role), JwtProblem> {
    let admins = [BareJid::new("carol@events.example.org").unwrap()];
    let standing = find(std::slice::from_ref(issuer), &admins, token, now_ms)?;
    assert!(standing.expires_at_ms.is_some_and(|at_ms| at_ms > now_ms), "a stream knows its end");
    Ok((standing.actor.bare().to_string(), standing.actor.role()))
}

#[test]
fn each_kind_of_key_is_accepted_with_its_algorithms() {
    let signer = Signer::new();
    let issuer = signer.issuer();
    let carol = Ok(("carol@events.example.org".to_owned(), Role::Creator));
    for header in [edwards(), json!({ "alg": "EdDSA" }), json!({ "alg": "ES256", "kid": "curve" })] {
        let token = signer.sign(&header, &claims());
        assert!(is_jwt(&token));
        assert_eq!(check(&issuer, &token, NOW_MS), carol, "{header}");
        assert_eq!(check(&issuer, &token, NOW_MS), carol, "again");
    }
    let rsa = JwtIssuer::new(rule(), include_str!("fixtures/rsa.jwks.json")).unwrap();
    for token in [include_str!("fixtures/rs256.jwt"), include_str!("fixtures/ps256.jwt")] {
        assert_eq!(check(&rsa, token.trim(), NOW_MS), carol, "signed by openssl");
    }
}

#[test]
fn what_a_token_says_must_be_for_us_and_for_now() {
    let signer = Signer::new();
    let issuer = signer.issuer();
    let refused = |name: &str, value: Value| {
        check(&issuer, &signer.sign(&edwards(), &claims_but(name, value)), NOW_MS).unwrap_err()
    };
    for (name, value, expected) in [
        ("iss", json!("https://login.example.org/"), JwtProblem::UnknownIssuer),
        ("iss", Value::Null, JwtProblem::UnknownIssuer),
        ("aud", json!("others"), JwtProblem::Audience),
        ("aud", json!([]), JwtProblem::Audience),
        ("aud", Value::Null, JwtProblem::Audience),
        ("exp", json!(NOW_S), JwtProblem::Expired),
        ("exp", json!(-1), JwtProblem::Expired),
        ("exp", Value::Null, JwtProblem::NoExpiry),
        ("exp", json!("never"), JwtProblem::Malformed),
        ("exp", json!(1e300), JwtProblem::Malformed),
        ("nbf", json!("2030-01-01T00:00:00Z"), JwtProblem::Malformed),
        ("nbf", json!(NOW_S + 31), JwtProblem::NotYet),
        ("sub", Value::Null, JwtProblem::Principal),
        ("sub", json!(""), JwtProblem::Principal),
        ("sub", json!(7), JwtProblem::Principal),
        ("sub", json!("carol@example.net"), JwtProblem::Principal),
        ("sub", json!("a@example.org/carol"), JwtProblem::Principal),
    ] {
        assert_eq!(refused(name, value.clone()), expected, "{name} {value}");
    }
    for (name, value) in
        [("aud", json!(["others", "stanzabus"])), ("nbf", json!(NOW_S + 30)), ("nbf", Value::Null)]
    {
        let token = signer.sign(&edwards(), &claims_but(name, value.clone()));
        assert!(check(&issuer, &token, NOW_MS).is_ok(), "{name} {value}");
    }
    let token = signer.sign(&edwards(), &claims_but("exp", json!(1_700_000_000.5)));
    assert!(check(&issuer, &token, NOW_MS + 499).is_ok());
    assert_eq!(
        check(&issuer, &token, NOW_MS + 500),
        Err(JwtProblem::Expired),
        "a good signature is no leave to stay"
    );
}

#[test]
fn only_an_issuers_own_signature_counts() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let issuer = signer.issuer();
    let good = signer.sign(&edwards(), &claims());
    let (front, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = front.split_once('.').unwrap();
    let other_claims = encode(claims_but("sub", json!("mallory")).to_string());
    let none = format!("{}.{}.", encode(json!({ "alg": "none" }).to_string()), encode(claims().to_string()));
    for (token, expected) in [
        (stranger.sign(&edwards(), &claims()), JwtProblem::Signature),
        (format!("{header}.{other_claims}.{signature}"), JwtProblem::Signature),
        (format!("{front}."), JwtProblem::Signature),
        (format!("{front}.{}", encode("short")), JwtProblem::Signature),
        (none, JwtProblem::UnknownKey),
        // The public key, or a secret of the set, as the secret of both sides.
        (signer.sign(&json!({ "alg": "HS256", "kid": "shared" }), &claims()), JwtProblem::UnknownKey),
        (signer.sign(&json!({ "alg": "HS256", "kid": "edwards" }), &claims()), JwtProblem::UnknownKey),
        (signer.sign(&json!({ "alg": "ES256", "kid": "edwards" }), &claims()), JwtProblem::UnknownKey),
        (signer.sign(&json!({ "alg": "EdDSA", "kid": "other" }), &claims()), JwtProblem::UnknownKey),
        (
            signer.sign(&json!({ "alg": "EdDSA", "crit": ["b64"], "b64": false }), &claims()),
            JwtProblem::Malformed,
        ),
        ("ey.ey.ey".to_owned(), JwtProblem::Malformed),
        (format!("{front}=.{signature}"), JwtProblem::Malformed),
        (format!("{front}.{signature}{}", "A".repeat(TOKEN_BYTES_MAX)), JwtProblem::Malformed),
    ] {
        assert_eq!(check(&issuer, &token, NOW_MS), Err(expected), "{token}");
    }
    assert!(check(&issuer, &good, NOW_MS).is_ok(), "what is refused spoils nothing");
}

#[test]
fn the_rule_says_whom_the_issuer_speaks_for() {
    let signer = Signer::new();
    let token = |sub: &str| signer.sign(&edwards(), &claims_but("sub", json!(sub)));
    let find =
        |rule: JwtRule, sub: &str| check(&JwtIssuer::new(rule, &signer.jwks()).unwrap(), &token(sub), NOW_MS);
    let principal = |rule, sub: &str| find(rule, sub).map(|(principal, _)| principal);
    for same in ["carol", "CAROL"] {
        assert_eq!(principal(rule(), same), Ok("carol@events.example.org".into()));
    }
    for other in ["ｃａｒｏｌ", "car\u{ad}ol", "ᶜarol"] {
        assert_eq!(principal(rule(), other), Err(JwtProblem::Principal), "{other}: it would be carol, too");
    }
    let with_prefix = JwtRule { prefix: "login-".into(), ..rule() };
    assert_eq!(principal(with_prefix, "cli"), Ok("login-cli@events.example.org".into()));
    let of_users = || JwtRule { domain: BareJid::new("example.org").unwrap(), may_create: false, ..rule() };
    let carol = Ok(("carol@example.org".to_owned(), Role::User));
    assert_eq!([find(of_users(), "carol"), find(of_users(), "carol@example.org")], [carol.clone(), carol]);
    assert_eq!(find(of_users(), "carol@events.example.org"), Err(JwtProblem::Principal));
    let role = |may_administer| find(JwtRule { may_administer, ..rule() }, "carol").unwrap().1;
    assert_eq!(
        (role(false), role(true)),
        (Role::Creator, Role::Admin),
        "an issuer makes no admins by chance"
    );
}

#[test]
fn an_issuer_may_have_several_keys_without_names_and_several_rules() {
    let (old, new) = (Signer::new(), Signer::new());
    let bare = |signer: &Signer| {
        let mut set: Value = serde_json::from_str(&signer.jwks()).unwrap();
        for key in set["keys"].as_array_mut().unwrap() {
            key.as_object_mut().unwrap().remove("kid");
        }
        set["keys"].as_array().unwrap().clone()
    };
    let both = [bare(&old), bare(&new)].concat();
    let issuer = JwtIssuer::new(rule(), &json!({ "keys": both }).to_string()).unwrap();
    let token = |signer: &Signer| signer.sign(&json!({ "alg": "EdDSA" }), &claims());
    assert!(check(&issuer, &token(&old), NOW_MS).is_ok() && check(&issuer, &token(&new), NOW_MS).is_ok());
    let apart = [old.issuer(), new.issuer()];
    for signer in [&old, &new] {
        assert!(find(&apart, &[], &signer.sign(&edwards(), &claims()), NOW_MS).is_ok());
    }
}

#[test]
fn a_set_without_keys_that_sign_is_refused() {
    let problem = |jwks: &str| JwtIssuer::new(rule(), jwks).unwrap_err().to_string();
    assert!(problem("[").contains("is not a JWKS"), "{}", problem("["));
    let short = encode([0xff; 128]);
    for keys in [
        json!([]),
        json!([{ "kty": "oct", "k": "c2VjcmV0" }]),
        json!([{ "kty": "RSA", "n": short, "e": "AQAB" }]),
        json!([{ "kty": "OKP", "crv": "Ed25519", "x": "AA", "use": "enc" }]),
        json!([{ "kty": "OKP", "crv": "Ed25519", "x": "AA", "alg": "ES256" }]),
        json!([{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }]),
    ] {
        let problem = problem(&json!({ "keys": keys }).to_string());
        assert!(problem.contains("has no public key for signatures"), "{keys}: {problem}");
    }
}
