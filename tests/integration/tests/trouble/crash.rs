//! Twenty `kill -9` and more under load, and nothing that was acknowledged is missing or undelivered.

use harness::ServerKind;

use crate::trial::{Hit, StoreKind, Trial};

const KILLS: u64 = 20;
const ACKNOWLEDGED_BETWEEN_KILLS: u64 = 500;
/// Publishes under way when a kill hits.
const OUTSTANDING_MIN: u64 = 64;
/// So many must have hit publishes without an answer, and events that were committed and had not reached everybody. What a
/// kill hits is chance, so more of them follow until it is enough.
const HITS_MIN: u64 = 15;
const KILLS_MAX: u64 = 4 * KILLS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite_behind_prosody() {
    check(StoreKind::Sqlite, ServerKind::Prosody).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite_behind_ejabberd() {
    check(StoreKind::Sqlite, ServerKind::Ejabberd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_postgresql_behind_prosody() {
    check(StoreKind::Postgres, ServerKind::Prosody).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_postgresql_behind_ejabberd() {
    check(StoreKind::Postgres, ServerKind::Ejabberd).await;
}

async fn check(store: StoreKind, server: ServerKind) {
    let mut trial = Trial::start(server, store).await;
    let mut hits = kill_again_and_again(&mut trial, KILLS).await;
    while hits.with_both < HITS_MIN && hits.kills < KILLS_MAX {
        hits.note(kill_once(&mut trial).await);
    }
    let verdict = trial.finish().await;
    println!("{store:?} behind {server:?}: {hits:?}, {:?}, {} repeats", verdict.counts, verdict.repeats);
    hits.assert_enough();
    verdict.assert_kept(&trial);
}

/// What the kills hit.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    kills: u64,
    with_unanswered_publishes: u64,
    with_undelivered_events: u64,
    with_both: u64,
}

impl Hits {
    fn note(&mut self, hit: Hit) {
        let unanswered = hit.unanswered_publishes >= OUTSTANDING_MIN;
        let undelivered = hit.undelivered_events > 0;
        self.kills += 1;
        println!("kill {}: {hit:?}", self.kills);
        self.with_unanswered_publishes += u64::from(unanswered);
        self.with_undelivered_events += u64::from(undelivered);
        self.with_both += u64::from(unanswered && undelivered);
    }

    fn assert_enough(&self) {
        assert!(self.kills >= KILLS, "{self:?}");
        assert!(self.with_both >= HITS_MIN, "a kill that hits nothing proves nothing: {self:?}");
    }
}

pub(crate) async fn kill_again_and_again(trial: &mut Trial, kills: u64) -> Hits {
    let mut hits = Hits::default();
    trial.publish();
    while hits.kills < kills {
        hits.note(kill_once(trial).await);
    }
    hits
}

async fn kill_once(trial: &mut Trial) -> Hit {
    trial.start_steps();
    trial.acknowledged(ACKNOWLEDGED_BETWEEN_KILLS).await;
    trial.kill_and_restart_daemon().await
}
