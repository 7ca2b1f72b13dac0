use bridge_push::fcm::FcmSettingsError;
use bridge_push::mock::{Fault, Rule};
use bridge_push::{KeyError, Push, Sink as _, Unfit};
use bus_domain::push::{PushAddress, PushMessage, PushProvider, PushVerdict, Urgency};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::fixture::{Fixture, START_MS, alert, android_device};

#[tokio::test]
async fn a_message_arrives_with_its_options_for_each_platform() {
    let fixture = Fixture::with_fcm().await;
    let message = PushMessage { collapse_key: Some("build".to_owned()), urgency: Urgency::High, ..alert() };
    let outcome = fixture.send(&fixture.fcm(), &android_device(), &message).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Delivered, "accepted"), "{outcome:?}");
    let received = &fixture.mock.received()[0];
    let expected = json!({
        "token": "a:APA91-_",
        "notification": { "title": "Build 7", "body": "It is green." },
        "data": { "build": "7" },
        "android": { "priority": "HIGH", "ttl": "3600s", "collapse_key": "build" },
        "apns": { "headers": { "apns-collapse-id": "build" } },
        "webpush": { "headers": { "TTL": "3600", "Urgency": "high", "Topic": "build" } },
    });
    assert_eq!(serde_json::from_str::<Value>(&received.payload).unwrap(), expected);
}

#[tokio::test]
async fn an_apps_own_members_go_over_ours() {
    let fixture = Fixture::with_fcm().await;
    let own = r#"{"android":{"ttl":"5s","notification":{"channel_id":"builds"}},"fcm_options":{"analytics_label":"b"}}"#;
    let message = PushMessage { fcm_message: Some(own.to_owned()), title: None, body: None, ..alert() };
    fixture.send(&fixture.fcm(), &android_device(), &message).await;
    let payload: Value = serde_json::from_str(&fixture.mock.received()[0].payload).unwrap();
    let android = json!({ "priority": "NORMAL", "ttl": "5s", "notification": { "channel_id": "builds" } });
    assert_eq!(payload["android"], android);
    assert_eq!(payload["fcm_options"]["analytics_label"], "b");
    assert_eq!(payload["notification"], Value::Null);
}

/// Each code that Google documents, as the mock says it.
#[tokio::test]
async fn each_code_has_its_verdict() {
    let fixture = Fixture::with_fcm().await;
    let (sink, device) = (fixture.fcm(), android_device());
    for (status, code, verdict, reason) in [
        (400, "INVALID_ARGUMENT", PushVerdict::Rejected, "INVALID_ARGUMENT"),
        (401, "THIRD_PARTY_AUTH_ERROR", retry(Some(600_000)), "THIRD_PARTY_AUTH_ERROR"),
        (403, "PERMISSION_DENIED", PushVerdict::Operator, "PERMISSION_DENIED"),
        (403, "SENDER_ID_MISMATCH", PushVerdict::Quarantine, "SENDER_ID_MISMATCH"),
        (404, "UNREGISTERED", PushVerdict::Gone { since_ms: None }, "UNREGISTERED"),
        (404, "NOT_FOUND", PushVerdict::Operator, "NOT_FOUND"),
        (429, "QUOTA_EXCEEDED", retry(Some(60_000)), "QUOTA_EXCEEDED"),
        (429, "RESOURCE_EXHAUSTED", retry(Some(60_000)), "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL", retry(None), "INTERNAL"),
        (503, "UNAVAILABLE", retry(Some(10_000)), "UNAVAILABLE"),
        (400, "SOMETHING_NEW", PushVerdict::Rejected, "unknown_refusal"),
        (502, "SOMETHING_NEW", retry(None), "unknown_retry"),
    ] {
        let outcome = fixture.refused(&sink, &device, status, code).await;
        assert_eq!((outcome.verdict, outcome.reason), (verdict, reason), "{status} {code}");
        assert!(outcome.detail.unwrap().starts_with(&format!("{status} {code}")), "{status} {code}");
    }
    let later = fixture.refused_with(&sink, &device, 429, "QUOTA_EXCEEDED", Some("90"), None).await;
    assert_eq!(later.verdict, retry(Some(90_000)));
}

