//! The XMPP server and the store of a trial.

use std::path::PathBuf;

use harness::{Daemon, Postgres, RawStream, ServerKind, XmppServer};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::{CROWD, DOMAIN};

const SECRET: &str = "secret";
const PASSWORD: &str = "password";
/// Room for a cluster and a few thousand events.
const SMALL_DISK_BYTES: u64 = 160 << 20;
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Sqlite,
    Postgres,
    /// PostgreSQL with its data on a file system that a test can fill.
    SmallPostgres,
}

/// A running server with the users and the components of a trial.
pub(crate) async fn start_server(kind: ServerKind) -> XmppServer {
    let server = XmppServer::new(kind).expect("the server is installed");
    let server = server.component(DOMAIN, SECRET).component(CROWD, SECRET);
    let mut server = USERS.into_iter().fold(server, |server, user| server.user(user, PASSWORD));
    server.start().await.expect("the server starts");
    server
}

/// Logs a user of the trial in.
pub(crate) async fn log_in(server: &XmppServer, user: &str) -> RawStream {
    let login = RawStream::login(server.client_port(), XmppServer::HOST, user, PASSWORD, "trial").await;
    login.expect("the user may log in")
}

/// Attaches the component of the crowd.
pub(crate) async fn attach_crowd(server: &XmppServer) -> RawStream {
    RawStream::attach(server.component_port(), CROWD, SECRET).await.expect("the crowd attaches")
}

/// Where the events are.
pub(crate) enum StoreUnderTest {
    /// In the daemon's folder.
    Sqlite,
    Postgres {
        server: Box<Postgres>,
        url: String,
    },
}

impl StoreUnderTest {
    pub(crate) async fn start(kind: StoreKind) -> Self {
        let started = match kind {
            StoreKind::Sqlite => return Self::Sqlite,
            StoreKind::Postgres => Postgres::start().await,
            StoreKind::SmallPostgres => Postgres::start_on_small_disk(SMALL_DISK_BYTES).await,
        };
        let server = Box::new(started.expect("PostgreSQL starts"));
        let url = server.create_database().await.expect("a database");
        Self::Postgres { server, url }
    }

    /// A daemon on this store, for a port of the server's or a proxy's; not started yet.
    pub(crate) async fn daemon(&self, component_port: u16) -> Daemon {
        let address = format!("127.0.0.1:{component_port}");
        let store = match self {
            Self::Sqlite => "sqlite:stanzabus.db",
            Self::Postgres { url, .. } => url,
        };
        let mut daemon =
            Daemon::init_on_store(store, DOMAIN, &address, SECRET).await.expect("`init` succeeds");
        for (key, value) in [("MIN", "5"), ("MAX", "50"), ("FAULT", "50")] {
            daemon.set_env(format!("STANZABUS_LIMITS__LINK_BACKOFF_MS_{key}"), value);
        }
        daemon
    }

    /// The newest position of a node in the store, read past the daemon, which must not run.
    pub(crate) async fn head(&self, daemon: &Daemon, node: &str) -> u64 {
        const HEAD: &str = "SELECT h.seq FROM heads h JOIN nodes n ON n.node_id = h.node_id WHERE n.name = ";
        let seq: i64 = match self {
            Self::Sqlite => {
                let path: PathBuf = daemon.folder().join("stanzabus.db");
                let mut database =
                    SqliteConnection::connect(&path.to_string_lossy()).await.expect("the file can be opened");
                let sql = AssertSqlSafe(format!("{HEAD}?1"));
                let row = sqlx::query(sql).bind(node).fetch_one(&mut database).await.expect("a head");
                database.close().await.expect("the file can be closed");
                row.get(0)
            }
            Self::Postgres { url, .. } => {
                let mut database = PgConnection::connect(url).await.expect("the database answers");
                let sql = AssertSqlSafe(format!("{HEAD}$1"));
                let row = sqlx::query(sql).bind(node).fetch_one(&mut database).await.expect("a head");
                row.get(0)
            }
        };
        u64::try_from(seq).expect("a position")
    }
}
