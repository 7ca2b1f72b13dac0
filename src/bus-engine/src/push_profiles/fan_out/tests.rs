//! One profile on one node without I/O: what is read, who is reached, what is written.

use std::collections::BTreeSet;

use bus_domain::consumer::{ConsumerId, NodePattern};
use bus_domain::push::profile::{Audience, ProfileConfig, ProfileName, When};
use bus_domain::push::template::Texts;
use bus_domain::push::{AccountName, Device, DeviceId, PushAddress, Template, Urgency};
use bus_domain::{Epoch, ItemId, Jid, NodeConfig, NodeId, NodeName};

use super::*;

const NOW_MS: i64 = 1_000_000;

fn profile(title: &str) -> PushProfile {
    let jid = |text: &str| BareJid::new(text).unwrap();
    PushProfile {
        id: ConsumerId(5),
        name: ProfileName::new("p").unwrap(),
        owner: jid("admin@example.org"),
        is_of_admin: true,
        config: ProfileConfig {
            nodes: vec![NodePattern::new("orders").unwrap()],
            audience: Audience::List(BTreeSet::from([jid("a@example.org")])),
            when: When::Always,
            template: Template {
                texts: Texts { title: Some(title.parse().unwrap()), body: None },
                ..Template::default()
            },
            collapse_key: None,
            ttl_s: 60,
            urgency: Urgency::Normal,
            quiet_hours: None,
            coalesce_ms: 0,
        },
        created_at_ms: 0,
        failures: 0,
        last_failure: None,
    }
}

