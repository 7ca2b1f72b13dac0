use super::*;
use crate::push::template::{Field, Texts};

const NOW_MS: i64 = 20_000 * 86_400_000;

fn profile() -> ProfileConfig {
    ProfileConfig {
        nodes: vec![NodePattern::new("orders").unwrap()],
        audience: Audience::Subscribers,
        when: When::Away,
        template: Template {
            texts: Texts { title: Some("{event.subject}".parse().unwrap()), body: None },
            ..Template::default()
        },
        collapse_key: None,
        ttl_s: 60,
        urgency: Urgency::High,
        quiet_hours: None,
        coalesce_ms: 0,
    }
}

struct Subject(Option<&'static str>);

impl Fields for Subject {
    fn text(&self, _: &Field) -> Option<String> {
        self.0.map(str::to_owned)
    }
}

#[test]
fn who_may_be_away_is_pushed_to() {
    for (seen, reads_stream, away) in [
        (Seen::Online, false, false),
        (Seen::Online, true, false),
        (Seen::Offline, false, true),
        (Seen::Offline, true, false),
        (Seen::Unknown, false, true),
        (Seen::Unknown, true, false),
    ] {
        assert_eq!(When::Away.pushes(seen, reads_stream), away, "{seen:?} {reads_stream}");
        assert!(When::Always.pushes(seen, reads_stream));
    }
}

#[test]
fn a_push_lives_as_long_as_its_event_is_worth_one() {
    let send = |due_at_ms, expires_at_ms| Timing::Send { due_at_ms, expires_at_ms };
    assert_eq!(profile().timing(NOW_MS - 10_000, NOW_MS), send(NOW_MS, NOW_MS + 50_000));
    assert_eq!(profile().timing(NOW_MS - 60_000, NOW_MS), Timing::TooLate);
    assert_eq!(profile().timing(NOW_MS + 9_000_000, NOW_MS), send(NOW_MS, NOW_MS + 60_000), "a wrong clock");
    let once = ProfileConfig { ttl_s: 0, ..profile() };
    assert_eq!(once.timing(0, NOW_MS), send(NOW_MS, NOW_MS + 30_000));
    let together = ProfileConfig { coalesce_ms: 5_000, ..profile() };
    assert_eq!(together.timing(NOW_MS, NOW_MS), send(NOW_MS + 5_000, NOW_MS + 65_000));
}

#[test]
fn quiet_hours_hold_pushes_or_drop_them() {
    let quiet =
        QuietHours { from_minute: 1_439, to_minute: 60, utc_offset_minutes: 0, then: QuietThen::Hold };
    let held = ProfileConfig { quiet_hours: Some(quiet), ..profile() };
    let end_ms = NOW_MS + 3_600_000;
    let send = Timing::Send { due_at_ms: end_ms, expires_at_ms: end_ms + 60_000 };
    assert_eq!(held.timing(NOW_MS, NOW_MS), send);
    // What would leave in them is what counts.
    let together = ProfileConfig { coalesce_ms: 60_000, ..held };
    assert_eq!(together.timing(NOW_MS - 90_000, NOW_MS - 90_000), send);
    let dropped =
        ProfileConfig { quiet_hours: Some(QuietHours { then: QuietThen::Drop, ..quiet }), ..profile() };
    assert_eq!(dropped.timing(NOW_MS, NOW_MS), Timing::Quiet);
    assert!(matches!(dropped.timing(end_ms, end_ms), Timing::Send { .. }));
}

#[test]
fn a_message_has_what_the_profile_says() {
    let keyed = ProfileConfig { collapse_key: Some("k {event.subject}".parse().unwrap()), ..profile() };
    let message = keyed.message(&Subject(Some("s")), None).unwrap();
    assert_eq!(message.collapse_key.as_deref(), Some("k s"));
    assert_eq!((message.title.as_deref(), message.ttl_s, message.urgency), (Some("s"), 60, Urgency::High));
    let fixed = Template { data: [("a".to_owned(), "b".parse().unwrap())].into(), ..Template::default() };
    let unkeyed = ProfileConfig { template: fixed, ..keyed };
    assert_eq!(unkeyed.message(&Subject(None), None).unwrap().collapse_key, None, "a key without its field");
}

#[test]
fn profiles_that_cannot_be_are_refused_with_what_is_wrong() {
    assert_eq!(profile().check(), Ok(()));
    let refused = |change: fn(&mut ProfileConfig)| {
        let mut config = profile();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    for (change, expected) in [
        (refused(|it| it.nodes.clear()), "it must name 1 to 64 nodes or patterns"),
        (
            refused(|it| it.audience = Audience::List(BTreeSet::new())),
            "its list must have 1 to 10000 addresses",
        ),
        (refused(|it| it.ttl_s = 2_419_201), "ttl is 2419200 seconds at most (four weeks)"),
        (
            refused(|it| it.coalesce_ms = 3_600_001),
            "the window in which pushes are put together lasts an hour at most",
        ),
        (refused(|it| it.template = Template::default()), "a template has a title, a body or data"),
    ] {
        assert_eq!(change, format!("the push profile cannot be like this: {expected}"));
    }
    for topic in ["", "a b", "é", &"a".repeat(256)] {
        assert!(Topic::new(topic).is_err(), "{topic}");
    }
}

#[test]
fn a_profile_has_as_much_as_its_bounds_say_and_no_more() {
    let named =
        |count| ProfileConfig { nodes: vec![NodePattern::new("orders").unwrap(); count], ..profile() };
    let listed = |count: u32| {
        let list = (0..count).map(|number| BareJid::new(&format!("u{number}@example.org")).unwrap());
        ProfileConfig { audience: Audience::List(list.collect()), ..profile() }
    };
    let worth = |ttl_s| ProfileConfig { ttl_s, ..profile() };
    let waiting = |coalesce_ms| ProfileConfig { coalesce_ms, ..profile() };
    for (what, last, beyond) in [
        ("a node", named(1), named(0)),
        ("64 nodes", named(64), named(65)),
        ("an address", listed(1), listed(0)),
        ("10,000 addresses", listed(10_000), listed(10_001)),
        ("four weeks of worth", worth(2_419_200), worth(2_419_201)),
        ("an hour of waiting", waiting(3_600_000), waiting(3_600_001)),
    ] {
        assert_eq!((last.check().is_ok(), beyond.check().is_ok()), (true, false), "{what}");
    }
}

#[test]
fn a_topic_is_the_text_that_devices_name() {
    let longest = "t".repeat(255);
    for text in ["t", "sports/~1", &longest] {
        assert_eq!(Topic::new(text).unwrap().as_str(), text);
    }
}

#[test]
fn a_profile_is_about_what_one_of_its_patterns_stands_for() {
    let nodes = ["orders", "bills.*"].map(|text| NodePattern::new(text).unwrap()).into();
    let config = ProfileConfig { nodes, ..profile() };
    for (node, is_covered) in [("orders", true), ("bills.eu", true), ("bills", false), ("orders.eu", false)] {
        assert_eq!(config.covers(&NodeName::new(node).unwrap()), is_covered, "{node}");
    }
}

#[test]
fn owners_of_nodes_may_only_tell_who_has_asked() {
    assert!(profile().is_for_owners());
    let pattern = NodePattern::new("orders.*").unwrap();
    assert!(!ProfileConfig { nodes: vec![pattern], ..profile() }.is_for_owners());
    let topic = Audience::Topic(Topic::new("t").unwrap());
    assert!(!ProfileConfig { audience: topic, ..profile() }.is_for_owners());
}

#[test]
fn a_profile_is_there_for_who_has_made_it_and_for_admins() {
    let jid = |text: &str| BareJid::new(text).unwrap();
    let made = |is_of_admin| PushProfile {
        id: ConsumerId(1),
        name: ProfileName::new("p").unwrap(),
        owner: jid("a@example.org"),
        is_of_admin,
        config: profile(),
        created_at_ms: 0,
        failures: 0,
        last_failure: None,
    };
    for (who, role, own, of_admin) in [
        ("a@example.org", Role::User, true, false),
        ("a@example.org", Role::Admin, true, true),
        ("b@example.org", Role::Admin, true, true),
        ("b@example.org", Role::Creator, false, false),
    ] {
        let actor = Actor::new(jid(who), role);
        assert_eq!(made(false).check_use(&actor).is_ok(), own, "{who} {role:?}");
        assert_eq!(made(true).check_use(&actor).is_ok(), of_admin, "{who} {role:?}");
    }
}

#[test]
fn what_is_stored_comes_back() {
    let topic = Audience::Topic(Topic::new("t").unwrap());
    let list = Audience::List([BareJid::new("a@example.org").unwrap()].into());
    for audience in [Audience::Subscribers, list, topic] {
        let config = ProfileConfig { audience, ..profile() };
        let stored = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ProfileConfig>(&stored).unwrap(), config, "{stored}");
    }
}