#[tokio::test]
async fn an_access_token_is_got_once_and_renewed_before_its_end() {
    let fixture = Fixture::with_fcm().await;
    let (sink, device, message) = (fixture.fcm(), android_device(), alert());
    let sent = join_all((0..20).map(|_| fixture.send(&sink, &device, &message))).await;
    assert!(sent.iter().all(|outcome| outcome.verdict == PushVerdict::Delivered), "{sent:?}");
    for minutes in [54, 2, 61] {
        fixture.clock.advance_ms(minutes * 60_000);
        let outcome = fixture.send(&sink, &device, &message).await;
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
    }
    let received = fixture.mock.received();
    let tokens: Vec<_> = received.iter().map(|received| &received.headers["authorization"]).collect();
    assert!(tokens[..20].iter().all(|token| *token == tokens[20]), "the same for 54 minutes");
    assert_ne!(tokens[20], tokens[21], "five minutes before its end");
    assert_ne!(tokens[21], tokens[22]);
}

/// While a token still counts, trouble with getting the next one stops nothing.
#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_to_its_end() {
    let fixture = Fixture::with_fcm().await;
    let (sink, device) = (fixture.fcm(), android_device());
    let send = async || fixture.send(&sink, &device, &alert()).await;
    assert_eq!(send().await.verdict, PushVerdict::Delivered);
    fixture.mock.script([Rule { times: None, ..of_tokens(503, "unavailable") }]);
    fixture.clock.advance_ms(58 * 60_000);
    assert_eq!(send().await.verdict, PushVerdict::Delivered);
    fixture.clock.advance_ms(3 * 60_000);
    let outcome = send().await;
    assert_eq!((outcome.verdict, outcome.reason), (unavailable(2_000), "no_token"), "for the second time");
}

/// However many pushes wait for a token, one request in each of these rests fails, and the next one brings it.
#[tokio::test]
async fn an_endpoint_for_tokens_that_fails_is_asked_less_and_less_often() {
    const RESTS_MS: [u64; 8] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
    let fixture = Fixture::with_fcm().await;
    let (sink, device, message) = (fixture.fcm(), android_device(), alert());
    fixture.mock.script([Rule { times: Some(RESTS_MS.len() as u64), ..of_tokens(503, "unavailable") }]);
    for rest_ms in RESTS_MS {
        let outcomes = join_all((0..20).map(|_| fixture.send(&sink, &device, &message))).await;
        for outcome in outcomes {
            assert_eq!((outcome.verdict, outcome.reason), (unavailable(rest_ms), "no_token"));
        }
        fixture.clock.advance_ms(i64::try_from(rest_ms).unwrap() - 1);
        assert_eq!(fixture.send(&sink, &device, &message).await.verdict, unavailable(1));
        fixture.clock.advance_ms(1);
    }
    assert_eq!(fixture.send(&sink, &device, &message).await.verdict, PushVerdict::Delivered);
}

#[tokio::test]
async fn a_token_that_google_forgets_is_replaced_at_once() {
    let fixture = Fixture::with_fcm().await;
    let (sink, device) = (fixture.fcm(), android_device());
    let send = async || fixture.send(&sink, &device, &alert()).await;
    assert_eq!(send().await.verdict, PushVerdict::Delivered);
    fixture.mock.script([Rule::once(PushProvider::Fcm, Fault::ExpiredToken)]);
    assert_eq!(send().await.verdict, PushVerdict::Delivered);
    let received = fixture.mock.received();
    assert_ne!(received[0].headers["authorization"], received[1].headers["authorization"]);
    let refuse = Fault::Answer {
        status: 401,
        reason: "UNAUTHENTICATED".to_owned(),
        retry_after: None,
        timestamp_ms: None,
    };
    fixture.mock.script([Rule { times: Some(2), ..Rule::once(PushProvider::Fcm, refuse) }]);
    let outcome = send().await;
    assert_eq!(
        (outcome.verdict, outcome.reason),
        (PushVerdict::Operator, "UNAUTHENTICATED"),
        "a fresh one, too"
    );
}

#[tokio::test]
async fn an_account_that_google_does_not_know_is_the_operators() {
    let fixture = Fixture::with_fcm().await;
    let sink = fixture.fcm_with(|account| account["client_email"] = json!("other@example.org")).unwrap();
    let outcome = fixture.send(&sink, &android_device(), &alert()).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Operator, "token_refused"), "{outcome:?}");
    assert!(outcome.detail.unwrap().contains("invalid_grant"));
    let sink = fixture.fcm_with(|account| account["project_id"] = json!("other-project")).unwrap();
    let outcome = fixture.send(&sink, &android_device(), &alert()).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Operator, "PERMISSION_DENIED"));
}

