//! Every kind of trouble on every store behind every server, as a table with no empty cell.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use harness::{Clock, ServerKind};

use crate::trial::{StoreKind, StoreUnderTest, Trial, Verdict};

/// Acknowledgements before, during and after a fault.
const ACKNOWLEDGED: u64 = 300;
/// How long a suspended process stays so.
const SUSPENDED: Duration = Duration::from_secs(2);
/// Refusals that show a full store.
const REFUSED: u64 = 50;
/// The bound of a store that gets full, and what is in it that can go.
const STORE_BYTES_MAX: &str = "4194304";
const BALLAST_ITEMS: usize = 25;
const BALLAST_ITEM_BYTES: usize = 100 * 1024;
const YEAR_S: i64 = 365 * 86_400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    KillBus,
    KillDatabase,
    RestartServer,
    CutInMidStanza,
    SlowReader,
    FullStore,
    StopAndContinue,
    ClockJump,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Cell {
    fault: Fault,
    store: StoreKind,
    server: ServerKind,
}

/// What became of it.
enum Outcome {
    Kept(Verdict),
    Broken(String),
    /// There is no such thing here.
    Without(&'static str),
    /// The `--long` tier runs it.
    Later,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promises_hold_through_every_fault() {
    let mut table = String::from("fault | store | server | outcome\n");
    let mut broken = 0;
    for cell in cells() {
        let Cell { fault, store, server } = cell;
        let outcome = AssertUnwindSafe(cell.run()).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|panic| Outcome::Broken(message(&*panic)));
        broken += u32::from(matches!(outcome, Outcome::Broken(_)));
        let line = format!("{fault:?} | {store:?} | {server:?} | {}", describe(&outcome));
        println!("{line}");
        writeln!(table, "{line}").expect("a String takes everything");
    }
    println!("\n{table}");
    assert_eq!(broken, 0, "{table}");
}

fn cells() -> Vec<Cell> {
    let only = std::env::var_os("STANZABUS_FAULT");
    let is_wanted = |fault: Fault| only.as_ref().is_none_or(|only| only == &*format!("{fault:?}"));
    let mut cells = Vec::new();
    for fault in Fault::ALL.into_iter().filter(|fault| is_wanted(*fault)) {
        for store in [StoreKind::Sqlite, StoreKind::Postgres] {
            for server in [ServerKind::Prosody, ServerKind::Ejabberd] {
                cells.push(Cell { fault, store, server });
            }
        }
    }
    cells
}

impl Cell {
    async fn run(self) -> Outcome {
        if self.fault == Fault::KillDatabase && self.store == StoreKind::Sqlite {
            return Outcome::Without("SQLite lives in the daemon: see KillBus");
        }
        if !self.is_of_this_tier() {
            return Outcome::Later;
        }
        let clock = Clock::compile().expect("a C compiler");
        let mut trial = self.start(&clock).await;
        trial.publish();
        trial.acknowledged(ACKNOWLEDGED).await;
        self.fault.strike(&mut trial, &clock).await;
        trial.acknowledged(ACKNOWLEDGED).await;
        let verdict = trial.finish().await;
        match verdict.violations.first() {
            None => Outcome::Kept(verdict),
            Some(first) => Outcome::Broken(format!("{} promises, first: {first}", verdict.violations.len())),
        }
    }

    async fn start(self, clock: &Clock) -> Trial {
        let is_full_store = self.fault == Fault::FullStore;
        let store = match self.store {
            StoreKind::Postgres if is_full_store => StoreKind::SmallPostgres,
            store => store,
        };
        let trial = Trial::start_with(self.server, store, async |daemon| {
            if self.fault == Fault::ClockJump {
                clock.rule(daemon);
            }
            if is_full_store && store == StoreKind::Sqlite {
                daemon.set_env("STANZABUS_STORE__SQLITE_BYTES_MAX", STORE_BYTES_MAX);
            }
        });
        let trial = trial.await;
        if is_full_store {
            trial.daemon.cli(["node", "create", "ballast"]).await.expect("a node");
            let ballast = format!("<b xmlns='urn:example:trial'>{}</b>", "x".repeat(BALLAST_ITEM_BYTES));
            for _ in 0..BALLAST_ITEMS {
                trial.daemon.cli(["pub", "ballast", "--xml", &ballast]).await.expect("there is room");
            }
        }
        trial
    }

    /// Each fault on both stores and behind both servers, each store behind both servers; the rest in `--long`.
    fn is_of_this_tier(self) -> bool {
        let is_long = std::env::var_os("STANZABUS_TEST_TIER").is_some_and(|tier| tier == "long");
        let turn = Fault::ALL.iter().position(|fault| *fault == self.fault).unwrap_or_default();
        let is_first_diagonal = (self.store == StoreKind::Sqlite) == (self.server == ServerKind::Prosody);
        is_long || is_first_diagonal == turn.is_multiple_of(2) || self.fault == Fault::KillDatabase
    }
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::KillBus,
        Self::KillDatabase,
        Self::RestartServer,
        Self::CutInMidStanza,
        Self::SlowReader,
        Self::FullStore,
        Self::StopAndContinue,
        Self::ClockJump,
    ];

