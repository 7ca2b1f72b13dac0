use bridge_push::apns::ApnsSettingsError;
use bridge_push::mock::{Fault, Rule};
use bridge_push::{KeyError, Outcome, Push, Sink as _, Unfit};
use bus_domain::push::{
    ApnsEnvironment, ApnsPushType, PushAddress, PushMessage, PushProvider, PushVerdict, Settled, Urgency,
};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::fixture::{Fixture, START_MS, alert, apple_device};

#[tokio::test]
async fn a_notification_arrives_with_its_headers() {
    let fixture = Fixture::new().await;
    let message = PushMessage { collapse_key: Some("build".to_owned()), ..alert() };
    let outcome = fixture.send(&fixture.apns(), &apple_device(), &message).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Delivered, "accepted"), "{outcome:?}");
    let received = &fixture.mock.received()[0];
    assert_eq!(received.target, "0f".repeat(32));
    let payload: Value = serde_json::from_str(&received.payload).unwrap();
    let shown = json!({ "title": "Build 7", "body": "It is green." });
    assert_eq!(payload, json!({ "aps": { "alert": shown }, "build": "7" }));
    for (name, expected) in [
        ("apns-topic", "org.example.app"),
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-collapse-id", "build"),
        ("apns-id", "30313233-3435-3637-3839-616263646566"),
        ("apns-expiration", "1767229200"),
    ] {
        assert_eq!(received.headers[name], expected, "{name}");
    }
}

/// The mock knows for itself which topic belongs to which type, and that what is unseen may not be at once.
#[tokio::test]
async fn each_type_has_its_topic_and_priority() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns();
    for push_type in ApnsPushType::ALL {
        for urgency in [Urgency::VeryLow, Urgency::Low, Urgency::Normal, Urgency::High] {
            let message = PushMessage { apns_push_type: Some(push_type), urgency, ..alert() };
            let outcome = fixture.send(&sink, &apple_device(), &message).await;
            assert_eq!(outcome.verdict, PushVerdict::Delivered, "{push_type:?} {urgency:?}: {outcome:?}");
        }
    }
    let received = fixture.mock.received();
    let voip = received.iter().find(|received| received.headers["apns-push-type"] == "voip").unwrap();
    assert_eq!(voip.headers["apns-topic"], "org.example.app.voip");
    let priorities: Vec<_> =
        received[..4].iter().map(|received| &*received.headers["apns-priority"]).collect();
    assert_eq!(priorities, ["1", "5", "10", "10"]);
}

#[tokio::test]
async fn what_nobody_sees_goes_to_the_background() {
    let fixture = Fixture::new().await;
    let message = PushMessage { title: None, body: None, ..alert() };
    fixture.send(&fixture.apns(), &apple_device(), &message).await;
    let received = &fixture.mock.received()[0];
    assert_eq!(received.headers["apns-push-type"], "background");
    assert_eq!(received.headers["apns-priority"], "5");
    let payload: Value = serde_json::from_str(&received.payload).unwrap();
    assert_eq!(payload, json!({ "aps": { "content-available": 1 }, "build": "7" }));
}

#[tokio::test]
async fn an_apps_own_payload_goes_in_place_of_ours() {
    let fixture = Fixture::new().await;
    let own = r#"{"aps":{"alert":{"loc-key":"HELLO"},"mutable-content":1},"mine":[1,2]}"#;
    let message = PushMessage { apns_payload: Some(own.to_owned()), ..alert() };
    fixture.send(&fixture.apns(), &apple_device(), &message).await;
    let payload: Value = serde_json::from_str(&fixture.mock.received()[0].payload).unwrap();
    assert_eq!(payload, serde_json::from_str::<Value>(own).unwrap());
}

