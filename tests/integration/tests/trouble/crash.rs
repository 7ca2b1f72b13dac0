//! Twenty `kill -9` under load, and nothing that was acknowledged is missing or undelivered.

use harness::ServerKind;

use crate::trial::{Hit, StoreKind, Trial};

const KILLS: u64 = 20;
const ACKNOWLEDGED_BETWEEN_KILLS: u64 = 500;
/// Publishes under way when a kill hits.
const OUTSTANDING_MIN: u64 = 64;
/// Of the kills, so many must have hit publishes without an answer, and so many events that were committed and had not
/// reached everybody.
const HITS_MIN: u64 = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite_behind_prosody() {
    let mut trial = Trial::start(ServerKind::Prosody, StoreKind::Sqlite).await;
    let hits = kill_again_and_again(&mut trial).await;
    let verdict = trial.finish().await;
    println!("{hits:?}\n{:?}, {} repeats", verdict.counts, verdict.repeats);
    hits.assert_enough();
    verdict.assert_kept(&trial);
}

/// What the kills hit.
#[derive(Debug, Default)]
struct Hits {
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
        self.with_unanswered_publishes += u64::from(unanswered);
        self.with_undelivered_events += u64::from(undelivered);
        self.with_both += u64::from(unanswered && undelivered);
    }

    fn assert_enough(&self) {
        assert_eq!(self.kills, KILLS);
        assert!(self.with_both >= HITS_MIN, "a kill that hits nothing proves nothing: {self:?}");
    }
}

async fn kill_again_and_again(trial: &mut Trial) -> Hits {
    let mut hits = Hits::default();
    trial.publish();
    for kill in 1..=KILLS {
        trial.start_steps();
        trial.acknowledged(ACKNOWLEDGED_BETWEEN_KILLS).await;

        let hit = trial.kill_and_restart_daemon().await;
        println!("kill {kill}: {hit:?}");
        hits.note(hit);
    }
    hits
}
