//! A mock, a clock that stands still until it is moved, and senders for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_push::apns::{ApnsSettings, ApnsSettingsError, ApnsSink};
use bridge_push::fcm::{FcmSettings, FcmSettingsError, FcmSink};
use bridge_push::mock::{Fault, Mock, MockSettings, Rule, Subscription, rsa_key_pem};
use bridge_push::webpush::{WebPushSettings, WebPushSink};
use bridge_push::{Outcome, Push, Sink};
use bus_domain::push::{ApnsEnvironment, PushAddress, PushMessage};
use bus_engine::{Clock, SystemIds};
use outbound_http::{Client, Guard, Settings};
use rcgen::KeyPair;
use serde_json::Value;
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
    /// Without FCM, whose key takes a moment to make.
    pub(crate) async fn new() -> Self {
        Self::start(None).await
    }

    pub(crate) async fn with_fcm() -> Self {
        static KEY_PEM: LazyLock<String> = LazyLock::new(|| rsa_key_pem().expect("the program openssl"));
        Self::start(Some(KEY_PEM.clone())).await
    }

    async fn start(fcm_key_pem: Option<String>) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let settings = MockSettings {
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(SystemIds),
            kept_max: 10_000,
            fcm_key_pem,
        };
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

    pub(crate) fn apns(&self) -> ApnsSink {
        self.apns_with(|_| ()).unwrap()
    }

    pub(crate) fn apns_with(
        &self,
        change: impl FnOnce(&mut ApnsSettings),
    ) -> Result<ApnsSink, ApnsSettingsError> {
        let credentials = self.mock.apns_credentials();
        let mut settings = ApnsSettings {
            team_id: credentials.team_id.clone(),
            key_id: credentials.key_id.clone(),
            key_pem: credentials.key_pem.clone().into_bytes(),
            production_url: self.mock.url().to_owned(),
            sandbox_url: self.mock.url().to_owned(),
        };
        change(&mut settings);
        ApnsSink::new(&settings, self.http.clone(), Arc::clone(&self.clock) as _)
    }

    pub(crate) fn fcm(&self) -> FcmSink {
        self.fcm_with(|_| ()).unwrap()
    }

    /// `change` gets the members of the service account's file.
    pub(crate) fn fcm_with(&self, change: impl FnOnce(&mut Value)) -> Result<FcmSink, FcmSettingsError> {
        let mut account = serde_json::from_str(self.mock.fcm_account_json().unwrap()).unwrap();
        change(&mut account);
        let settings =
            FcmSettings { account_json: account.to_string().into_bytes(), url: self.mock.url().to_owned() };
        FcmSink::new(&settings, self.http.clone(), Arc::clone(&self.clock) as _)
    }

    /// Lets the next push of a provider be refused so, and sends one.
    pub(crate) async fn refused(
        &self,
        sink: &dyn Sink,
        address: &PushAddress,
        status: u16,
        reason: &str,
    ) -> Outcome {
        self.refused_with(sink, address, status, reason, None, None).await
    }

    pub(crate) async fn refused_with(
        &self,
        sink: &dyn Sink,
        address: &PushAddress,
        status: u16,
        reason: &str,
        retry_after: Option<&str>,
        timestamp_ms: Option<i64>,
    ) -> Outcome {
        let (reason, retry_after) = (reason.to_owned(), retry_after.map(str::to_owned));
        let fault = Fault::Answer { status, reason, retry_after, timestamp_ms };
        self.mock.script([Rule::once(sink.provider(), fault)]);
        self.send(sink, address, &alert()).await
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
        ttl_s: 3_600,
        ..PushMessage::default()
    }
}

pub(crate) fn apple_device() -> PushAddress {
    PushAddress::Apns {
        token: "0f".repeat(32),
        bundle_id: "org.example.app".to_owned(),
        environment: ApnsEnvironment::Production,
    }
}

pub(crate) fn android_device() -> PushAddress {
    PushAddress::Fcm { token: "a:APA91-_".to_owned() }
}
