//! A real PostgreSQL of our own: a fresh cluster on loopback, its data in a temporary folder.

mod processes;
mod small_disk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::{Child, free_port, server_user, wait_until};
use processes::Signal;
use small_disk::SmallDisk;

const START_PATIENCE: Duration = Duration::from_mins(2);
const STOP_PATIENCE: Duration = Duration::from_mins(1);
const SERVER_USER: &str = "postgres";
const PASSWORD: &str = "a+password/of=tests";
const PROGRAMS: &str = "/usr/lib/postgresql";

/// A PostgreSQL cluster. Killed when dropped.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// let mut postgres = harness::Postgres::start().await?;
/// let url = postgres.create_database().await?;
/// postgres.kill9().await?;
/// postgres.start_again().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Postgres {
    // First, so that it is killed before its folder is removed.
    process: Option<Child>,
    // Before the folder that it is mounted in.
    disk: Option<SmallDisk>,
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
    databases: AtomicU32,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or with the end of its log.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[], None).await
    }

    /// As [`Self::start`], with settings (`name=value`) that win over the harness's own.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn start_with_settings(settings: &[&str]) -> Result<Self> {
        Self::start_with(settings, None).await
    }

    /// As [`Self::start`], on a file system of so many bytes that holds nothing else. Needs root; a cluster takes about
    /// 40 MB.
    ///
    /// # Errors
    /// See [`Self::start`]; when the file system cannot be mounted.
    pub async fn start_on_small_disk(bytes: u64) -> Result<Self> {
        Self::start_with(&["min_wal_size=2MB", "max_wal_size=4MB"], Some(bytes)).await
    }

    /// The one that all tests of this process share, each with a database of its own. It ends with the process.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        let start = async || {
            let postgres = Self::start().await.expect("PostgreSQL starts");
            let id = postgres.process_id().expect("it runs");
            processes::end_with_us(id, postgres.folder.path()).expect("a shell");
            postgres
        };
        SHARED.get_or_init(start).await
    }

    /// The URL of a database of this cluster, which need not exist, with the superuser's password.
    pub fn url(&self, database: &str) -> String {
        let password = PASSWORD.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("postgres://{SERVER_USER}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The superuser's password.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a fresh database, whose locale does not sort by bytes, and returns its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_database(&self) -> Result<String> {
        let name = format!("bus{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let locale =
            "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8'";
        self.sql("postgres", &format!("CREATE DATABASE {name} {locale}")).await?;
        Ok(self.url(&name))
    }

    /// Runs SQL as the superuser and returns what it printed, one row a line, columns parted by `|`.
    ///
    /// # Errors
    /// With what the server said.
    pub async fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        command.args(["--command", sql, &self.url(database)]).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await?;
        if !output.status.success() {
            bail!("{sql}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Everything in a database, as SQL that [`Self::sql`] takes in an empty one.
    ///
    /// # Errors
    /// With what the program said.
    pub async fn dump(&self, database: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("pg_dump"));
        command.args(["--inserts", "--no-owner", "--no-privileges", &self.url(database)]);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        // Without what is for psql itself, which differs between its versions, and without remarks.
        let is_statement = |line: &&str| !line.trim_end().is_empty() && !line.starts_with(['\\', '-']);
        Ok(text.split_inclusive('\n').filter(is_statement).collect())
    }

    /// The process id of the server's first process, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Ends it in an orderly way: sessions are cut, everything is written.
    ///
    /// # Errors
    /// When it does not run, or does not end within a minute.
    pub async fn stop(&mut self) -> Result<()> {
        processes::send(Signal::Interrupt, &[self.process_id().context("PostgreSQL does not run")?])?;
        let process = self.process.take().context("PostgreSQL does not run")?;
        process.wait(STOP_PATIENCE).await.map(drop)
    }

    /// Ends all of its processes at once, as a crash of the machine would for its clients.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&mut self) -> Result<()> {
        let tree = self.stopped_tree()?;
        processes::send(Signal::Kill, &tree)?;
        self.process.take().context("PostgreSQL does not run")?.wait(STOP_PATIENCE).await?;
        // The last of them to end lets go of the shared memory, without which it does not start again.
        let all_gone = async || processes::are_gone(&tree).then_some(());
        wait_until("PostgreSQL's processes to be gone", STOP_PATIENCE, all_gone).await
    }

    /// Starts it again on the same port and data, after [`Self::stop`] or [`Self::kill9`].
    ///
    /// # Errors
    /// With the end of the log.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("PostgreSQL runs already");
        }
        let postgres = self.programs.join("postgres");
        let mut command = server_user::command(&postgres.to_string_lossy(), SERVER_USER);
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let mut process = Child::spawn("PostgreSQL", &mut command, &self.folder.path().join("log"))?;
        let answers = async || self.sql("postgres", "SELECT 1").await.ok().map(drop);
        process.wait_until("PostgreSQL to answer", START_PATIENCE, answers).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops all of its processes (SIGSTOP): connections stay open, and nobody answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn suspend(&self) -> Result<()> {
        self.stopped_tree().map(drop)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        let first = self.process_id().context("PostgreSQL does not run")?;
        let mut all = processes::children(first)?;
        all.push(first);
        processes::send(Signal::Continue, &all)
    }

    /// Fills the small disk that it runs on.
    ///
    /// # Errors
    /// When it runs on another.
    pub fn fill_disk(&self) -> Result<()> {
        self.disk.as_ref().context("this PostgreSQL is not on a small disk")?.fill()
    }

    /// Makes room again after [`Self::fill_disk`].
    ///
    /// # Errors
    /// When the disk was not filled.
    pub fn free_disk(&self) -> Result<()> {
        self.disk.as_ref().context("this PostgreSQL is not on a small disk")?.free()
    }

    async fn start_with(settings: &[&str], disk_bytes: Option<u64>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("stanzabus-postgres-").tempdir()?;
        let disk =
            disk_bytes.map(|bytes| SmallDisk::mount(&folder.path().join("data"), bytes)).transpose()?;
        let own = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];
        let mut postgres = Self {
            process: None,
            disk,
            folder,
            programs: programs()?,
            port: free_port(),
            settings: own.iter().chain(settings).map(ToString::to_string).collect(),
            databases: AtomicU32::new(0),
        };
        postgres.make_cluster().await?;
        postgres.start_again().await?;
        Ok(postgres)
    }

    async fn make_cluster(&self) -> Result<()> {
        let password_file = self.folder.path().join("password");
        fs::write(&password_file, PASSWORD)?;
        server_user::give(self.folder.path(), SERVER_USER)?;
        let initdb = self.programs.join("initdb");
        let mut command = server_user::command(&initdb.to_string_lossy(), SERVER_USER);
        command.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(password_file);
        command.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        command.args(["--wal-segsize=1", "--username", SERVER_USER]).current_dir(self.folder.path());
        let output = command.output().await.context("initdb does not start")?;
        if !output.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// A cluster refuses a data folder with anything in it, so on a small disk it has one of its own.
    fn data(&self) -> PathBuf {
        self.folder.path().join("data").join("cluster")
    }

    /// Stops every process, the first one before the others so that no new ones appear, and names them.
    fn stopped_tree(&self) -> Result<Vec<u32>> {
        let first = self.process_id().context("PostgreSQL does not run")?;
        processes::send(Signal::Stop, &[first])?;
        let mut all = processes::children(first)?;
        processes::send(Signal::Stop, &all)?;
        all.push(first);
        Ok(all)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(all) = self.stopped_tree() {
            // Nobody is left to tell when it fails.
            let _ = processes::send(Signal::Kill, &all);
        }
    }
}

/// The newest version's programs.
fn programs() -> Result<PathBuf> {
    let installed = fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = installed.filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin"))));
    match newest.filter(|(_, programs)| programs.join("postgres").is_file()).max() {
        Some((_, programs)) => Ok(programs),
        None => bail!("PostgreSQL is missing; `examples/quickstart/install.sh postgres` installs it"),
    }
}
