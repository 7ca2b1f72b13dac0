//! `stanzabus push-mock`: the push services, for tests, benchmarks and trying things out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bridge_push::mock::{Mock, MockSettings, p256_key_pem, rsa_key_pem};
use bus_engine::{SystemClock, SystemIds};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::cli::PushMockArguments;
use crate::client::output;
use crate::failure::Failure;
use crate::init::write;
use crate::signals::StopSignals;

/// What is printed once it listens.
#[derive(Serialize)]
struct Listening<'a> {
    url: &'a str,
    authority_file: &'a Path,
    vapid_key_file: &'a Path,
    apns_team_id: &'a str,
    apns_key_id: &'a str,
    apns_key_file: &'a Path,
    /// Not there without the program `openssl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fcm_account_file: Option<&'a Path>,
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(arguments: &PushMockArguments) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let folder = &arguments.folder;
    fs::create_dir_all(folder).map_err(|source| Failure::Unwritable { path: folder.clone(), source })?;
    let listening = TcpListener::bind(arguments.listen).await;
    let listener = listening.map_err(|source| Failure::Listen {
        what: "the mock of push services",
        key: "--listen",
        address: arguments.listen,
        source,
    })?;
    let settings = MockSettings {
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        kept_max: usize::try_from(arguments.kept).unwrap_or(usize::MAX),
        fcm_key_pem: fcm_key_pem(),
    };
    let mock = Mock::start(settings, listener)
        .map_err(|source| Failure::System { what: "cannot start the mock of push services", source })?;
    let vapid_key_pem =
        p256_key_pem().map_err(|source| Failure::System { what: "cannot make a key", source })?;
    let file = |name: &str| folder.join(name);
    let (authority_file, vapid_key_file) = (file("authority.pem"), file("vapid.pem"));
    let (apns_key_file, fcm_account_file) = (file("apns.p8"), file("fcm.json"));
    let apns = mock.apns_credentials();
    write(&authority_file, mock.authority_pem(), 0o644, true)?;
    write(&vapid_key_file, &vapid_key_pem, 0o600, true)?;
    write(&apns_key_file, &apns.key_pem, 0o600, true)?;
    if let Some(account) = mock.fcm_account_json() {
        write(&fcm_account_file, account, 0o600, true)?;
    }
    output::print_json(&Listening {
        url: mock.url(),
        authority_file: &authority_file,
        vapid_key_file: &vapid_key_file,
        apns_team_id: &apns.team_id,
        apns_key_id: &apns.key_id,
        apns_key_file: &apns_key_file,
        fcm_account_file: mock.fcm_account_json().map(|_| &*fcm_account_file),
    })?;
    signals.next().await;
    Ok(())
}

fn fcm_key_pem() -> Option<String> {
    rsa_key_pem()
        .inspect_err(|error| {
            output::status(&format!(
                "without FCM: the program openssl makes no key for its account ({error})"
            ));
        })
        .ok()
}