fn facts() -> Arc<NodeFacts> {
    Arc::new(NodeFacts {
        id: NodeId(7),
        name: NodeName::new("orders").unwrap(),
        epoch: Epoch(3),
        creator: BareJid::new("owner@example.org").unwrap(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: Arc::default(),
        rules_version: 1,
        above: None,
        is_orphan: false,
    })
}

fn fan_out(profile: PushProfile, through_seq: Seq, place: Option<FanOutPlace>) -> FanOut {
    let service = BareJid::new("events.example.org").unwrap();
    FanOut::new(Arc::new(profile), 2, facts(), service, (through_seq, place))
}

fn event(seq: Seq) -> Arc<Event> {
    event_of(
        seq,
        EventKind::Published { item_id: ItemId::new(&format!("item-{seq}")).unwrap(), payload: None },
    )
}

fn event_of(seq: Seq, kind: EventKind) -> Arc<Event> {
    let publisher = Jid::new("a@example.org").unwrap();
    Arc::new(Event {
        seq,
        kind,
        publisher,
        published_at_ms: NOW_MS,
        recipients_version: 1,
        due_after_seq: None,
    })
}

fn target(number: u8, locale: Option<&str>) -> PushTarget {
    let device = Device {
        id: DeviceId([number; 16]),
        owner: BareJid::new("a@example.org").unwrap(),
        address: PushAddress::Fcm { token: number.to_string() },
        account: AccountName::default(),
        registered_at_ms: 0,
        seen_at_ms: 0,
        quarantined: None,
    };
    PushTarget { device, locale: locale.map(str::to_owned) }
}

fn reached(numbers: &[u8], next: Option<&str>) -> Reached {
    Reached {
        targets: numbers.iter().map(|number| target(*number, None)).collect(),
        next: next.map(str::to_owned),
    }
}

fn written(fan_out: &mut FanOut) -> ProfileMove {
    let Step::Write(moved) = fan_out.next(NOW_MS) else { panic!("nothing is written") };
    fan_out.written();
    *moved
}

fn titles(moved: &ProfileMove) -> Vec<(u8, &str)> {
    let title = |job: &ProfileJob| job.job.device.0[0];
    moved.jobs.iter().map(|job| (title(job), job.job.message.title.as_deref().unwrap_or_default())).collect()
}

#[test]
fn a_stretch_of_a_log_is_one_transaction() {
    let mut it = fan_out(profile("{item_id}"), 3, None);
    assert_eq!(it.next(NOW_MS), Step::Read(3));
    it.take_events(vec![event(4), event_of(5, EventKind::Purged), event(6)], 0);
    for (seq, devices) in [(4, &[1, 2][..]), (6, &[1])] {
        assert_eq!(it.next(NOW_MS), Step::Reach(event(seq), None));
        it.take_reached(reached(devices, None), NOW_MS);
    }
    assert_eq!(it.next(NOW_MS), Step::Read(6));
    it.take_events(Vec::new(), 0);
    let moved = written(&mut it);
    assert_eq!((moved.through_seq, &moved.fan_out, moved.fence, moved.epoch), (6, &None, 2, Epoch(3)));
    assert_eq!(titles(&moved), [(1, "item-4"), (2, "item-4"), (1, "item-6")]);
    let job = &moved.jobs[0].job;
    assert_eq!((job.due_at_ms, job.expires_at_ms, job.attempts), (NOW_MS, NOW_MS + 60_000, 0));
    assert_eq!(it.next(NOW_MS), Step::Rest, "and nothing is written twice");
}

#[test]
fn a_large_fan_out_is_cut_and_resumed_and_its_jobs_are_the_same_again() {
    let numbers: Vec<u8> = (0..250).collect();
    let mut it = fan_out(profile("x"), 0, None);
    it.take_events(vec![event(1)], 0);
    for page in 0..4 {
        let after = (page > 0).then(|| page.to_string());
        assert_eq!(it.next(NOW_MS), Step::Reach(event(1), after));
        it.take_reached(reached(&numbers, Some(&(page + 1).to_string())), NOW_MS);
    }
    let moved = written(&mut it);
    let place = FanOutPlace { epoch: Epoch(3), seq: 1, after: "4".to_owned() };
    assert_eq!((moved.jobs.len(), moved.through_seq, moved.fan_out.as_ref()), (JOBS_MAX, 0, Some(&place)));

    let mut again = fan_out(profile("x"), 0, moved.fan_out);
    again.take_events(vec![event(1)], 0);
    assert_eq!(again.next(NOW_MS), Step::Reach(event(1), Some("4".to_owned())), "it goes on where it was");
    again.take_reached(reached(&[3], None), NOW_MS + 1);
    again.take_events(Vec::new(), 0);
    assert_eq!(written(&mut again).jobs[0].job.id, moved.jobs[3].job.id, "the same event and device");

    let of_another_life = FanOutPlace { epoch: Epoch(4), ..place };
    let mut anew = fan_out(profile("x"), 0, Some(of_another_life));
    anew.take_events(vec![event(1)], 0);
    assert_eq!(anew.next(NOW_MS), Step::Reach(event(1), None));
}

#[test]
fn what_has_to_wait_leaves_what_was_done_to_be_written() {
    let mut it = fan_out(profile("x"), 0, None);
    it.take_events(vec![event(1), event(2)], 0);
    assert!(it.unwritten().is_none());
    it.next(NOW_MS);
    it.take_reached(reached(&[1], None), NOW_MS);
    it.next(NOW_MS);
    let moved = it.unwritten().unwrap();
    assert_eq!((moved.through_seq, moved.jobs.len()), (1, 1));
}

#[test]
fn an_event_without_a_message_reaches_nobody_and_is_counted() {
    let mut it = fan_out(profile("{data.order}"), 0, None);
    it.take_events(vec![event(1), event(2)], 0);
    assert_eq!(it.next(NOW_MS), Step::Read(2), "nobody is looked for");
    it.take_events(Vec::new(), 0);
    let moved = written(&mut it);
    assert_eq!((moved.failures, moved.jobs.len(), moved.through_seq), (2, 0, 2));
    assert_eq!(moved.last_failure.as_deref(), Some("orders at 2: the event has no data.order"));
}

#[test]
fn one_language_that_fails_does_not_take_the_others_with_it() {
    let mut config = profile("{data.order}");
    let german = Texts { title: Some("Neues".parse().unwrap()), body: None };
    config.config.template.locales.insert("de".to_owned(), german);
    let mut it = fan_out(config, 0, None);
    it.take_events(vec![event(1)], 0);
    it.next(NOW_MS);
    let targets = vec![target(1, None), target(2, Some("de-AT")), target(3, Some("fr"))];
    it.take_reached(Reached { targets, next: None }, NOW_MS);
    it.take_events(Vec::new(), 0);
    let moved = written(&mut it);
    assert_eq!((titles(&moved), moved.failures), (vec![(2, "Neues")], 1), "one event has failed");
}

#[test]
fn what_is_too_old_is_passed_and_what_is_gone_is_counted() {
    let mut it = fan_out(profile("x"), 0, None);
    it.take_events(vec![event(4)], 0);
    assert_eq!(it.next(NOW_MS + 60_000), Step::Read(4));
    it.take_events(Vec::new(), 6);
    let moved = written(&mut it);
    assert_eq!((moved.through_seq, moved.failures, moved.jobs.len()), (6, 5, 0));
    assert!(moved.last_failure.unwrap().contains("2 events up to 6 were gone"));
}

#[test]
fn pushes_of_a_window_are_put_together_by_device_and_key() {
    let mut config = profile("{item_id}");
    config.config.coalesce_ms = 5_000;
    config.config.collapse_key = Some("a key with spaces".parse().unwrap());
    let mut it = fan_out(config, 0, None);
    it.take_events(vec![event(1), event(2)], 0);
    for devices in [&[1, 2][..], &[1]] {
        it.next(NOW_MS);
        it.take_reached(reached(devices, None), NOW_MS);
    }
    it.take_events(Vec::new(), 0);
    let moved = written(&mut it);
    assert_eq!(titles(&moved), [(1, "item-2"), (2, "item-1")]);
    assert!(moved.jobs.iter().all(|it| it.job.due_at_ms == NOW_MS + 5_000));
    assert_ne!(moved.jobs[0].coalesced_as, moved.jobs[1].coalesced_as);
    let key = moved.jobs[0].job.message.collapse_key.clone().unwrap();
    assert!(PushMessage::is_collapse_key(&key) && key.len() == 32, "{key}");
}

#[test]
fn who_owns_the_node_no_more_tells_nobody() {
    let mut it = fan_out(profile("x"), 0, None);
    it.take_events(vec![event(1)], 0);
    it.next(NOW_MS);
    it.refuse(&event(1));
    it.take_events(Vec::new(), 0);
    assert_eq!(it.next(NOW_MS + 1), Step::Write(Box::new(it.moved())));
    let moved = written(&mut it);
    assert_eq!((moved.through_seq, moved.failures, moved.jobs.len()), (1, 1, 0));
}