/// Each reason that Apple documents, as the mock says it.
#[tokio::test]
async fn each_reason_has_its_verdict() {
    let fixture = Fixture::new().await;
    let (sink, device) = (fixture.apns(), apple_device());
    let retry = |after_ms| PushVerdict::Retry { after_ms };
    let (rejected, quarantine, operator) =
        (PushVerdict::Rejected, PushVerdict::Quarantine, PushVerdict::Operator);
    for (status, reason, verdict) in [
        (400, "BadCollapseId", rejected),
        (400, "BadDeviceToken", quarantine),
        (400, "BadExpirationDate", rejected),
        (400, "BadMessageId", rejected),
        (400, "BadPriority", rejected),
        (400, "BadTopic", quarantine),
        (400, "DeviceTokenNotForTopic", quarantine),
        (400, "DuplicateHeaders", rejected),
        (400, "IdleTimeout", retry(None)),
        (400, "InvalidPushType", rejected),
        (400, "MissingDeviceToken", quarantine),
        (400, "MissingTopic", quarantine),
        (400, "PayloadEmpty", rejected),
        (400, "TopicDisallowed", quarantine),
        (403, "BadCertificate", operator),
        (403, "BadCertificateEnvironment", operator),
        (403, "BadEnvironmentKeyIdInToken", quarantine),
        (403, "UnrelatedKeyIdInToken", quarantine),
        (403, "ExpiredProviderToken", operator),
        (403, "Forbidden", quarantine),
        (403, "InvalidProviderToken", operator),
        (403, "MissingProviderToken", operator),
        (404, "BadPath", quarantine),
        (405, "MethodNotAllowed", rejected),
        (410, "ExpiredToken", PushVerdict::Gone { since_ms: None }),
        (410, "Unregistered", PushVerdict::Gone { since_ms: None }),
        (413, "PayloadTooLarge", rejected),
        (429, "TooManyProviderTokenUpdates", retry(Some(60_000))),
        (429, "TooManyRequests", retry(Some(10_000))),
        (500, "InternalServerError", retry(None)),
        (503, "ServiceUnavailable", retry(None)),
        (503, "Shutdown", retry(None)),
    ] {
        let outcome = fixture.refused(&sink, &device, status, reason).await;
        assert_eq!((outcome.verdict, outcome.reason), (verdict, reason));
        assert_eq!(outcome.detail.unwrap(), format!("{status} {reason}"));
    }
    for (status, reason, verdict, label) in [
        (400, "SomethingNew", rejected, "unknown_refusal"),
        (410, "SomethingNew", rejected, "unknown_refusal"),
        (500, "SomethingNew", retry(None), "unknown_retry"),
    ] {
        let outcome = fixture.refused(&sink, &device, status, reason).await;
        assert_eq!((outcome.verdict, outcome.reason), (verdict, label));
    }
}

#[tokio::test]
async fn a_device_is_gone_since_when_apple_says_and_retry_after_is_heeded() {
    let fixture = Fixture::new().await;
    let (sink, device) = (fixture.apns(), apple_device());
    let gone = fixture.refused_with(&sink, &device, 410, "Unregistered", None, Some(START_MS)).await;
    assert_eq!(gone.verdict, PushVerdict::Gone { since_ms: Some(START_MS) });
    assert_eq!(gone.verdict.settle(START_MS - 1), Settled::DeleteDevice);
    assert_eq!(
        gone.verdict.settle(START_MS + 1),
        Settled::Retry { after_ms: None },
        "it has registered since"
    );
    let later = fixture.refused_with(&sink, &device, 503, "ServiceUnavailable", Some("30"), None).await;
    assert_eq!(later.verdict, PushVerdict::Retry { after_ms: Some(30_000) });
    let later = fixture.refused_with(&sink, &device, 429, "TooManyRequests", Some("30"), None).await;
    assert_eq!(later.verdict, PushVerdict::Retry { after_ms: Some(30_000) });
}

#[tokio::test]
async fn a_token_is_made_once_in_fifty_minutes() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns();
    for minutes in [0, 49, 2, 51] {
        fixture.clock.advance_ms(minutes * 60_000);
        let outcome = fixture.send(&sink, &apple_device(), &alert()).await;
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
    }
    let received = fixture.mock.received();
    let tokens: Vec<_> = received.iter().map(|received| &received.headers["authorization"]).collect();
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2]);
    assert_ne!(tokens[2], tokens[3]);
}

/// A token that Apple calls expired is made anew and the push sent again at once, unless it was made just now: that would be
/// `TooManyProviderTokenUpdates` next.
#[tokio::test]
async fn an_expired_token_is_made_anew_once() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns();
    let expire = || fixture.mock.script([Rule::once(PushProvider::Apns, Fault::ExpiredToken)]);
    let send = async || fixture.send(&sink, &apple_device(), &alert()).await.verdict;
    assert_eq!(send().await, PushVerdict::Delivered);
    expire();
    assert_eq!(send().await, PushVerdict::Operator, "the token is a minute old");
    fixture.clock.advance_ms(21 * 60_000);
    expire();
    assert_eq!(send().await, PushVerdict::Delivered);
    let counts = fixture.mock.counts(PushProvider::Apns);
    assert_eq!((counts.taken, counts.failed), (2, 2));
}

#[tokio::test]
async fn goaway_in_the_middle_of_many_loses_nothing() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns();
    fixture.mock.script([Rule::every(PushProvider::Apns, 100, Fault::GoAway)]);
    let (device, message) = (apple_device(), alert());
    let sent = join_all((0..500).map(|_| fixture.send(&sink, &device, &message))).await;
    for outcome in sent {
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
    }
    assert_eq!(fixture.mock.counts(PushProvider::Apns).taken, 500);
}

