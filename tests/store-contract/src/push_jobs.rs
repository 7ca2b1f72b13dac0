//! Messages on their way to devices.

use bus_domain::push::{
    AccountName, DeviceId, JobId, JobState, PushJob, PushLane, PushMessage, PushProvider, Urgency,
};
use bus_store::{JobRecord, JobResult, JobSettlement, PushQueue, PushStore};

use crate::devices::device;

pub async fn a_job_comes_back_as_it_was_enqueued(store: &dyn PushStore) {
    let message = PushMessage {
        title: Some("'\"\\é\u{1F600}".to_owned()),
        data: [("a".to_owned(), "b".to_owned())].into(),
        urgency: Urgency::VeryLow,
        ttl_s: 60,
        webpush_payload: Some(vec![0, 255]),
        ..PushMessage::default()
    };
    let job = PushJob { message, attempts: 3, ..job(1) };
    store.enqueue_jobs(std::slice::from_ref(&job)).await.expect("enqueued");
    let expected = JobRecord {
        id: job.id,
        device: job.device,
        provider: job.provider,
        account: job.account.clone(),
        message: Some(job.message.clone()),
        state: JobState::Waiting,
        enqueued_at_ms: job.enqueued_at_ms,
        due_at_ms: job.due_at_ms,
        expires_at_ms: job.expires_at_ms,
        attempts: job.attempts,
        reason: None,
        finished_at_ms: None,
    };
    assert_eq!(store.find_jobs(&[id(9), job.id]).await.expect("found"), [expected]);
    let claimed = store.claim_jobs(&PushProvider::Fcm.into(), 10, 99, 9).await.expect("claimed");
    assert_eq!(claimed[0].job, PushJob { due_at_ms: 99, ..job });
}

pub async fn an_id_is_taken_once(store: &dyn PushStore) {
    assert_eq!(store.enqueue_jobs(&[job(1), job(2)]).await.expect("enqueued").len(), 2);
    let again = [PushJob { due_at_ms: 1, ..job(2) }, job(3)];
    assert_eq!(store.enqueue_jobs(&again).await.expect("enqueued"), [id(3)]);
    assert_eq!(store.find_jobs(&[id(2)]).await.expect("found")[0].due_at_ms, 10);
    claim(store, 10, 20).await;
    settle(store, &[settlement(2, 20, JobResult::Delivered { at_ms: 15 })]).await;
    assert_eq!(store.enqueue_jobs(&[job(2)]).await.expect("enqueued"), [], "not even when it is over");
    assert_eq!(store.enqueue_jobs(&[]).await.expect("nothing"), []);
}

pub async fn a_claim_takes_what_is_due_and_nobody_else_gets_it_until_it_ends(store: &dyn PushStore) {
    let other = PushJob { provider: PushProvider::Apns, ..job(9) };
    let jobs: Vec<_> =
        (1..=5).map(|number| PushJob { due_at_ms: i64::from(number), ..job(number) }).collect();
    store.enqueue_jobs(&[jobs, vec![other]].concat()).await.expect("enqueued");
    assert_eq!(store.next_due_ms(&PushProvider::Fcm.into()).await.expect("a read"), Some(1));
    let first = store.claim_jobs(&PushProvider::Fcm.into(), 4, 20, 2).await.expect("claimed");
    assert_eq!(numbers(first.iter().map(|claimed| claimed.job.id)), [1, 2], "the longest due first");
    assert_eq!(claim(store, 4, 20).await, [3, 4]);
    assert_eq!(claim(store, 4, 20).await, Vec::<u8>::new());
    assert_eq!(store.next_due_ms(&PushProvider::Fcm.into()).await.expect("a read"), Some(5));
    assert_eq!(claim(store, 20, 30).await, [1, 2, 3, 4, 5], "a claim ends by itself");
    assert_eq!(store.next_due_ms(&PushProvider::WebPush.into()).await.expect("a read"), None);
}

