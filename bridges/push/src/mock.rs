//! The other side: a server that behaves like the push services, checks what they check, and fails as it is told.
//!
//! One listener over TLS speaks for all of them; the path of a request says for whom ([`server`]). What is taken is kept to be
//! looked at, the newest [`MockSettings::kept_max`] of it. How it fails is a script of [`Rule`]s. Both can be reached in
//! process ([`Mock`]) and over HTTP below `/mock/` (`control.rs`).
//!
//! Nothing here uses the senders' code, so that a mistake there is not repeated here.

mod apns;
mod certificate;
mod control;
mod decrypt;
mod fcm;
mod jwt;
mod script;
mod server;
mod state;
mod webpush;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bus_domain::push::PushProvider;
use bus_engine::{Clock, IdSource};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use apns::ApnsCredentials;
pub use script::{Fault, Rule};
pub use state::{Counts, Received};
pub use webpush::Subscription;

use certificate::Certificates;
use state::State;

/// How a mock is started.
#[derive(Clone)]
pub struct MockSettings {
    /// The time of day, by which tokens expire.
    pub clock: Arc<dyn Clock>,
    /// Where keys and ids come from.
    pub ids: Arc<dyn IdSource>,
    /// How many messages are kept to be looked at; older ones are only counted.
    pub kept_max: usize,
    /// The private key of FCM's service account, RSA in PKCS#8 ([`rsa_key_pem`] makes one). Without it, FCM is not there.
    pub fcm_key_pem: Option<String>,
}

/// A fresh private key of P-256, PKCS#8 in PEM, for a sender to try out.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn p256_key_pem() -> io::Result<String> {
    Ok(rcgen::KeyPair::generate().map_err(io::Error::other)?.serialize_pem())
}

/// A fresh private key of RSA with 2048 bits, PKCS#8 in PEM, made by the program `openssl`: no library in the tree makes
/// such keys.
///
/// # Errors
/// When the program is not there or fails.
pub fn rsa_key_pem() -> io::Result<String> {
    let arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let made = std::process::Command::new("openssl").args(arguments).output()?;
    let text = |bytes| String::from_utf8(bytes).map_err(io::Error::other);
    if made.status.success() { text(made.stdout) } else { Err(io::Error::other(text(made.stderr)?)) }
}

/// A mock that listens until it is dropped.
pub struct Mock {
    state: Arc<State>,
    address: SocketAddr,
    authority_pem: String,
    _stop: tokio_util::sync::DropGuard,
}

impl Mock {
    /// Listens with a certificate of an authority of its own.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(settings: MockSettings, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let certificates = Certificates::new(address.ip()).map_err(io::Error::other)?;
        let state = State::new(settings, format!("https://{address}")).map_err(io::Error::other)?;
        let state = Arc::new(state);
        let stop = CancellationToken::new();
        tokio::spawn(server::run(listener, certificates.acceptor, Arc::clone(&state), stop.clone()));
        Ok(Self { state, address, authority_pem: certificates.authority_pem, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://` and the address.
    pub fn url(&self) -> &str {
        self.state.origin()
    }

    /// The certificate of the authority to trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// What a sender to APNs needs; both of Apple's environments are at [`Self::url`].
    pub fn apns_credentials(&self) -> &ApnsCredentials {
        &self.state.apns.credentials
    }

    /// The service account's file that a sender to FCM needs, if FCM is there. Messages go to [`Self::url`].
    pub fn fcm_account_json(&self) -> Option<&str> {
        self.state.fcm.as_ref().map(fcm::Fcm::account_json)
    }

    /// A new subscription for Web Push, bound to this VAPID key if there is one.
    pub fn subscribe(&self, vapid_key: Option<&str>) -> Subscription {
        self.state.subscribe(vapid_key)
    }

    /// Adds rules behind those that are there.
    pub fn script(&self, rules: impl IntoIterator<Item = Rule>) {
        self.state.script(rules);
    }

    /// What was taken, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.state.received_after(0)
    }

    /// How much was taken and refused for a provider until now.
    pub fn counts(&self, provider: PushProvider) -> Counts {
        self.state.counts(provider)
    }

    /// How many connections have agreed on TLS until now.
    pub fn connections(&self) -> u64 {
        self.state.connections()
    }

    /// Waits until so many messages were taken for a provider.
    pub async fn wait_for(&self, provider: PushProvider, taken: u64) {
        self.state.wait_for(provider, taken).await;
    }
}