    /// Makes trouble and lets it pass.
    async fn strike(self, trial: &mut Trial, clock: &Clock) {
        match self {
            Self::KillBus => {
                trial.kill_and_restart_daemon().await;
            }
            Self::KillDatabase => kill_database(trial).await,
            Self::RestartServer => restart_server(trial).await,
            Self::CutInMidStanza => {
                for _ in 0..5 {
                    trial.proxy.cut_in_mid_stanza().await;
                    trial.a_new_life();
                    trial.acknowledged(ACKNOWLEDGED / 5).await;
                }
            }
            Self::SlowReader => stall(trial).await,
            Self::FullStore => fill_store(trial).await,
            Self::StopAndContinue => stop_and_continue(trial).await,
            Self::ClockJump => {
                for jump_s in [2 * YEAR_S, -40 * YEAR_S, 0] {
                    clock.set_s(jump_s).expect("the file is writable");
                    trial.acknowledged(ACKNOWLEDGED / 3).await;
                    trial.kill_and_restart_daemon().await;
                }
            }
        }
    }
}

async fn kill_database(trial: &mut Trial) {
    let StoreUnderTest::Postgres { server, .. } = &mut trial.store else { unreachable!("asked before") };
    server.kill9().await.expect("it lives until it is killed");
    server.start_again().await.expect("it starts again");
    trial.a_new_life();
    trial.acknowledged(ACKNOWLEDGED).await;
    assert_eq!(trial.metric("stanzabus_link_reconnects_total ").await, 0, "the link stays");
}

/// What the server had for its users may be lost, and must be seen to be.
async fn restart_server(trial: &mut Trial) {
    trial.sightings.allow_holes();
    trial.server.kill9().await.expect("the server lives until it is killed");
    trial.server.start().await.expect("the server starts again");
    trial.reopen_sessions().await;
    trial.daemon.wait_ready().await.expect("the daemon attaches again by itself");
    trial.a_new_life();
    trial.acknowledged(ACKNOWLEDGED).await;
}

async fn stall(trial: &mut Trial) {
    trial.proxy.stall();
    // Over gRPC: answers to XMPP publishers wait with everything else.
    trial.acknowledged(ACKNOWLEDGED).await;
    let lane_bytes = trial.metric("stanzabus_link_notification_lane_bytes ").await;
    assert!(lane_bytes <= 8 << 20, "the buffer is bounded: {lane_bytes}");
    trial.proxy.go_on();
}

/// Publishers hear `wait`, the link stays, and it goes on by itself when there is room.
async fn fill_store(trial: &mut Trial) {
    if let StoreUnderTest::Postgres { server, .. } = &trial.store {
        server.fill_disk().expect("it is on a small disk");
    }
    trial.refused(REFUSED).await;
    match &trial.store {
        StoreUnderTest::Postgres { server, .. } => server.free_disk().expect("it was filled"),
        StoreUnderTest::Sqlite => {
            trial.daemon.cli(["node", "delete", "ballast"]).await.expect("what frees space is not refused");
        }
    }
    trial.acknowledged(ACKNOWLEDGED).await;
    assert_eq!(trial.metric("stanzabus_link_reconnects_total ").await, 0, "the link stays");
}

/// SIGSTOP and SIGCONT of each process in turn.
async fn stop_and_continue(trial: &mut Trial) {
    trial.daemon.signal("STOP").await.expect("it runs");
    tokio::time::sleep(SUSPENDED).await;
    trial.daemon.signal("CONT").await.expect("it runs");
    trial.acknowledged(ACKNOWLEDGED / 3).await;

    trial.server.suspend().await.expect("it runs");
    tokio::time::sleep(SUSPENDED).await;
    trial.server.resume().await.expect("it runs");
    trial.acknowledged(ACKNOWLEDGED / 3).await;

    if let StoreUnderTest::Postgres { server, .. } = &trial.store {
        server.suspend().expect("it runs");
        tokio::time::sleep(SUSPENDED).await;
        server.resume().expect("it runs");
        trial.acknowledged(ACKNOWLEDGED / 3).await;
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Kept(Verdict { counts, repeats, holes, .. }) => {
            let acknowledged = counts.acknowledged;
            format!(
                "kept: {acknowledged} acknowledged, {repeats} repeats, {holes} lost by the server and seen"
            )
        }
        Outcome::Broken(reason) => format!("BROKEN: {reason}"),
        Outcome::Without(reason) => format!("none: {reason}"),
        Outcome::Later => "in --long".to_owned(),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
