use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::push::PushProvider;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::MockSettings;
use super::apns::Apns;
use super::fcm::Fcm;
use super::script::{Fault, Rule, Script};
use super::webpush::{Subscribed, Subscription};

/// What all connections share.
pub(super) struct State {
    settings: MockSettings,
    origin: String,
    pub(super) apns: Apns,
    /// Without a key of RSA, nobody can have an account.
    pub(super) fcm: Option<Fcm>,
    inner: Mutex<Inner>,
    taken: watch::Sender<u64>,
    connections: AtomicU64,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Its number, from 1.
    pub number: u64,
    /// Whose.
    pub provider: PushProvider,
    /// For which device: a token, or the last part of an endpoint.
    pub target: String,
    /// What the device reads; decrypted for Web Push.
    pub payload: String,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    #[serde(skip)]
    pub body: Bytes,
}

/// How many messages of a provider have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// That were taken.
    pub taken: u64,
    /// That were refused because something was wrong with them.
    pub refused: u64,
    /// That failed because a rule said so.
    pub failed: u64,
}

/// What rules call the place that gives out FCM's access tokens.
const TOKEN_TARGET: &str = "token";

#[derive(Default)]
struct Inner {
    received: VecDeque<Received>,
    counts: HashMap<PushProvider, Counts>,
    script: Script,
    subscriptions: HashMap<String, Subscribed>,
    numbered: u64,
}

impl State {
    pub(super) fn new(
        settings: MockSettings,
        origin: String,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let apns = Apns::new()?;
        let key_pem = settings.fcm_key_pem.as_deref();
        let fcm = key_pem.map(|key_pem| Fcm::new(key_pem, &origin)).transpose()?;
        let (inner, taken, connections) = (Mutex::default(), watch::Sender::new(0), AtomicU64::new(0));
        Ok(Self { settings, origin, apns, fcm, inner, taken, connections })
    }

    /// `https://` and where it listens.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn now_s(&self) -> i64 {
        self.settings.clock.now_ms().div_euclid(1_000)
    }

    pub(super) fn random_bytes(&self) -> [u8; 16] {
        self.settings.ids.random_bytes()
    }

    pub(super) fn script(&self, rules: impl IntoIterator<Item = Rule>) {
        self.lock().script.extend(rules);
    }

    pub(super) fn clear_script(&self) {
        self.lock().script.clear();
    }

    pub(super) fn next_fault(&self, provider: PushProvider, target: &str) -> Option<Fault> {
        let mut inner = self.lock();
        let fault = inner.script.next(provider, target)?;
        let takes = matches!(fault, Fault::GoAway | Fault::CutAfterTaking | Fault::Slow { .. });
        inner.counts.entry(provider).or_default().failed += u64::from(!takes);
        Some(fault)
    }

    /// The fault of a rule for the target `token`, which stands for whoever gives out FCM's access tokens.
    pub(super) fn next_fault_of_token(&self) -> Option<Fault> {
        self.lock().script.next_for_only(PushProvider::Fcm, TOKEN_TARGET)
    }

    pub(super) fn refuse(&self, provider: PushProvider) {
        self.lock().counts.entry(provider).or_default().refused += 1;
    }

    /// Takes a message and gives it its number.
    pub(super) fn take(&self, mut received: Received) {
        {
            let mut inner = self.lock();
            inner.numbered += 1;
            received.number = inner.numbered;
            inner.counts.entry(received.provider).or_default().taken += 1;
            inner.received.push_back(received);
            let surplus = inner.received.len().saturating_sub(self.settings.kept_max);
            inner.received.drain(..surplus);
        }
        self.taken.send_modify(|taken| *taken += 1);
    }

    /// What was taken behind this number, oldest first.
    pub(super) fn received_after(&self, number: u64) -> Vec<Received> {
        self.lock().received.iter().filter(|received| received.number > number).cloned().collect()
    }

    pub(super) fn counts(&self, provider: PushProvider) -> Counts {
        self.lock().counts.get(&provider).copied().unwrap_or_default()
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) async fn wait_for(&self, provider: PushProvider, taken: u64) {
        let mut changes = self.taken.subscribe();
        while self.counts(provider).taken < taken {
            // The sender is ours and lives as long as we do.
            let _ = changes.changed().await;
        }
    }

    pub(super) fn subscribe(&self, vapid_key: Option<&str>) -> Subscription {
        let random = || self.settings.ids.random_bytes();
        let (id, subscribed) = Subscribed::new(random, vapid_key);
        let subscription = subscribed.subscription(&format!("{}/wp/{id}", self.origin));
        self.lock().subscriptions.insert(id, subscribed);
        subscription
    }

    pub(super) fn subscribed(&self, id: &str) -> Option<Subscribed> {
        self.lock().subscriptions.get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and what it holds is whole at any time.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
