use bridge_push::mock::{Fault, Rule};
use bridge_push::webpush::WebPushSettingsError;
use bridge_push::{KeyError, Sink, Unfit};
use bus_domain::push::{PushAddress, PushMessage, PushProvider, PushVerdict, Urgency};
use futures::future::join_all;

use crate::fixture::{Fixture, START_MS, address_of, alert};

#[tokio::test]
async fn a_message_arrives_as_its_subscriber_can_read_it() {
    let fixture = Fixture::new().await;
    let sink = fixture.webpush();
    let address = address_of(&fixture.mock.subscribe(Some(sink.public_key())));
    let message = PushMessage { collapse_key: Some("build-7".to_owned()), urgency: Urgency::High, ..alert() };
    let outcome = fixture.send(&sink, &address, &message).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Delivered, "accepted"), "{outcome:?}");
    let received = &fixture.mock.received()[0];
    let payload: serde_json::Value = serde_json::from_str(&received.payload).unwrap();
    let expected =
        serde_json::json!({ "title": "Build 7", "body": "It is green.", "data": { "build": "7" } });
    assert_eq!(payload, expected);
    for (name, expected) in [("ttl", "3600"), ("urgency", "high"), ("topic", "build-7")] {
        assert_eq!(received.headers[name], expected);
    }
}

#[tokio::test]
async fn an_apps_own_payload_goes_as_it_is() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    let message = PushMessage { webpush_payload: Some(b"own words".to_vec()), ..alert() };
    fixture.send(&sink, &address, &message).await;
    assert_eq!(fixture.mock.received()[0].payload, "own words");
}

#[tokio::test]
async fn a_token_is_made_once_for_half_a_day() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    for hours in [0, 10, 1, 12] {
        fixture.clock.advance_ms(hours * 3_600_000);
        let outcome = fixture.send(&sink, &address, &alert()).await;
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
    }
    let received = fixture.mock.received();
    let tokens: Vec<_> = received.iter().map(|received| &received.headers["authorization"]).collect();
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2], "11 hours later");
    assert_ne!(tokens[2], tokens[3], "12 hours later");
}

#[tokio::test]
async fn each_answer_has_its_verdict() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    let retry = |after_ms| PushVerdict::Retry { after_ms };
    for (status, verdict, reason) in [
        (301, PushVerdict::Rejected, "unknown_refusal"),
        (400, PushVerdict::Quarantine, "bad_request"),
        (401, PushVerdict::Quarantine, "unauthorized"),
        (403, PushVerdict::Quarantine, "forbidden"),
        (404, PushVerdict::Gone { since_ms: None }, "expired"),
        (408, retry(None), "unknown_retry"),
        (410, PushVerdict::Gone { since_ms: None }, "gone"),
        (413, PushVerdict::Rejected, "payload_too_large"),
        (418, PushVerdict::Rejected, "unknown_refusal"),
        (429, retry(Some(1_000)), "too_many_requests"),
        (500, retry(None), "server_error"),
        (502, retry(None), "server_error"),
        (503, retry(None), "unavailable"),
        (504, retry(None), "server_error"),
        (507, retry(Some(600_000)), "no_quota"),
        (599, retry(None), "unknown_retry"),
    ] {
        let reason_given = "for a test".to_owned();
        let fault = Fault::Answer { status, reason: reason_given, retry_after: None, timestamp_ms: None };
        fixture.mock.script([Rule::once(PushProvider::WebPush, fault)]);
        let outcome = fixture.send(&sink, &address, &alert()).await;
        assert_eq!((outcome.verdict, outcome.reason), (verdict, reason), "{status}");
        assert!(outcome.detail.unwrap().contains("for a test"), "{status}");
    }
    assert_eq!(fixture.mock.counts(PushProvider::WebPush).failed, 16);
}

