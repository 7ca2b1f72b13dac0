use bus_domain::BareJid;
use bus_domain::push::{AccountName, DeviceId, PushAddress, PushMessage, PushProvider};

use super::*;

const NOW_MS: i64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;

#[test]
fn as_many_are_begun_as_the_window_allows() {
    let mut sender = Sender::new(4);
    assert_eq!(sender.wants(NOW_MS), 8);
    sender.claimed((0..8).map(claimed).collect());
    assert_eq!(sender.wants(NOW_MS), 0);
    let begun: Vec<_> = std::iter::from_fn(|| sender.next(NOW_MS)).collect();
    assert_eq!(begun.len(), 4);
    assert_eq!(sender.wants(NOW_MS), 0);
    sender.done(begun[0].job.id, &outcome(PushVerdict::Delivered), NOW_MS + 20, 0.0);
    assert_eq!(sender.wants(NOW_MS), 1);
    assert!(sender.next(NOW_MS).is_some());
    assert!(sender.next(NOW_MS).is_none());
}

#[test]
fn each_verdict_is_settled_under_the_claim_that_it_was_tried_with() {
    let since_ms = Some(NOW_MS);
    for (verdict, result, judged_as) in [
        (PushVerdict::Delivered, JobResult::Delivered { at_ms: NOW_MS }, None),
        (PushVerdict::Rejected, dead("why"), None),
        (PushVerdict::Gone { since_ms }, dead("why"), Some(None)),
        (PushVerdict::Gone { since_ms: Some(4) }, retry(NOW_MS + 2_000), None),
        (PushVerdict::Quarantine, dead("why"), Some(Some("why".to_owned()))),
        (PushVerdict::Retry { after_ms: Some(9_000) }, retry(NOW_MS + 9_000), None),
        (PushVerdict::Operator, retry(NOW_MS + TROUBLE_FIRST_PAUSE_MS), None),
        (PushVerdict::Unavailable { after_ms: 9_000 }, retry(NOW_MS + 9_000), None),
    ] {
        let mut sender = Sender::new(4);
        sender.claimed(vec![claimed(7)]);
        let to_send = sender.next(NOW_MS).unwrap();
        sender.done(to_send.job.id, &outcome(verdict), NOW_MS, 0.0);
        let (mut settlements, judged) = taken(&mut sender);
        let quarantines: Vec<_> = judged
            .iter()
            .map(|it| (it.judgement.registered_at_ms, it.judgement.quarantine.clone()))
            .collect();
        settlements.extend(judged.into_iter().map(|it| it.settled(true, NOW_MS)));
        let claimed_until_ms = NOW_MS + CLAIM_MS;
        let expected = JobSettlement { id: to_send.job.id, claimed_until_ms, attempts: 2, result };
        assert_eq!(settlements, [expected], "{verdict:?}");
        assert_eq!(quarantines, judged_as.map(|quarantine| (5, quarantine)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_sent_is_given_up_untried() {
    let mut sender = Sender::new(4);
    let expired = |mut claimed: ClaimedJob| {
        claimed.job.expires_at_ms = NOW_MS;
        claimed
    };
    let quarantined = |mut claimed: ClaimedJob| {
        claimed.device.as_mut().unwrap().quarantined = Some("bad".to_owned());
        claimed
    };
    sender.claimed(vec![
        expired(claimed(1)),
        ClaimedJob { device: None, ..claimed(2) },
        quarantined(claimed(3)),
        claimed(4),
    ]);
    assert_eq!(sender.next(NOW_MS).unwrap().job.id, JobId([4; 16]));
    let (settlements, judged) = taken(&mut sender);
    let reasons: Vec<_> =
        settlements.iter().map(|settlement| (settlement.attempts, settlement.result.clone())).collect();
    assert_eq!(reasons, [(1, dead("expired")), (1, dead("no_device")), (1, dead("quarantined"))]);
    assert_eq!(judged, []);
}

#[test]
fn a_retry_behind_the_end_is_none() {
    let mut sender = Sender::new(4);
    let mut late = claimed(1);
    late.job.expires_at_ms = NOW_MS + 5_000;
    sender.claimed(vec![late]);
    sender.next(NOW_MS).unwrap();
    sender.done(JobId([1; 16]), &outcome(PushVerdict::Retry { after_ms: Some(5_000) }), NOW_MS, 0.0);
    assert_eq!(taken(&mut sender).0[0].result, dead("why"));
}

#[test]
fn a_job_whose_claim_ends_soon_is_left_to_the_next_claim() {
    let mut sender = Sender::new(4);
    sender.claimed(vec![claimed(1)]);
    assert_eq!(sender.next(NOW_MS + CLAIM_MS - SEND_MS_MAX + 1), None);
    assert_eq!(taken(&mut sender), (Vec::new(), Vec::new()));
}

#[test]
fn a_provider_that_lets_nobody_in_is_tried_by_one_at_a_time_and_ever_less_often() {
    let mut sender = Sender::new(100);
    sender.claimed((0..20).map(claimed).collect());
    let begun: Vec<_> = std::iter::from_fn(|| sender.next(NOW_MS)).collect();
    assert_eq!(begun.len(), 16);
    for to_send in &begun {
        sender.done(to_send.job.id, &outcome(PushVerdict::Operator), NOW_MS, 0.0);
    }
    assert_eq!(sender.next_try_ms(), Some(NOW_MS + 5_000), "those that were under way together count once");
    let (settlements, _) = taken(&mut sender);
    assert_eq!(settlements.len(), 20, "what waited goes back, too");
    let unsent: Vec<_> = settlements.iter().filter(|settlement| settlement.attempts == 1).collect();
    assert_eq!(unsent.len(), 4);
    assert!(settlements.iter().all(|settlement| settlement.result.due_at_ms() >= NOW_MS + 5_000));
    assert_eq!(sender.wants(NOW_MS + 4_999), 0);
    let mut now_ms = NOW_MS;
    for pause_ms in [5_000, 10_000, 20_000] {
        now_ms += pause_ms;
        assert_eq!(sender.wants(now_ms), 1);
        sender.claimed(vec![due_at(claimed(1), now_ms), due_at(claimed(2), now_ms)]);
        let to_send = sender.next(now_ms).unwrap();
        assert_eq!(sender.next(now_ms), None, "one at a time");
        sender.done(to_send.job.id, &outcome(PushVerdict::Operator), now_ms, 0.0);
        assert_eq!(sender.next_try_ms(), Some(now_ms + pause_ms * 2));
    }
    now_ms += 40_000;
    sender.claimed(vec![due_at(claimed(1), now_ms)]);
    sender.next(now_ms).unwrap();
    sender.done(
        JobId([1; 16]),
        &PushOutcome::new(PushVerdict::Retry { after_ms: None }, "no_connection"),
        now_ms,
        0.0,
    );
    assert!(sender.next_try_ms().is_some(), "no answer is no proof");
    sender.claimed(vec![due_at(claimed(1), now_ms)]);
    sender.next(now_ms).unwrap();
    sender.done(JobId([1; 16]), &outcome(PushVerdict::Delivered), now_ms, 0.0);
    assert_eq!(sender.next_try_ms(), None);
    assert!(sender.wants(now_ms) > 1);
}

#[test]
fn an_account_that_is_unavailable_is_tried_again_when_it_says_and_loses_no_speed() {
    let mut sender = Sender::new(100);
    sender.claimed((0..20).map(claimed).collect());
    let begun: Vec<_> = std::iter::from_fn(|| sender.next(NOW_MS)).collect();
    for to_send in &begun {
        sender.done(to_send.job.id, &outcome(PushVerdict::Unavailable { after_ms: 700 }), NOW_MS, 0.0);
    }
    assert_eq!((sender.next_try_ms(), sender.in_flight_limit()), (Some(NOW_MS + 700), begun.len()));
    assert_eq!((sender.wants(NOW_MS + 699), sender.wants(NOW_MS + 700)), (0, 1));
    let (settlements, _) = taken(&mut sender);
    assert_eq!(
        settlements.iter().filter(|it| it.attempts == 1).count(),
        20 - begun.len(),
        "these were not tried"
    );
    sender.claimed(vec![due_at(claimed(1), NOW_MS + 700)]);
    sender.next(NOW_MS + 700).unwrap();
    let unavailable = outcome(PushVerdict::Unavailable { after_ms: u64::MAX });
    sender.done(JobId([1; 16]), &unavailable, NOW_MS + 700, 0.0);
    assert_eq!(sender.next_try_ms(), Some(NOW_MS + 700 + TROUBLE_PAUSE_MS_MAX), "within bounds");
}

#[test]
fn what_was_not_begun_is_given_back() {
    let mut sender = Sender::new(1);
    sender.claimed(vec![claimed(1), claimed(2)]);
    sender.next(NOW_MS).unwrap();
    sender.give_back(NOW_MS);
    let (settlements, _) = taken(&mut sender);
    let given_back = JobResult::Retry { due_at_ms: NOW_MS, reason: "given_back".to_owned() };
    assert_eq!(settlements.len(), 1);
    assert_eq!((settlements[0].id, settlements[0].attempts), (JobId([2; 16]), 1));
    assert_eq!(settlements[0].result, given_back);
}

#[test]
fn results_that_could_not_be_stored_are_not_lost() {
    let mut sender = Sender::new(4);
    sender.claimed(vec![claimed(1), claimed(2)]);
    for number in 1..=2 {
        sender.next(NOW_MS).unwrap();
        sender.done(JobId([number; 16]), &outcome(PushVerdict::Delivered), NOW_MS, 0.0);
        let results = sender.take_results();
        assert_eq!(results.settlements.len(), usize::from(number));
        sender.put_results_back(results);
    }
}

#[test]
fn a_job_that_comes_back_while_it_is_under_way_goes_on_under_the_new_claim() {
    let mut sender = Sender::new(4);
    sender.claimed(vec![claimed(1)]);
    sender.next(NOW_MS).unwrap();
    let later_ms = NOW_MS + CLAIM_MS;
    sender.claimed(vec![due_at(claimed(1), later_ms)]);
    assert_eq!((sender.next(later_ms), sender.in_flight()), (None, 1), "it is not sent twice");
    sender.done(JobId([1; 16]), &outcome(PushVerdict::Delivered), later_ms, 0.0);
    assert_eq!(taken(&mut sender).0[0].claimed_until_ms, later_ms + CLAIM_MS);
    assert_eq!(sender.in_flight(), 0);
}

#[test]
fn a_push_that_is_lost_in_our_own_code_frees_its_place() {
    let mut sender = Sender::new(1);
    sender.claimed(vec![claimed(1), claimed(2)]);
    sender.next(NOW_MS).unwrap();
    sender.lost(JobId([1; 16]));
    assert_eq!(sender.in_flight(), 0);
    assert_eq!(sender.next(NOW_MS).unwrap().job.id, JobId([2; 16]));
}

#[test]
fn a_job_whose_device_has_moved_costs_the_device_nothing() {
    let mut sender = Sender::new(4);
    let mut moved = claimed(1);
    moved.device.as_mut().unwrap().account = "other".parse().unwrap();
    sender.claimed(vec![moved]);
    assert_eq!(sender.next(NOW_MS), None);
    let (settlements, judged) = taken(&mut sender);
    assert_eq!((settlements[0].result.clone(), judged), (dead("device_moved"), Vec::new()));
}

#[test]
fn a_job_of_a_device_that_registers_anew_meanwhile_is_tried_there() {
    let mut sender = Sender::new(4);
    sender.claimed(vec![claimed(1)]);
    sender.next(NOW_MS).unwrap();
    sender.done(JobId([1; 16]), &outcome(PushVerdict::Gone { since_ms: None }), NOW_MS, 0.0);
    let (settlements, mut judged) = taken(&mut sender);
    assert_eq!((settlements.len(), judged.len()), (0, 1));
    let settled = judged.remove(0).settled(false, NOW_MS + 7);
    let again = JobResult::Retry { due_at_ms: NOW_MS + 7, reason: "registered_anew".to_owned() };
    assert_eq!(settled.result, again);
}

#[test]
fn a_device_that_is_called_gone_since_before_it_registered_is_not_tried_for_weeks() {
    for (attempts, result) in [(2, retry(NOW_MS + 4_000)), (3, dead("why"))] {
        let mut sender = Sender::new(4);
        let mut tried = claimed(1);
        tried.job.attempts = attempts;
        sender.claimed(vec![tried]);
        sender.next(NOW_MS).unwrap();
        sender.done(JobId([1; 16]), &outcome(PushVerdict::Gone { since_ms: Some(4) }), NOW_MS, 0.0);
        let (settlements, judged) = taken(&mut sender);
        assert_eq!((settlements[0].result.clone(), judged), (result, Vec::new()));
    }
}

#[test]
fn what_is_given_up_is_told_with_its_reason() {
    let mut sender = Sender::new(4);
    sender.claimed(vec![ClaimedJob { device: None, ..claimed(1) }, claimed(2), claimed(3)]);
    sender.next(NOW_MS).unwrap();
    sender.next(NOW_MS).unwrap();
    sender.done(JobId([2; 16]), &outcome(PushVerdict::Gone { since_ms: None }), NOW_MS, 0.0);
    sender.done(JobId([3; 16]), &outcome(PushVerdict::Quarantine), NOW_MS, 0.0);
    let results = sender.take_results();
    let facts = results.failed.iter().map(|it| &it.fact).chain(results.judged.iter().map(|it| &it.fact));
    let facts: Vec<_> =
        facts.map(|fact| (fact.job.0[0], fact.kind, fact.registered_at_ms, fact.reason.as_str())).collect();
    let expected = [
        (1, PushFactKind::Failed, None, "no_device"),
        (2, PushFactKind::DeviceRemoved, Some(5), "why"),
        (3, PushFactKind::DeviceQuarantined, Some(5), "why"),
    ];
    assert_eq!(facts, expected);
}

/// What is to be stored, and the devices to be judged.
fn taken(sender: &mut Sender) -> (Vec<JobSettlement>, Vec<Judged>) {
    let Results { mut settlements, failed, judged } = sender.take_results();
    settlements.extend(failed.into_iter().map(|it| it.settlement));
    (settlements, judged)
}

fn outcome(verdict: PushVerdict) -> PushOutcome {
    PushOutcome::new(verdict, "why")
}

fn dead(reason: &str) -> JobResult {
    JobResult::Dead { at_ms: NOW_MS, reason: reason.to_owned() }
}

fn retry(due_at_ms: i64) -> JobResult {
    JobResult::Retry { due_at_ms, reason: "why".to_owned() }
}

/// A job that was tried once and is claimed now, for a device that registered at 5.
fn claimed(number: u8) -> ClaimedJob {
    let job = PushJob {
        id: JobId([number; 16]),
        device: DeviceId([number; 16]),
        provider: PushProvider::Fcm,
        account: AccountName::default(),
        message: PushMessage::default(),
        enqueued_at_ms: 0,
        due_at_ms: NOW_MS + CLAIM_MS,
        expires_at_ms: NOW_MS + DAY_MS,
        attempts: 1,
    };
    let device = Device {
        id: DeviceId([number; 16]),
        owner: BareJid::new("a@example.org").unwrap(),
        address: PushAddress::Fcm { token: "t".to_owned() },
        account: AccountName::default(),
        registered_at_ms: 5,
        seen_at_ms: 5,
        quarantined: None,
    };
    ClaimedJob { job, device: Some(device) }
}

fn due_at(mut claimed: ClaimedJob, now_ms: i64) -> ClaimedJob {
    claimed.job.due_at_ms = now_ms + CLAIM_MS;
    claimed
}

trait DueAt {
    fn due_at_ms(&self) -> i64;
}

impl DueAt for JobResult {
    fn due_at_ms(&self) -> i64 {
        match self {
            Self::Retry { due_at_ms, .. } => *due_at_ms,
            Self::Delivered { .. } | Self::Dead { .. } => panic!("{self:?}"),
        }
    }
}
