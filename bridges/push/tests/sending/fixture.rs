//! A mock, a clock that stands still until it is moved, and senders for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_push::mock::{Mock, MockSettings, Subscription};
use bridge_push::webpush::{WebPushSettings, WebPushSink};
use bridge_push::{Outcome, Push, Sink};
use bus_domain::push::{PushAddress, PushMessage};
use bus_engine::{Clock, SystemIds};
use outbound_http::{Client, Guard, Settings};
use rcgen::KeyPair;
use tokio::net::TcpListener;

/// 2026-01-01T00:00:00Z.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

pub(crate) struct TestClock(AtomicI64);

pub(crate) struct Fixture {
    pub(crate) mock: Mock,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) http: Client,
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl TestClock {
    pub(crate) fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let settings =
            MockSettings { clock: Arc::clone(&clock) as _, ids: Arc::new(SystemIds), kept_max: 10_000 };
        let mock = Mock::start(settings, TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
        let http = Client::new(Settings {
            guard: Guard::allowing(vec!["127.0.0.1".parse().unwrap()]),
            authorities_pem: Some(mock.authority_pem().as_bytes().to_vec()),
            ..Settings::default()
        });
        Self { mock, clock, http: http.unwrap() }
    }

    pub(crate) fn webpush(&self) -> WebPushSink {
        self.webpush_with(|_| ()).unwrap()
    }

    pub(crate) fn webpush_with(
        &self,
        change: impl FnOnce(&mut WebPushSettings),
    ) -> Result<WebPushSink, bridge_push::webpush::WebPushSettingsError> {
        let mut settings = WebPushSettings {
            vapid_key_pem: p256_key_pem(),
            contact: "mailto:admin@example.org".to_owned(),
            body_bytes_max: WebPushSettings::BODY_BYTES_MAX_DEFAULT,
        };
        change(&mut settings);
        WebPushSink::new(&settings, self.http.clone(), Arc::clone(&self.clock) as _, Arc::new(SystemIds))
    }

    /// Sends a message that is kept for an hour.
    pub(crate) async fn send(
        &self,
        sink: &dyn Sink,
        address: &PushAddress,
        message: &PushMessage,
    ) -> Outcome {
        let expires_at_ms = self.clock.now_ms() + 3_600_000;
        sink.send(&Push { id: *b"0123456789abcdef", address, message, expires_at_ms }).await
    }
}

pub(crate) fn p256_key_pem() -> Vec<u8> {
    KeyPair::generate().unwrap().serialize_pem().into_bytes()
}

pub(crate) fn address_of(subscription: &Subscription) -> PushAddress {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    PushAddress::WebPush {
        endpoint: subscription.endpoint.clone(),
        public_key: bytes(&subscription.keys.p256dh),
        auth_secret: bytes(&subscription.keys.auth),
    }
}

pub(crate) fn alert() -> PushMessage {
    PushMessage {
        title: Some("Build 7".to_owned()),
        body: Some("It is green.".to_owned()),
        data: [("build".to_owned(), "7".to_owned())].into(),
        ..PushMessage::default()
    }
}