pub async fn a_claim_brings_the_devices_that_are_there(store: &dyn PushStore) {
    store.put_device(&device(1, "t")).await.expect("put");
    let of_the_same = PushJob { device: DeviceId([1; 16]), ..job(3) };
    store.enqueue_jobs(&[job(1), job(2), of_the_same]).await.expect("enqueued");
    let mut claimed = store.claim_jobs(&PushProvider::Fcm.into(), 10, 20, 9).await.expect("claimed");
    claimed.sort_by_key(|claimed| claimed.job.id);
    let devices: Vec<_> = claimed.into_iter().map(|claimed| claimed.device).collect();
    assert_eq!(devices, [Some(device(1, "t")), None, Some(device(1, "t"))]);
}

pub async fn what_becomes_of_a_job_is_noted_once(store: &dyn PushStore) {
    store.enqueue_jobs(&[job(1), job(2), job(3)]).await.expect("enqueued");
    claim(store, 10, 20).await;
    let settlements = [
        settlement(1, 20, JobResult::Retry { due_at_ms: 50, reason: "later".to_owned() }),
        settlement(2, 20, JobResult::Delivered { at_ms: 15 }),
        settlement(3, 20, JobResult::Dead { at_ms: 16, reason: "never".to_owned() }),
    ];
    assert_eq!(settle(store, &settlements).await, 3);
    assert_eq!(settle(store, &settlements[1..]).await, 0);
    let found = store.find_jobs(&[id(1), id(2), id(3)]).await.expect("found");
    let noted: Vec<_> = found
        .iter()
        .map(|job| (job.state, job.due_at_ms, job.attempts, job.reason.as_deref(), job.finished_at_ms))
        .collect();
    assert_eq!(
        noted,
        [
            (JobState::Waiting, 50, 7, Some("later"), None),
            (JobState::Delivered, 15, 7, None, Some(15)),
            (JobState::Dead, 16, 7, Some("never"), Some(16)),
        ]
    );
    let messages: Vec<_> = found.iter().map(|job| job.message.is_some()).collect();
    assert_eq!(messages, [true, false, true]);
    assert_eq!(claim(store, 49, 60).await, Vec::<u8>::new());
    assert_eq!(claim(store, 50, 60).await, [1]);
}

pub async fn a_late_settlement_changes_nothing(store: &dyn PushStore) {
    store.enqueue_jobs(&[job(1)]).await.expect("enqueued");
    claim(store, 10, 20).await;
    claim(store, 20, 30).await;
    assert_eq!(settle(store, &[settlement(1, 20, JobResult::Delivered { at_ms: 21 })]).await, 0);
    assert_eq!(store.find_jobs(&[id(1)]).await.expect("found")[0].state, JobState::Waiting);
    assert_eq!(settle(store, &[settlement(1, 30, JobResult::Delivered { at_ms: 22 })]).await, 1);
}

pub async fn what_waits_can_be_cancelled(store: &dyn PushStore) {
    store.enqueue_jobs(&[job(1), job(2), job(3)]).await.expect("enqueued");
    claim(store, 10, 20).await;
    settle(store, &[settlement(1, 20, JobResult::Delivered { at_ms: 15 })]).await;
    let cancelled = store.cancel_jobs(&[id(1), id(2), id(9)]).await.expect("cancelled");
    assert_eq!(cancelled, [id(2)], "under way or not, but not what is over");
    assert_eq!(settle(store, &[settlement(2, 20, JobResult::Delivered { at_ms: 15 })]).await, 0);
    assert_eq!(
        numbers(store.find_jobs(&[id(1), id(2), id(3)]).await.expect("found").iter().map(|job| job.id)),
        [1, 3]
    );
}