#[tokio::test]
async fn retry_after_is_heeded_as_seconds_and_as_a_date() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    for (status, retry_after, expected_ms) in [
        (429, "120", 120_000),
        (429, "0", 1_000),
        (503, "7", 7_000),
        (503, "Thu, 01 Jan 2026 00:01:00 GMT", 60_000),
        (507, "5", 600_000),
    ] {
        let retry_after = Some(retry_after.to_owned());
        let fault = Fault::Answer { status, reason: String::new(), retry_after, timestamp_ms: None };
        fixture.mock.script([Rule::once(PushProvider::WebPush, fault)]);
        let outcome = fixture.send(&sink, &address, &alert()).await;
        assert_eq!(outcome.verdict, PushVerdict::Retry { after_ms: Some(expected_ms) }, "{status}");
    }
}

#[tokio::test]
async fn what_is_broken_on_the_way_is_tried_again() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    for fault in [Fault::Reset, Fault::Cut, Fault::CutAfterTaking] {
        fixture.mock.script([Rule::once(PushProvider::WebPush, fault.clone())]);
        let outcome = fixture.send(&sink, &address, &alert()).await;
        assert_eq!(
            (outcome.verdict, outcome.reason),
            (PushVerdict::Retry { after_ms: None }, "cut_off"),
            "{fault:?}"
        );
    }
    let gone = address_of(&{
        let other = Fixture::new().await;
        other.mock.subscribe(None)
    });
    let outcome = fixture.send(&sink, &gone, &alert()).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Retry { after_ms: None }, "no_connection"));
}

/// Connections that the service closes in order, again and again, lose nothing and repeat nothing.
#[tokio::test]
async fn goaway_in_the_middle_of_many_loses_nothing() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    fixture.mock.script([Rule::every(PushProvider::WebPush, 40, Fault::GoAway)]);
    for _ in 0..4 {
        let message = alert();
        let sent = join_all((0..100).map(|_| fixture.send(&sink, &address, &message))).await;
        for outcome in sent {
            assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
        }
    }
    assert_eq!(fixture.mock.counts(PushProvider::WebPush).taken, 400);
    assert!(fixture.http.connections_opened() > 1);
}

#[tokio::test]
async fn a_subscription_of_another_key_is_set_aside() {
    let fixture = Fixture::new().await;
    let address = address_of(&fixture.mock.subscribe(Some(fixture.webpush().public_key())));
    let outcome = fixture.send(&fixture.webpush(), &address, &alert()).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Quarantine, "forbidden"));
}

/// The bound is on what is sent: the plaintext and the 103 bytes of encryption.
#[tokio::test]
async fn a_payload_that_is_too_long_is_refused_with_the_excess_and_the_longest_arrives() {
    let fixture = Fixture::new().await;
    let sink = fixture.webpush_with(|settings| settings.body_bytes_max = 4_096).unwrap();
    let address = address_of(&fixture.mock.subscribe(None));
    let with_bytes =
        |bytes| PushMessage { webpush_payload: Some(vec![b'x'; bytes]), ..PushMessage::default() };
    assert_eq!(fixture.send(&sink, &address, &with_bytes(3_993)).await.verdict, PushVerdict::Delivered);
    let unfit = sink.check(&address, &with_bytes(4_000)).unwrap_err();
    assert_eq!(unfit, Unfit::PayloadTooLarge { bytes: 4_103, bytes_max: 4_096 });
    assert_eq!(
        unfit.to_string(),
        "the payload has 4103 bytes as it is sent, 7 more than the 4096 that may be"
    );
    let outcome = fixture.send(&sink, &address, &with_bytes(4_000)).await;
    assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Rejected, "payload_too_large"));
    assert_eq!(fixture.mock.counts(PushProvider::WebPush).taken, 1);
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_set_aside_unasked() {
    let fixture = Fixture::new().await;
    let sink = fixture.webpush();
    let good = fixture.mock.subscribe(None);
    let PushAddress::WebPush { public_key, auth_secret, .. } = address_of(&good) else { unreachable!() };
    let with_endpoint = |endpoint: &str| PushAddress::WebPush {
        endpoint: endpoint.to_owned(),
        public_key: public_key.clone(),
        auth_secret: auth_secret.clone(),
    };
    let off_the_curve = PushAddress::WebPush {
        endpoint: good.endpoint.clone(),
        public_key: [[4].as_slice(), &[1; 64]].concat(),
        auth_secret: auth_secret.clone(),
    };
    for (address, expected) in [
        (with_endpoint("https://10.0.0.1/wp/x"), "not an address of the public internet"),
        (with_endpoint("https://[::1]/wp/x"), "not an address of the public internet"),
        (with_endpoint("http://push.example.net/x"), "only https:"),
        (with_endpoint("push.example.net"), "not a URL"),
        (off_the_curve, "not a point on P-256"),
        (PushAddress::Fcm { token: "t".to_owned() }, "not one of Web Push"),
    ] {
        let unfit = sink.check(&address, &alert()).unwrap_err().to_string();
        assert!(unfit.contains(expected), "{unfit}");
        let outcome = fixture.send(&sink, &address, &alert()).await;
        assert_eq!((outcome.verdict, outcome.reason), (PushVerdict::Quarantine, "bad_address"));
    }
    assert_eq!(fixture.http.connections_opened(), 0);
}

