use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_grpc::v1;
use bridge_push::mock::{Mock, MockSettings, p256_key_pem, rsa_key_pem};
use bus_domain::push::PushProvider;
use bus_engine::{IdSource as _, SystemClock, SystemIds};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::super::cut_short;
use crate::cli::PushBenchArguments;
use crate::client::grpc::GrpcClient;
use crate::client::http::get;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// How long the daemon may take to start.
const START_TIME: Duration = Duration::from_secs(30);

/// A daemon of the benchmark's own, and the push services. Both are gone with it, with their files.
pub(super) struct Rig {
    pub(super) client: GrpcClient,
    /// Where the daemon tells its metrics.
    pub(super) metrics: SocketAddr,
    mock: Option<Mock>,
    has_fcm: bool,
    daemon: Child,
    folder: PathBuf,
}

impl Rig {
    pub(super) async fn start(arguments: &PushBenchArguments) -> Result<Self, Failure> {
        let unwritable = |path: &Path, source| Failure::Unwritable { path: path.to_owned(), source };
        let name = format!(".bench-{:032x}", u128::from_be_bytes(SystemIds.random_bytes()));
        let folder = Folder(arguments.folder.join(name));
        std::fs::create_dir(&folder.0).map_err(|source| unwritable(&folder.0, source))?;
        let (mock, has_fcm) = start_mock().await?;
        let config = folder.0.join("stanzabus.toml");
        let (grpc, metrics, server) = (free_address().await?, free_address().await?, free_address().await?);
        let init = Command::new(own_program()?)
            .arg("--config")
            .arg(&config)
            .args(["init", "--domain", "bus.example.org", "--store", "sqlite:bench.db"])
            .args(["--server", &server.to_string(), "--grpc-listen", &grpc.to_string()])
            .args(["--http-listen", &metrics.to_string()])
            .output();
        let made =
            init.await.map_err(|source| Failure::System { what: "cannot start stanzabus init", source })?;
        if !made.status.success() {
            return Err(cut_short(String::from_utf8_lossy(&made.stderr).trim()));
        }
        add_accounts(&folder.0, &config, &mock).map_err(|source| unwritable(&config, source))?;
        let daemon = serve(&config)?;
        wait_until_it_answers(metrics).await?;
        let client = connect_grpc(&config).await?;
        let folder = folder.keep();
        Ok(Self { client, metrics, mock: Some(mock), has_fcm, daemon, folder })
    }

    /// The push services.
    ///
    /// # Panics
    /// When they were sent away.
    pub(super) fn mock(&self) -> &Mock {
        self.mock.as_ref().expect("rates are measured before providers go away")
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = PushProvider> + use<> {
        let has_fcm = self.has_fcm;
        PushProvider::ALL.into_iter().filter(move |provider| has_fcm || *provider != PushProvider::Fcm)
    }

    /// From now on nobody answers the daemon.
    pub(super) fn send_providers_away(&mut self) {
        self.mock = None;
    }

    /// A new subscription of Web Push.
    pub(super) fn subscribe(&self) -> v1::WebPushAddress {
        let subscription = self.mock().subscribe(None);
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("the mock writes base64url");
        v1::WebPushAddress {
            public_key: bytes(&subscription.keys.p256dh),
            auth_secret: bytes(&subscription.keys.auth),
            endpoint: subscription.endpoint,
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.daemon.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder that is removed unless it is kept.
struct Folder(PathBuf);

impl Folder {
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

async fn start_mock() -> Result<(Mock, bool), Failure> {
    let system = |what| move |source| Failure::System { what, source };
    let fcm_key_pem = rsa_key_pem()
        .inspect_err(|error| output::status(&format!("without FCM: openssl makes no key ({error})")))
        .ok();
    let has_fcm = fcm_key_pem.is_some();
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(system("cannot listen"))?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let settings = MockSettings { clock, ids, kept_max: 0, fcm_key_pem };
    Ok((Mock::start(settings, listener).map_err(system("cannot start the mock of push services"))?, has_fcm))
}

fn add_accounts(folder: &Path, config: &Path, mock: &Mock) -> std::io::Result<()> {
    let (url, apns) = (mock.url(), mock.apns_credentials());
    std::fs::write(folder.join("authority.pem"), mock.authority_pem())?;
    std::fs::write(folder.join("vapid.pem"), p256_key_pem()?)?;
    std::fs::write(folder.join("apns.p8"), &apns.key_pem)?;
    let fcm = match mock.fcm_account_json() {
        Some(account) => {
            std::fs::write(folder.join("fcm.json"), account)?;
            format!("[[push.fcm]]\naccount_file = 'fcm.json'\nurl = '{url}'\n")
        }
        None => String::new(),
    };
    let accounts = format!(
        "\n[push]\nallow_addresses = ['127.0.0.1']\nauthorities_file = 'authority.pem'\n\
         [[push.webpush]]\nvapid_key_file = 'vapid.pem'\ncontact = 'mailto:bench@example.org'\n\
         [[push.apns]]\nteam_id = '{}'\nkey_id = '{}'\nkey_file = 'apns.p8'\nproduction_url = '{url}'\n{fcm}",
        apns.team_id, apns.key_id,
    );
    let text = std::fs::read_to_string(config)?;
    std::fs::write(config, text + &accounts)
}

/// Runs the daemon, which says on standard error only what is wrong; there is no XMPP server, which it may wait for in silence.
fn serve(config: &Path) -> Result<Child, Failure> {
    let mut command = Command::new(own_program()?);
    command.arg("--config").arg(config).arg("serve");
    command.env("STANZABUS_LOG__LEVEL", "off").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(|source| Failure::System { what: "cannot start the daemon", source })
}

async fn wait_until_it_answers(metrics: SocketAddr) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < START_TIME {
        if get(metrics, "/livez").await.is_some_and(|(status, _)| status == 200) {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(cut_short("the daemon does not start"))
}

/// An address of this machine where nobody listens now.
async fn free_address() -> Result<SocketAddr, Failure> {
    let bound = async { TcpListener::bind("127.0.0.1:0").await?.local_addr() };
    bound.await.map_err(|source| Failure::System { what: "cannot find a free port", source })
}

fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|source| Failure::System { what: "cannot find the program itself", source })
}
