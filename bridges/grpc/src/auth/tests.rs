use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;

const ALICE: &str = "the token of alice";
const BOB: &str = "the token of bob";

fn auth() -> BearerAuth {
    let token = |principal, token| {
        AccessToken::new(principal, "events.example.org", &token_sha256_hex(token)).unwrap()
    };
    let admin = BareJid::new("alice@events.example.org").unwrap();
    BearerAuth::new(&[token("alice", ALICE), token("bob", BOB)], &[admin])
}

/// Who gets through with this header, or why not.
fn check(header: Option<&str>) -> Result<(String, Role), String> {
    let mut request = Request::new(());
    if let Some(header) = header {
        request.metadata_mut().insert("authorization", header.parse().unwrap());
    }
    match auth().call(request) {
        Ok(request) => {
            let (actor, ()) = authenticated(request).unwrap();
            Ok((actor.bare().to_string(), actor.role()))
        }
        Err(status) => {
            assert_eq!(status.code(), Code::Unauthenticated);
            assert!(status.message().contains("[grpc]"), "says how to mend it: {}", status.message());
            Err(status.get_details_error_info().unwrap().reason)
        }
    }
}

#[test]
fn a_token_makes_its_holder_the_principal() {
    let alice = Ok(("alice@events.example.org".to_owned(), Role::Admin));
    let bob = Ok(("bob@events.example.org".to_owned(), Role::Creator));
    assert_eq!(check(Some(&format!("Bearer {ALICE}"))), alice);
    assert_eq!(check(Some(&format!("bearer  {BOB}"))), bob);
}

#[test]
fn without_a_known_token_nobody_gets_through() {
    for header in [None, Some(""), Some("Bearer"), Some("Bearer "), Some(ALICE), Some("Basic YTpi")] {
        assert_eq!(check(header), Err("TOKEN_MISSING".to_owned()), "{header:?}");
    }
    for token in ["x", "the token of alic", "the token of alice2", &token_sha256_hex(ALICE)] {
        assert_eq!(check(Some(&format!("Bearer {token}"))), Err("TOKEN_INVALID".to_owned()), "{token}");
    }
}

#[test]
fn a_call_that_passed_no_interceptor_has_no_actor() {
    assert_eq!(authenticated(Request::new(())).unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn a_principal_is_a_local_part_of_the_component_domain() {
    let hash = token_sha256_hex("x");
    let principal = |name: &str| {
        AccessToken::new(name, "events.example.org", &hash).map(|token| token.principal().to_string())
    };
    assert_eq!(principal("Billing").as_deref(), Ok("billing@events.example.org"));
    for name in ["", "a@example.org", "a@", "a/b", "a b", "a\0", "<a>"] {
        assert!(matches!(principal(name), Err(SettingsError::Principal { .. })), "{name:?}");
    }
    for domain in ["", "a@events.example.org", "events.example.org/x"] {
        let token = AccessToken::new("billing", domain, &hash);
        assert!(matches!(token, Err(SettingsError::Principal { .. })), "{domain:?}");
    }
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let hash = token_sha256_hex("abc");
    assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let check = |hash: &str| AccessToken::new("a", "events.example.org", hash).is_ok();
    assert!(check(&hash) && check(&hash.to_uppercase()));
    for bad in ["", "ba78", &hash[1..], &format!("{hash}0"), &hash.replace('b', "g"), &"é".repeat(32)] {
        assert!(!check(bad), "{bad}");
    }
}

#[test]
fn debug_output_does_not_show_the_hash() {
    let token = AccessToken::new("a", "events.example.org", &token_sha256_hex("x")).unwrap();
    assert_eq!(format!("{token:?}"), r#"AccessToken { principal: BareJid("a@events.example.org"), .. }"#);
}
