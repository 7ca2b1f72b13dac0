//! Every kind of trouble on every store behind every server, as a table with no empty cell.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use harness::ServerKind;

use crate::trial::{StoreKind, Trial, Verdict};

/// Acknowledgements before, during and after a fault.
const ACKNOWLEDGED: u64 = 300;
/// How long a suspended process stays so.
const SUSPENDED: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    KillBus,
    RestartServer,
    CutInMidStanza,
    SlowReader,
    SuspendEach,
}

impl Fault {
    const ALL: [Self; 5] =
        [Self::KillBus, Self::RestartServer, Self::CutInMidStanza, Self::SlowReader, Self::SuspendEach];

    /// Makes trouble and lets it pass.
    async fn strike(self, trial: &mut Trial) {
        match self {
            Self::KillBus => drop(trial.kill_and_restart_daemon().await),
            Self::RestartServer => {
                trial.sightings.allow_holes(true);
                trial.server.kill9().await.expect("the server lives until it is killed");
                trial.server.start().await.expect("the server starts again");
                trial.reopen_sessions().await;
                trial.daemon.wait_ready().await.expect("the daemon attaches again by itself");
                trial.a_new_life();
                trial.acknowledged(ACKNOWLEDGED).await;
                trial.catch_up().await;
                trial.sightings.allow_holes(false);
            }
            Self::CutInMidStanza => {
                for _ in 0..5 {
                    trial.proxy.cut_in_mid_stanza().await;
                    trial.a_new_life();
                    trial.acknowledged(ACKNOWLEDGED / 5).await;
                }
            }
            Self::SlowReader => {
                trial.proxy.stall();
                // Over gRPC: answers to XMPP publishers wait with everything else.
                trial.acknowledged(ACKNOWLEDGED).await;
                let lane_bytes = trial.metric("stanzabus_link_notification_lane_bytes ").await;
                let lane_bytes_max = 8 << 20;
                assert!(lane_bytes <= lane_bytes_max, "the buffer is bounded: {lane_bytes}");
                trial.proxy.go_on();
            }
            Self::SuspendEach => {
                for process in [trial.daemon.process_id().expect("it runs")] {
                    signal(process, "STOP").await;
                    tokio::time::sleep(SUSPENDED).await;
                    signal(process, "CONT").await;
                    trial.acknowledged(ACKNOWLEDGED / 3).await;
                }
            }
        }
    }
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promises_hold_through_every_fault() {
    let cells = cells();
    let mut table = String::new();
    let mut broken = 0;
    for cell in &cells {
        let outcome = AssertUnwindSafe(cell.run()).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|panic| Outcome::Broken(message(&*panic)));
        let Cell { fault, store, server } = cell;
        let line = match &outcome {
            Outcome::Kept(Verdict { counts, repeats, holes, .. }) => {
                let acknowledged = counts.acknowledged;
                format!(
                    "kept: {acknowledged} acknowledged, {repeats} repeats, {holes} lost by the server and seen"
                )
            }
            Outcome::Broken(reason) => {
                broken += 1;
                format!("BROKEN: {reason}")
            }
        };
        writeln!(table, "{fault:?} | {store:?} | {server:?} | {line}").expect("a String takes everything");
        println!("{}", table.lines().last().unwrap_or_default());
    }
    println!("{table}{} cells, {broken} broken", cells.len());
    assert_eq!(broken, 0, "{table}");
}

fn cells() -> Vec<Cell> {
    let cell = |fault| Cell { fault, store: StoreKind::Sqlite, server: ServerKind::Prosody };
    let only = std::env::var_os("STANZABUS_FAULT");
    let is_wanted = |fault: &Fault| only.as_ref().is_none_or(|only| only == &*format!("{fault:?}"));
    Fault::ALL.into_iter().filter(is_wanted).map(cell).collect()
}

impl Cell {
    async fn run(&self) -> Outcome {
        let mut trial = Trial::start(self.server, self.store).await;
        trial.publish();
        trial.acknowledged(ACKNOWLEDGED).await;
        self.fault.strike(&mut trial).await;
        trial.acknowledged(ACKNOWLEDGED).await;
        let verdict = trial.finish().await;
        match verdict.violations.first() {
            None => Outcome::Kept(verdict),
            Some(first) => Outcome::Broken(format!("{} promises, first: {first}", verdict.violations.len())),
        }
    }
}

async fn signal(process_id: u32, name: &str) {
    let script = format!("kill -{name} {process_id}");
    let status = tokio::process::Command::new("sh").args(["-c", &script]).status().await.expect("a shell");
    assert!(status.success(), "SIG{name} to {process_id}");
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
