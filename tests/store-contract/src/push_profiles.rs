//! Push profiles.

use bus_domain::consumer::{ConsumerId, ConsumerName, NodePattern};
use bus_domain::push::profile::{Audience, Topic, When};
use bus_domain::push::template::Texts;
use bus_domain::push::{
    AccountName, Device, DeviceId, JobId, ProfileConfig, PushJob, PushMessage, PushProfile, PushProvider,
    Template, Urgency,
};
use bus_domain::{Epoch, NodeId};
use bus_store::{
    Claim, CursorPlace, DevicePreferences, EpochRenewal, FanOutPlace, NewProfile, ProfileJob, ProfileMove,
};

use crate::ProfiledStore;
use crate::devices::device;
use crate::fixture::{EPOCH, Fixture, bare};

fn config(title: &str) -> ProfileConfig {
    let texts = Texts { title: Some(title.parse().expect("a template")), body: None };
    ProfileConfig {
        nodes: vec![NodePattern::new("n.>").expect("a pattern")],
        audience: Audience::List([bare("a@example.org")].into()),
        when: When::Away,
        template: Template { texts, ..Template::default() },
        collapse_key: None,
        ttl_s: 60,
        urgency: Urgency::Normal,
        quiet_hours: None,
        coalesce_ms: 0,
    }
}

fn new(name: &str, nodes: &[NodeId]) -> NewProfile {
    NewProfile {
        name: ConsumerName::new(name).expect("a name"),
        owner: bare("admin@example.org"),
        is_of_admin: true,
        config: config("'\"{event.subject|\\é}"),
        created_at_ms: 7,
        cursors: places(nodes),
    }
}

fn places(nodes: &[NodeId]) -> Vec<CursorPlace> {
    let place =
        |node: &NodeId| CursorPlace { node: *node, epoch: EPOCH, through_seq: 0, items_through_seq: None };
    nodes.iter().map(place).collect()
}

async fn create(store: &dyn ProfiledStore, name: &str, nodes: &[NodeId]) -> ConsumerId {
    store.create_profile(&new(name, nodes)).await.expect("insert").expect("a free name")
}

async fn claim(store: &dyn ProfiledStore, profile: ConsumerId) -> u64 {
    let claim = Claim { instance: [1; 16], now_ms: 0, until_ms: 100 };
    store.claim_consumer(profile, &claim).await.expect("a claim").expect("nobody else has it")
}

fn to(profile: ConsumerId, fence: u64, node: NodeId, through_seq: u64) -> ProfileMove {
    ProfileMove {
        profile,
        fence,
        node,
        epoch: EPOCH,
        through_seq,
        fan_out: None,
        jobs: vec![],
        failures: 0,
        last_failure: None,
    }
}

fn job(number: u8, title: &str, coalesced_as: Option<u8>) -> ProfileJob {
    let job = PushJob {
        id: JobId([number; 16]),
        device: DeviceId([1; 16]),
        provider: PushProvider::Fcm,
        account: AccountName::default(),
        message: PushMessage { title: Some(title.to_owned()), ..PushMessage::default() },
        enqueued_at_ms: 1,
        due_at_ms: 10,
        expires_at_ms: 1_000 + i64::from(number),
        attempts: 0,
    };
    ProfileJob { job, coalesced_as: coalesced_as.map(|name| [name; 16]) }
}

/// (node, cursor, place in the fan-out).
async fn standing(
    store: &dyn ProfiledStore,
    profile: ConsumerId,
    nodes: &[NodeId],
) -> Vec<(NodeId, u64, Option<FanOutPlace>)> {
    let cursors = store.profile_cursors(profile, nodes).await.expect("a read");
    cursors.into_iter().map(|cursor| (cursor.node, cursor.through_seq, cursor.fan_out)).collect()
}

/// (number, title, end) of what waits and is due.
async fn waiting(store: &dyn ProfiledStore) -> Vec<(u8, String, i64)> {
    let ids: Vec<_> = (1..=9).map(|number| JobId([number; 16])).collect();
    let found = store.find_jobs(&ids).await.expect("jobs");
    let title = |message: Option<PushMessage>| message.and_then(|message| message.title).unwrap_or_default();
    found.into_iter().map(|job| (job.id.0[0], title(job.message), job.expires_at_ms)).collect()
}

