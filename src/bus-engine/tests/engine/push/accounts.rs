//! Several accounts, and what becomes of jobs that were given up.

use bus_engine::JobFilter;

use super::*;

#[tokio::test]
async fn an_account_with_broken_credentials_holds_up_no_other_and_sends_when_they_are_mended() {
    let mut bus = Bus::new().await;
    let of_team_7 = |token: &str| Registration {
        id: None,
        owner: jid("a@example.org"),
        address: PushAddress::Fcm { token: token.to_owned() },
        account: Some(team_7().account),
    };
    let waiting = bus.pushes.register(&admin(), of_team_7("waiting")).await.unwrap();
    assert_eq!(waiting.account, team_7().account);
    let again = bus.register("a@example.org", "waiting").await.unwrap();
    assert_eq!((again.id, again.account), (waiting.id, waiting.account), "it stays what it was");
    bus.register("a@example.org", "fine").await.unwrap();
    let queued = bus.send(Some([1; 16]), &["a@example.org"]).await;
    assert!(queued.iter().all(|push| push.refused.is_none()));
    bus.run_until_sent(1).await;
    let usable: Vec<_> = bus.pushes.gauges().iter().map(|gauges| gauges.is_usable).collect();
    assert_eq!(usable, [true, false]);
    assert_eq!(bus.pushes.queues().await.unwrap()[0].lane, team_7());
    bus.start();
    assert!(bus.pushes.replace_sink(&team_7(), Arc::clone(&bus.provider) as _));
    assert_eq!(bus.sent().await, "waiting");
    bus.stop().await;
    let unknown = PushLane { provider: PushProvider::Apns, account: team_7().account };
    assert!(!bus.pushes.replace_sink(&unknown, Arc::clone(&bus.provider) as _));
}

#[tokio::test]
async fn new_credentials_are_tried_at_once() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    bus.provider.say(PushVerdict::Operator);
    let queued = bus.send(Some([1; 16]), &["a@example.org"]).await;
    bus.start();
    bus.sent().await;
    while !bus.pushes.gauges()[0].is_in_trouble {
        tokio::task::yield_now().await;
    }
    bus.clock.advance(5_000);
    assert!(bus.pushes.replace_sink(&PushProvider::Fcm.into(), Arc::clone(&bus.provider) as _));
    assert_eq!(bus.sent().await, "1");
    bus.stop().await;
    assert_eq!(bus.records(&queued).await[0].state, JobState::Delivered);
}

#[tokio::test]
async fn what_has_expired_is_given_up_also_without_credentials() {
    let mut bus = Bus::new().await;
    let queued = queued_for_team_7(&bus).await;
    bus.clock.advance(60_000);
    bus.start();
    while bus.records(&queued).await[0].state == JobState::Waiting {
        tokio::task::yield_now().await;
    }
    bus.stop().await;
    assert_eq!(bus.records(&queued).await[0].reason.as_deref(), Some("expired"));
}

/// Whoever takes an account out of the configuration leaves what waits for it: it ends like any other.
#[tokio::test]
async fn what_has_expired_is_given_up_also_without_its_account() {
    let mut bus = Bus::new().await;
    let queued = queued_for_team_7(&bus).await;
    let sink: Arc<dyn PushSink> = Arc::clone(&bus.provider) as _;
    let settings = PushSettings { accounts: vec![sink.into()], ..PushSettings::default() };
    let (store, clock) = (Arc::clone(&bus.store), Arc::clone(&bus.clock));
    bus.pushes = Pushes::new(store as _, settings, clock as _, Arc::new(SystemIds));
    bus.clock.advance(60_000);
    bus.start();
    while bus.records(&queued).await[0].state == JobState::Waiting {
        tokio::task::yield_now().await;
    }
    bus.stop().await;
    assert_eq!(bus.records(&queued).await[0].reason.as_deref(), Some("expired"));
}

/// A push that is to be tried once, through the account without credentials.
async fn queued_for_team_7(bus: &Bus) -> Vec<QueuedPush> {
    let address = PushAddress::Fcm { token: "1".to_owned() };
    let account = Some(team_7().account);
    let registration = Registration { id: None, owner: jid("a@example.org"), address, account };
    bus.pushes.register(&admin(), registration).await.unwrap();
    bus.send(None, &["a@example.org"]).await
}

#[tokio::test]
async fn jobs_are_listed_redriven_and_removed() {
    let mut bus = Bus::new().await;
    for token in ["1", "2", "3"] {
        bus.register("a@example.org", token).await.unwrap();
    }
    for _ in 0..3 {
        bus.provider.say(PushVerdict::Rejected);
    }
    let queued = bus.send(Some([1; 16]), &["a@example.org"]).await;
    bus.run_until_sent(3).await;
    let filter = |state| JobFilter { state: Some(state), device: None };
    let (waiting, end) = bus.pushes.list_jobs(&admin(), filter(JobState::Waiting), None, 9).await.unwrap();
    assert_eq!((waiting.len(), end), (0, None));
    let (page, after) = bus.pushes.list_jobs(&admin(), filter(JobState::Dead), None, 2).await.unwrap();
    assert_eq!((page.len(), after), (2, Some(page[1].id)));
    let (rest, end) = bus.pushes.list_jobs(&admin(), filter(JobState::Dead), after, 2).await.unwrap();
    assert_eq!((rest.len(), end), (1, None));
    let of_device = JobFilter { state: None, device: Some(page[0].device) };
    assert_eq!(bus.pushes.list_jobs(&admin(), of_device, None, 9).await.unwrap().0, page[..1]);
    let nobody = user("a@example.org");
    assert!(matches!(bus.pushes.list_jobs(&nobody, of_device, None, 9).await, Err(PushError::Forbidden)));
    assert_eq!(bus.pushes.remove_dead(&admin(), &[rest[0].id]).await.unwrap(), [rest[0].id]);
    let ids: Vec<_> = queued.iter().map(|push| push.job).collect();
    assert_eq!(bus.pushes.redrive(&admin(), &ids).await.unwrap().len(), 2);
    bus.run_until_sent(2).await;
    assert!(bus.records(&queued).await.iter().all(|job| job.state == JobState::Delivered));
}