pub async fn the_dead_are_paged_and_forgotten_in_time(store: &dyn PushStore) {
    let jobs: Vec<_> = (1..=5).map(job).collect();
    store.enqueue_jobs(&jobs).await.expect("enqueued");
    claim(store, 10, 20).await;
    let dead = |number: u8| {
        settlement(number, 20, JobResult::Dead { at_ms: 30 + i64::from(number), reason: "never".to_owned() })
    };
    settle(store, &[dead(1), dead(2), dead(3)]).await;
    settle(store, &[settlement(4, 20, JobResult::Delivered { at_ms: 30 })]).await;
    let page = async |after, jobs_max| {
        numbers(store.dead_jobs(after, jobs_max).await.expect("a page").iter().map(|job| job.id))
    };
    assert_eq!(page(None, 2).await, [1, 2]);
    assert_eq!(page(Some(id(2)), 2).await, [3]);
    assert_eq!(
        store.forget_jobs(32, 2).await.expect("forgotten"),
        2,
        "the longest over first: the delivered one too"
    );
    assert_eq!(page(None, 9).await, [2, 3]);
    assert_eq!(store.forget_jobs(32, 2).await.expect("forgotten"), 1);
    assert_eq!(store.forget_jobs(32, 2).await.expect("forgotten"), 0);
    assert_eq!(store.find_jobs(&[id(5)]).await.expect("found").len(), 1, "what waits stays");
}

pub async fn queues_are_counted_by_lane(store: &dyn PushStore) {
    assert_eq!(store.push_queues().await.expect("a read"), []);
    let apns =
        |number| PushJob { provider: PushProvider::Apns, enqueued_at_ms: i64::from(number), ..job(number) };
    store.enqueue_jobs(&[job(1), job(2), apns(3), apns(4)]).await.expect("enqueued");
    claim(store, 10, 20).await;
    settle(store, &[settlement(1, 20, JobResult::Delivered { at_ms: 15 })]).await;
    let other = lane("team-7");
    store.enqueue_jobs(&[PushJob { account: other.account.clone(), ..job(6) }]).await.expect("enqueued");
    let queue = |lane, waiting, oldest_enqueued_at_ms| PushQueue { lane, waiting, oldest_enqueued_at_ms };
    let expected =
        [queue(PushProvider::Apns.into(), 2, 3), queue(PushProvider::Fcm.into(), 1, 5), queue(other, 1, 5)];
    assert_eq!(store.push_queues().await.expect("a read"), expected);
}

