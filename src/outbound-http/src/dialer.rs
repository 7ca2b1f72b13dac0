use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

use crate::connect::{agree_on_tls, connect_to_one, resolve};
use crate::{ConnectError, Guard, Settings, SettingsError, Target, tls};

/// Opens connections with TLS where the guard lets them pass, for what speaks HTTP/2 on them by itself. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    guard: Guard,
    tls: Arc<ClientConfig>,
    patience: Duration,
}

impl Dialer {
    /// With the guard, the authorities and the patience of these settings.
    ///
    /// # Errors
    /// When the authorities cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let mut tls = ClientConfig::clone(&*tls::config(settings.authorities_pem.as_deref())?);
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { guard: settings.guard.clone(), tls: Arc::new(tls), patience: settings.connect_timeout })
    }

    /// Where connections may go.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Resolves the host, asks the guard on the address that is connected to, and agrees on TLS.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn dial(&self, target: &Target) -> Result<TlsStream<TcpStream>, ConnectError> {
        let dialing = async {
            let addresses = resolve(target, &self.guard).await?;
            let tcp = connect_to_one(target, &addresses, self.patience).await?;
            agree_on_tls(target, &self.tls, tcp).await
        };
        let late =
            |_| ConnectError::Timeout { host: target.host().to_owned(), seconds: self.patience.as_secs() };
        timeout(self.patience, dialing).await.map_err(late)?
    }
}
