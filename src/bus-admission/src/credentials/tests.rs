use super::*;

const ALICE: &str = "the token of alice";
const BOB: &str = "the token of bob";
const DOMAIN: &str = "events.example.org";
const NOW_MS: i64 = 1_000;

fn credentials() -> Credentials {
    let token = |principal, token| AccessToken::new(principal, DOMAIN, &token_sha256_hex(token)).unwrap();
    Credentials {
        tokens: vec![token("alice", ALICE), token("bob", BOB).expiring(NOW_MS + 1)],
        certificates: vec![CertificateName::new("carol", DOMAIN, "carol.example.org").unwrap()],
        issuers: Vec::new(),
        admins: vec![BareJid::new("alice@events.example.org").unwrap()],
    }
}

fn find(shown: &Shown, now_ms: i64) -> Result<(String, Role), NotKnown> {
    let standing = credentials().find(shown, now_ms)?;
    Ok((standing.actor.bare().to_string(), standing.actor.role()))
}

#[test]
fn a_token_makes_its_holder_the_principal() {
    let alice = Ok(("alice@events.example.org".to_owned(), Role::Admin));
    let bob = Ok(("bob@events.example.org".to_owned(), Role::Creator));
    assert_eq!(find(&Shown::token(ALICE), NOW_MS), alice);
    assert_eq!(find(&Shown::token(BOB), NOW_MS), bob);
    for token in ["x", "the token of alic", "the token of alice2", &token_sha256_hex(ALICE)] {
        assert_eq!(find(&Shown::token(token), NOW_MS), Err(NotKnown::Unlisted), "{token}");
    }
}

#[test]
fn a_token_counts_until_its_last_moment() {
    assert_eq!(find(&Shown::token(BOB), NOW_MS + 1), Err(NotKnown::Expired));
    assert!(find(&Shown::token(ALICE), i64::MAX).is_ok());
}

#[test]
fn a_certificate_stands_for_whom_one_of_its_names_is_listed() {
    let shown = |names: &[&str]| Shown::Certificate(names.iter().map(ToString::to_string).collect());
    let carol = Ok(("carol@events.example.org".to_owned(), Role::Creator));
    assert_eq!(find(&shown(&["spiffe://x", "carol.example.org"]), NOW_MS), carol);
    for names in [&[][..], &["example.org"], &["*.example.org"], &["Carol.example.org.evil"]] {
        assert_eq!(find(&shown(names), NOW_MS), Err(NotKnown::Unlisted), "{names:?}");
    }
}

#[test]
fn a_name_of_certificates_has_no_wildcard() {
    for name in ["", "*", "*.example.org"] {
        let refused = CertificateName::new("carol", DOMAIN, name).unwrap_err();
        assert!(matches!(refused, CredentialError::CertificateName { .. }), "{name}");
    }
}

#[test]
fn a_principal_is_a_local_part_of_the_component_domain() {
    let hash = token_sha256_hex("x");
    let principal =
        |name: &str| AccessToken::new(name, DOMAIN, &hash).map(|token| token.principal().to_string());
    assert_eq!(principal("Billing").as_deref(), Ok("billing@events.example.org"));
    for name in ["", "a@example.org", "a@", "a/b", "a b", "a\0", "<a>"] {
        assert!(matches!(principal(name), Err(CredentialError::Principal { .. })), "{name:?}");
    }
    for domain in ["", "a@events.example.org", "events.example.org/x"] {
        let token = AccessToken::new("billing", domain, &hash);
        assert!(matches!(token, Err(CredentialError::Principal { .. })), "{domain:?}");
    }
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let hash = token_sha256_hex("abc");
    assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let check = |hash: &str| AccessToken::new("a", DOMAIN, hash).is_ok();
    assert!(check(&hash) && check(&hash.to_uppercase()));
    for bad in ["", "ba78", &hash[1..], &format!("{hash}0"), &hash.replace('b', "g"), &"é".repeat(32)] {
        assert!(!check(bad), "{bad}");
    }
}

#[test]
fn debug_output_does_not_show_the_hash() {
    let token = AccessToken::new("a", DOMAIN, &token_sha256_hex("x")).unwrap();
    assert_eq!(format!("{token:?}"), r#"AccessToken { principal: BareJid("a@events.example.org"), .. }"#);
}