pub async fn lanes_of_one_provider_share_nothing(store: &dyn PushStore) {
    let other = lane("team-7");
    let of_other = PushJob { account: other.account.clone(), due_at_ms: 7, ..job(2) };
    store.enqueue_jobs(&[job(1), of_other]).await.expect("enqueued");
    assert_eq!(claim(store, 10, 20).await, [1]);
    assert_eq!(store.next_due_ms(&other).await.expect("a read"), Some(7));
    let claimed = store.claim_jobs(&other, 10, 30, 9).await.expect("claimed");
    assert_eq!(claimed.iter().map(|claimed| claimed.job.id).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(claimed[0].job.account, other.account);
    assert_eq!(store.next_due_ms(&other).await.expect("a read"), Some(30));
}

pub async fn the_dead_begin_anew_or_are_removed(store: &dyn PushStore) {
    let jobs: Vec<_> = (1..=4).map(job).collect();
    store.enqueue_jobs(&jobs).await.expect("enqueued");
    claim(store, 10, 20).await;
    let dead = |number| settlement(number, 20, JobResult::Dead { at_ms: 30, reason: "never".to_owned() });
    settle(store, &[dead(1), dead(2), settlement(3, 20, JobResult::Delivered { at_ms: 30 })]).await;
    let ids = [id(1), id(3), id(4), id(9)];
    assert_eq!(store.redrive_jobs(&ids, 1_000).await.expect("redriven"), [id(1)], "only what was given up");
    let redriven = store.find_jobs(&[id(1)]).await.expect("found").remove(0);
    assert_eq!((redriven.state, redriven.due_at_ms, redriven.attempts), (JobState::Waiting, 1_000, 0));
    assert_eq!((redriven.enqueued_at_ms, redriven.expires_at_ms), (1_000, 1_095), "as long as at first");
    assert_eq!((redriven.reason, redriven.finished_at_ms), (None, None));
    let ids = [id(1), id(2), id(3), id(9)];
    assert_eq!(store.remove_dead_jobs(&ids).await.expect("removed"), [id(2)]);
    let left = store.jobs_after(None, 9).await.expect("a page");
    assert_eq!(numbers(left.iter().map(|job| job.id)), [1, 3, 4]);
    let page = store.jobs_after(Some(id(1)), 1).await.expect("a page");
    assert_eq!(numbers(page.iter().map(|job| job.id)), [3]);
}

pub async fn what_has_expired_is_given_up_where_nobody_sends(store: &dyn PushStore) {
    let jobs: Vec<_> =
        (1..=4).map(|number| PushJob { expires_at_ms: i64::from(number) * 10, ..job(number) }).collect();
    store.enqueue_jobs(&jobs).await.expect("enqueued");
    let expire =
        async |now_ms| store.expire_jobs(&PushProvider::Fcm.into(), now_ms, 2).await.expect("expired");
    assert_eq!(store.expire_jobs(&lane("team-7"), 30, 9).await.expect("expired"), 0, "another lane");
    assert_eq!((expire(30).await, expire(30).await), (2, 1));
    let states = store.find_jobs(&[id(1), id(4)]).await.expect("found");
    assert_eq!(states[0].reason.as_deref(), Some("expired"));
    assert_eq!((states[0].state, states[0].finished_at_ms), (JobState::Dead, Some(30)));
    assert_eq!(claim(store, 30, 90).await, [4]);
    assert_eq!(expire(60).await, 0, "it is claimed");
}

pub async fn many_jobs_are_one_statement(store: &dyn PushStore) {
    let jobs: Vec<_> = (0..5_000_u32)
        .map(|number| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            PushJob { id: JobId(id), ..job(1) }
        })
        .collect();
    assert_eq!(store.enqueue_jobs(&jobs).await.expect("enqueued").len(), 5_000);
    let claimed = store.claim_jobs(&PushProvider::Fcm.into(), 10, 20, 5_000).await.expect("claimed");
    assert_eq!(claimed.len(), 5_000);
    let settlements: Vec<_> = claimed
        .iter()
        .map(|claimed| JobSettlement {
            id: claimed.job.id,
            ..settlement(1, 20, JobResult::Delivered { at_ms: 15 })
        })
        .collect();
    assert_eq!(settle(store, &settlements).await, 5_000);
}

/// A job of FCM that is due at 10, for the device of the same number.
fn job(number: u8) -> PushJob {
    PushJob {
        id: id(number),
        device: DeviceId([number; 16]),
        provider: PushProvider::Fcm,
        account: AccountName::default(),
        message: PushMessage::default(),
        enqueued_at_ms: 5,
        due_at_ms: 10,
        expires_at_ms: 100,
        attempts: 0,
    }
}

fn settlement(number: u8, claimed_until_ms: i64, result: JobResult) -> JobSettlement {
    JobSettlement { id: id(number), claimed_until_ms, attempts: 7, result }
}

async fn claim(store: &dyn PushStore, now_ms: i64, until_ms: i64) -> Vec<u8> {
    let claimed = store.claim_jobs(&PushProvider::Fcm.into(), now_ms, until_ms, 9).await.expect("claimed");
    numbers(claimed.iter().map(|claimed| claimed.job.id))
}

async fn settle(store: &dyn PushStore, settlements: &[JobSettlement]) -> u64 {
    store.settle_jobs(settlements).await.expect("settled")
}

fn numbers(ids: impl Iterator<Item = JobId>) -> Vec<u8> {
    let mut numbers: Vec<_> = ids.map(|id| id.0[0]).collect();
    numbers.sort_unstable();
    numbers
}

fn lane(account: &str) -> PushLane {
    PushLane { provider: PushProvider::Fcm, account: account.parse().expect("a name") }
}

fn id(number: u8) -> JobId {
    JobId([number; 16])
}