#[tokio::test]
async fn payloads_are_bounded_by_their_type_as_they_are_sent() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns();
    let with_bytes = |push_type, bytes: usize| {
        let own = format!(r#"{{"aps":{{}},"x":"{}"}}"#, "y".repeat(bytes - 17));
        assert_eq!(own.len(), bytes);
        PushMessage { apns_payload: Some(own), apns_push_type: Some(push_type), ..PushMessage::default() }
    };
    for (push_type, bytes_max) in [(ApnsPushType::Alert, 4_096), (ApnsPushType::Voip, 5_120)] {
        let longest = with_bytes(push_type, bytes_max);
        assert_eq!(fixture.send(&sink, &apple_device(), &longest).await.verdict, PushVerdict::Delivered);
        let unfit = sink.check(&apple_device(), &with_bytes(push_type, bytes_max + 3)).unwrap_err();
        assert_eq!(unfit, Unfit::PayloadTooLarge { bytes: bytes_max + 3, bytes_max });
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_unasked() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns();
    let no_json = PushMessage { apns_payload: Some("[]".to_owned()), ..PushMessage::default() };
    let outcome = fixture.send(&sink, &apple_device(), &no_json).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Rejected, "bad_message"));
    for address in [
        PushAddress::Fcm { token: "t".to_owned() },
        PushAddress::Apns {
            token: "../3/device/00".to_owned(),
            bundle_id: "org.example.app".to_owned(),
            environment: ApnsEnvironment::Sandbox,
        },
        PushAddress::Apns {
            token: "00".to_owned(),
            bundle_id: "org.example\r\napns-id: 1".to_owned(),
            environment: ApnsEnvironment::Sandbox,
        },
    ] {
        let outcome = fixture.send(&sink, &address, &alert()).await;
        assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Quarantine, "bad_address"));
    }
    assert_eq!(fixture.http.connections_opened(), 0);
}

#[tokio::test]
async fn what_has_expired_is_tried_once_and_not_kept() {
    let fixture = Fixture::new().await;
    let (address, message) = (apple_device(), alert());
    let push = Push { id: [0; 16], address: &address, message: &message, expires_at_ms: START_MS };
    let Outcome { verdict, .. } = fixture.apns().send(&push).await;
    assert_eq!(verdict, PushVerdict::Delivered);
    assert_eq!(fixture.mock.received()[0].headers["apns-expiration"], "0");
}

#[tokio::test]
async fn environments_have_their_own_services() {
    let fixture = Fixture::new().await;
    let away = Fixture::new().await.mock.url().to_owned();
    let sink = fixture.apns_with(|settings| settings.sandbox_url = away).unwrap();
    let PushAddress::Apns { token, bundle_id, .. } = apple_device() else { unreachable!() };
    let sandbox = PushAddress::Apns { token, bundle_id, environment: ApnsEnvironment::Sandbox };
    assert_eq!(fixture.send(&sink, &apple_device(), &alert()).await.verdict, PushVerdict::Delivered);
    assert_eq!(fixture.send(&sink, &sandbox, &alert()).await.reason, "no_connection");
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let fixture = Fixture::new().await;
    for id in ["", "ABCDE1234", "ABCDE123456", "abcde12345", "ABCDE 1234"] {
        let error = fixture.apns_with(|settings| settings.team_id = id.to_owned()).err().unwrap();
        assert!(matches!(&error, ApnsSettingsError::Id { key: "team_id", .. }), "{error}");
        let error = fixture.apns_with(|settings| settings.key_id = id.to_owned()).err().unwrap();
        assert!(matches!(&error, ApnsSettingsError::Id { key: "key_id", .. }), "{error}");
    }
    let error = fixture.apns_with(|settings| settings.key_pem = Vec::new()).err().unwrap();
    assert!(matches!(&error, ApnsSettingsError::Key(KeyError::Pem(_))), "{error}");
    let error = fixture.apns_with(|settings| settings.sandbox_url = "http://x/".to_owned()).err().unwrap();
    assert!(matches!(&error, ApnsSettingsError::Url { key: "sandbox_url", .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_apple_does_not_know_is_the_operators() {
    let fixture = Fixture::new().await;
    let sink = fixture.apns_with(|settings| settings.key_pem = crate::fixture::p256_key_pem()).unwrap();
    let outcome = fixture.send(&sink, &apple_device(), &alert()).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Operator, "InvalidProviderToken"));
}