pub async fn a_profile_comes_back_as_it_was_made_and_no_service_sees_it(store: &dyn ProfiledStore) {
    let node = Fixture::new(store).node("n.1").await.id;
    let wanted = new("b", &[node]);
    let id = create(store, "b", &[node]).await;
    assert_eq!(store.create_profile(&wanted).await.expect("insert"), None, "the name is taken");
    let NewProfile { name, owner, is_of_admin, config, created_at_ms, .. } = wanted;
    let made = PushProfile {
        id,
        name: name.clone(),
        owner,
        is_of_admin,
        config,
        created_at_ms,
        failures: 0,
        last_failure: None,
    };
    assert_eq!(store.find_profile(&name).await.expect("a read").as_ref(), Some(&made));
    create(store, "a", &[]).await;
    let list = async |after: Option<&str>, profiles_max| {
        let after = after.map(|name| ConsumerName::new(name).expect("a name"));
        let page = store.list_profiles(after.as_ref(), profiles_max).await.expect("a page");
        page.iter().map(|profile| profile.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((list(None, 9).await, list(None, 1).await), (vec!["a".into(), "b".into()], vec!["a".into()]));
    assert_eq!(list(Some("a"), 9).await, ["b"]);
    assert_eq!(store.find_consumer(&name).await.expect("a read"), None);
    assert_eq!(store.list_consumers(None, None, 9).await.expect("a page"), []);
    assert_eq!(store.count_consumers(&made.owner).await.expect("a count"), 0);
    assert!(
        store.delete_profile(id).await.expect("a write") && !store.delete_profile(id).await.expect("a write")
    );
    assert_eq!(standing(store, id, &[node]).await, []);
}

pub async fn a_cursor_and_its_jobs_move_together_and_only_under_the_fence(store: &dyn ProfiledStore) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n.1").await.id;
    let head = fixture.publish(node, &["a", "b", "c"], 1).await;
    let profile = create(store, "p", &[]).await;
    let fence = claim(store, profile).await;
    let place = FanOutPlace { epoch: EPOCH, seq: 2, after: "a b".to_owned() };
    let first = ProfileMove {
        fan_out: Some(place.clone()),
        jobs: vec![job(1, "x", None)],
        ..to(profile, fence, node, 1)
    };
    assert!(store.move_profile(&first).await.expect("a write"));
    assert_eq!(
        standing(store, profile, &[node]).await,
        [(node, 1, Some(place))],
        "and it was not there before"
    );
    for wrong in [
        ProfileMove { fence: fence + 1, ..to(profile, fence, node, 3) },
        ProfileMove { epoch: Epoch(1), ..to(profile, fence, node, 3) },
        to(ConsumerId(profile.0 + 1), fence, node, 3),
    ] {
        let wrong = ProfileMove { jobs: vec![job(2, "y", None)], failures: 1, ..wrong };
        assert!(!store.move_profile(&wrong).await.expect("a write"), "{wrong:?}");
    }
    let again = ProfileMove {
        jobs: vec![job(1, "other", None), job(3, "z", None), job(3, "z", None)],
        failures: 2,
        last_failure: Some("é".to_owned()),
        ..to(profile, fence, node, head)
    };
    assert!(store.move_profile(&again).await.expect("a write"));
    assert_eq!(waiting(store).await, [(1, "x".to_owned(), 1_001), (3, "z".to_owned(), 1_003)]);
    assert!(store.move_profile(&to(profile, fence, node, 1)).await.expect("a write"));
    assert_eq!(standing(store, profile, &[node]).await, [(node, head, None)], "it never moves back");
    let found = store.find_profile(&ConsumerName::new("p").expect("a name")).await.expect("a read");
    let found = found.expect("it is there");
    assert_eq!((found.failures, found.last_failure.as_deref()), (2, Some("é")));
}

pub async fn a_later_push_takes_the_place_of_one_that_nobody_has_claimed(store: &dyn ProfiledStore) {
    let node = Fixture::new(store).node("n.1").await.id;
    let profile = create(store, "p", &[]).await;
    let fence = claim(store, profile).await;
    let enqueue = async |jobs| {
        let moved = ProfileMove { jobs, ..to(profile, fence, node, 0) };
        assert!(store.move_profile(&moved).await.expect("a write"));
    };
    enqueue(vec![job(1, "x", Some(7)), job(2, "y", Some(8))]).await;
    enqueue(vec![job(3, "z", Some(7)), job(4, "plain", None)]).await;
    let expected = [(1, "z".to_owned(), 1_003), (2, "y".to_owned(), 1_002), (4, "plain".to_owned(), 1_004)];
    assert_eq!(waiting(store).await, expected);
    let claimed = store.claim_jobs(&PushProvider::Fcm.into(), 10, 20, 9).await.expect("claimed");
    assert_eq!(claimed.len(), 3);
    enqueue(vec![job(5, "late", Some(7))]).await;
    assert_eq!(waiting(store).await[3], (5, "late".to_owned(), 1_005), "what is being sent is left alone");
}

pub async fn profiles_that_are_behind_are_found_and_keep_the_log(store: &dyn ProfiledStore) {
    let fixture = Fixture::new(store);
    let nodes = [fixture.node("n.1").await.id, fixture.node("n.2").await.id];
    for node in nodes {
        fixture.publish(node, &["a", "b"], 1).await;
    }
    let (first, second) = (create(store, "a", &nodes).await, create(store, "b", &nodes[1..]).await);
    let behind = async |after, cursors_max| {
        let page = store.profile_cursors_behind(after, cursors_max).await.expect("a page");
        page.iter().map(|cursor| (cursor.profile, cursor.node)).collect::<Vec<_>>()
    };
    assert_eq!(behind(None, 9).await, [(first, nodes[0]), (first, nodes[1]), (second, nodes[1])]);
    assert_eq!(behind(Some((first, nodes[0])), 1).await, [(first, nodes[1])]);
    let lagging = async |node: NodeId| {
        let page = store.retained(None, 9).await.expect("a page");
        page.nodes.iter().find(|it| it.node == node).expect("the node").log.lagging_through_seq
    };
    assert_eq!(lagging(nodes[0]).await, Some(0));
    let fence = claim(store, first).await;
    assert!(store.move_profile(&to(first, fence, nodes[0], 2)).await.expect("a write"));
    assert_eq!(lagging(nodes[0]).await, Some(2));
    assert_eq!(behind(None, 9).await, [(first, nodes[1]), (second, nodes[1])]);
}

pub async fn a_new_configuration_takes_the_profile_from_whoever_has_it(store: &dyn ProfiledStore) {
    let fixture = Fixture::new(store);
    let nodes = [fixture.node("n.1").await.id, fixture.node("n.2").await.id, fixture.node("n.3").await.id];
    fixture.publish(nodes[1], &["a", "b"], 1).await;
    let profile = create(store, "p", &nodes[..2]).await;
    let fence = claim(store, profile).await;
    assert!(store.move_profile(&to(profile, fence, nodes[1], 1)).await.expect("a write"));
    let other = config("other");
    assert!(store.update_profile(profile, &other, &places(&nodes[1..])).await.expect("a write"));
    assert_eq!(standing(store, profile, &nodes).await, [(nodes[1], 1, None), (nodes[2], 0, None)]);
    let found = store.find_profile(&ConsumerName::new("p").expect("a name")).await.expect("a read");
    assert_eq!(found.expect("it is there").config, other);
    assert!(!store.move_profile(&to(profile, fence, nodes[1], 2)).await.expect("a write"));
    claim(store, profile).await;
    assert!(!store.update_profile(ConsumerId(profile.0 + 1), &other, &[]).await.expect("a write"));
}

pub async fn a_profile_is_set_back_with_the_life_of_a_log(store: &dyn ProfiledStore) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n.1").await.id;
    let head = fixture.publish(node, &["a", "b"], 1).await;
    let profile = create(store, "p", &[node]).await;
    let fence = claim(store, profile).await;
    assert!(store.move_profile(&to(profile, fence, node, head)).await.expect("a write"));
    let mut transaction = fixture.begin().await;
    let renewal = EpochRenewal { node, epoch: Epoch(5), last_seq: 1 };
    transaction.renew_epochs(&[renewal]).await.expect("a renewal");
    transaction.commit().await.expect("commit");
    assert_eq!(standing(store, profile, &[node]).await, [(node, 1, None)]);
    assert!(!store.move_profile(&to(profile, fence, node, 2)).await.expect("a write"), "of the life before");
}