#[tokio::test]
async fn messages_that_fcm_refuses_cost_no_device() {
    let fixture = Fixture::with_fcm().await;
    let sink = fixture.fcm();
    for own in [r#"{"data":{"a":1}}"#, r#"{"android":{"priority":"URGENT"}}"#, r#"{"android":{"ttl":"1d"}}"#]
    {
        let message = PushMessage { fcm_message: Some(own.to_owned()), ..alert() };
        let outcome = fixture.send(&sink, &android_device(), &message).await;
        assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Rejected, "INVALID_ARGUMENT"), "{own}");
        assert!(outcome.detail.unwrap().contains("message."), "{own}: it names the field");
    }
}

#[tokio::test]
async fn goaway_in_the_middle_of_many_loses_nothing() {
    let fixture = Fixture::with_fcm().await;
    let sink = fixture.fcm();
    fixture.mock.script([Rule::every(PushProvider::Fcm, 50, Fault::GoAway)]);
    let (device, message) = (android_device(), alert());
    let sent = join_all((0..300).map(|_| fixture.send(&sink, &device, &message))).await;
    for outcome in sent {
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
    }
    assert_eq!(fixture.mock.counts(PushProvider::Fcm).taken, 300);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_unasked() {
    let fixture = Fixture::with_fcm().await;
    let sink = fixture.fcm();
    let check = |message: &PushMessage| sink.check(&android_device(), message);
    let with_bytes = |bytes: usize| {
        let own = format!(r#"{{"data":{{"x":"{}"}}}}"#, "y".repeat(bytes - 8));
        PushMessage { fcm_message: Some(own), ..PushMessage::default() }
    };
    assert_eq!(check(&with_bytes(4_096)), Ok(()));
    assert_eq!(
        fixture.send(&sink, &android_device(), &with_bytes(4_096)).await.verdict,
        PushVerdict::Delivered
    );
    assert_eq!(check(&with_bytes(4_100)), Err(Unfit::PayloadTooLarge { bytes: 4_100, bytes_max: 4_096 }));
    for own in ["[]", "{", "7"] {
        let message = PushMessage { fcm_message: Some(own.to_owned()), ..alert() };
        assert!(matches!(check(&message), Err(Unfit::NotAnObject { field: "fcm_message", .. })), "{own}");
    }
    let elsewhere = PushMessage { fcm_message: Some(r#"{"topic":"all"}"#.to_owned()), ..alert() };
    assert!(matches!(check(&elsewhere), Err(Unfit::Contradiction(_))));
    for address in [crate::fixture::apple_device(), PushAddress::Fcm { token: "a b".to_owned() }] {
        assert!(matches!(sink.check(&address, &alert()), Err(Unfit::Address(_))));
    }
}

#[tokio::test]
async fn what_has_expired_is_tried_once() {
    let fixture = Fixture::with_fcm().await;
    let (address, message) = (android_device(), alert());
    let push = Push { id: [0; 16], address: &address, message: &message, expires_at_ms: START_MS - 1 };
    assert_eq!(fixture.fcm().send(&push).await.verdict, PushVerdict::Delivered);
    let payload: Value = serde_json::from_str(&fixture.mock.received()[0].payload).unwrap();
    assert_eq!(payload["android"]["ttl"], "0s");
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let fixture = Fixture::with_fcm().await;
    let error = |change: fn(&mut Value)| fixture.fcm_with(change).err().unwrap();
    assert!(matches!(error(|account| *account = json!([])), FcmSettingsError::Account(_)));
    assert!(matches!(error(|account| account["type"] = json!("authorized_user")), FcmSettingsError::Type(_)));
    assert!(matches!(error(|account| account["project_id"] = json!("../x")), FcmSettingsError::Project(_)));
    let key = error(|account| {
        account["private_key"] = json!(String::from_utf8(crate::fixture::p256_key_pem()).unwrap());
    });
    assert!(matches!(key, FcmSettingsError::Key(KeyError::NotRsa)), "{key}");
    let url = error(|account| account["token_uri"] = json!("https://10.0.0.1/token"));
    assert!(matches!(url, FcmSettingsError::Url { key: "token_uri", .. }), "{url}");
}

fn of_tokens(status: u16, reason: &str) -> Rule {
    let fault = Fault::Answer { status, reason: reason.to_owned(), retry_after: None, timestamp_ms: None };
    Rule { target: Some("token".to_owned()), ..Rule::once(PushProvider::Fcm, fault) }
}

fn retry(after_ms: Option<u64>) -> PushVerdict {
    PushVerdict::Retry { after_ms }
}

fn unavailable(after_ms: u64) -> PushVerdict {
    PushVerdict::Unavailable { after_ms }
}
