//! `stanzabus push-mock`: the push services, for tests, benchmarks and trying things out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bridge_push::mock::{Mock, MockSettings, p256_key_pem};
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
    };
    let mock = Mock::start(settings, listener)
        .map_err(|source| Failure::System { what: "cannot start the mock of push services", source })?;
    let vapid_key_pem =
        p256_key_pem().map_err(|source| Failure::System { what: "cannot make a key", source })?;
    let authority_file = folder.join("authority.pem");
    let vapid_key_file = folder.join("vapid.pem");
    write(&authority_file, mock.authority_pem(), 0o644, true)?;
    write(&vapid_key_file, &vapid_key_pem, 0o600, true)?;
    output::print_json(&Listening {
        url: mock.url(),
        authority_file: &authority_file,
        vapid_key_file: &vapid_key_file,
    })?;
    signals.next().await;
    Ok(())
}