pub async fn targets_are_found_by_owner_and_by_topic_with_their_languages(store: &dyn ProfiledStore) {
    let topic = |name: &str| Topic::new(name).expect("a topic");
    for (number, owner) in
        [(1, "a@example.org"), (2, "b@example.org"), (3, "a@example.org"), (4, "c@example.org")]
    {
        let quarantined = (number == 3).then(|| "gone wrong".to_owned());
        let device = Device { owner: bare(owner), quarantined, ..device(number, &number.to_string()) };
        store.put_device(&device).await.expect("put");
        let preferences = DevicePreferences {
            locale: (number == 1).then(|| "de".to_owned()),
            topics: vec![topic("news"), topic(&number.to_string()), topic("news")],
        };
        assert!(store.set_device_preferences(device.id, &preferences).await.expect("a write"));
    }
    let mut targets =
        store.targets_of_owners(&[bare("a@example.org"), bare("b@example.org")], 9).await.expect("a read");
    targets.sort_by_key(|target| target.device.id);
    let found: Vec<_> = targets.iter().map(|it| (it.device.id.0[0], it.locale.as_deref())).collect();
    assert_eq!(found, [(1, Some("de")), (2, None)]);
    assert_eq!(
        store
            .targets_of_owners(&[bare("a@example.org"), bare("c@example.org")], 1)
            .await
            .expect("a read")
            .len(),
        1
    );
    let of_topic = async |name, after: Option<u8>, devices_max| {
        let after = after.map(|number| DeviceId([number; 16]));
        let found = store.targets_of_topic(&topic(name), after, devices_max).await.expect("a page");
        found.iter().map(|target| target.device.id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(of_topic("news", None, 9).await, [1, 2, 4]);
    assert_eq!(of_topic("news", Some(1), 1).await, [2]);
    let id = |number| DeviceId([number; 16]);
    assert!(store.set_device_preferences(id(2), &DevicePreferences::default()).await.expect("a write"));
    store.remove_devices(&[id(4)]).await.expect("removed");
    assert_eq!(of_topic("news", None, 9).await, [1]);
    assert!(!store.set_device_preferences(id(9), &DevicePreferences::default()).await.expect("a write"));
    // A device that comes back under its id does not find its old topics.
    store.put_device(&device(4, "4")).await.expect("put");
    assert_eq!(of_topic("4", None, 9).await, Vec::<u8>::new());
}