/// A name that passes as a URL and turns out to be of a private address is not connected to. It may be the resolver's fault,
/// so the device stays.
#[tokio::test]
async fn a_name_of_a_private_address_is_not_connected_to() {
    let fixture = Fixture::new().await;
    let strict = outbound_http::Client::new(outbound_http::Settings::default()).unwrap();
    let fixture = Fixture { http: strict, ..fixture };
    let subscription = fixture.mock.subscribe(None);
    let port = fixture.mock.address().port();
    let PushAddress::WebPush { public_key, auth_secret, .. } = address_of(&subscription) else {
        unreachable!()
    };
    let endpoint = format!("https://localhost:{port}/wp/x");
    let address = PushAddress::WebPush { endpoint, public_key, auth_secret };
    let outcome = fixture.send(&fixture.webpush(), &address, &alert()).await;
    assert_eq!(
        (outcome.verdict, outcome.reason),
        (PushVerdict::Retry { after_ms: None }, "address_refused"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_has_expired_is_tried_once() {
    let fixture = Fixture::new().await;
    let (sink, address) = (fixture.webpush(), address_of(&fixture.mock.subscribe(None)));
    let message = alert();
    let push =
        bridge_push::Push { id: [0; 16], address: &address, message: &message, expires_at_ms: START_MS - 1 };
    sink.send(&push).await;
    assert_eq!(fixture.mock.received()[0].headers["ttl"], "0");
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let fixture = Fixture::new().await;
    let error =
        |change: fn(&mut bridge_push::webpush::WebPushSettings)| fixture.webpush_with(change).err().unwrap();
    let key = error(|settings| settings.vapid_key_pem = b"no key".to_vec());
    assert!(matches!(key, WebPushSettingsError::Key(KeyError::Pem(_))), "{key}");
    let key = error(|settings| {
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        settings.vapid_key_pem = other.serialize_pem().into_bytes();
    });
    assert!(matches!(key, WebPushSettingsError::Key(KeyError::NotP256)), "{key}");
    for contact in ["", "admin@example.org", "mailto:a b", "https:\r\nx"] {
        let error = fixture.webpush_with(|settings| settings.contact = contact.to_owned()).err().unwrap();
        assert!(matches!(error, WebPushSettingsError::Contact(_)), "{contact}");
    }
    assert!(matches!(error(|settings| settings.body_bytes_max = 103), WebPushSettingsError::BodyBytes(103)));
    assert!(matches!(
        error(|settings| settings.body_bytes_max = 4_097),
        WebPushSettingsError::BodyBytes(4_097)
    ));
}
