//! What hangs on somebody's presence.

use bus_domain::{Affiliation, NodeId, SendLastItem, Setting, Subscription, SubscriptionOptions};
use bus_store::{EntitySubscription, PresenceUses, Store};

use crate::fixture::{Fixture, bare};

pub async fn subscriptions_that_hang_on_presence_are_found(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let setting = [
        ("plain", None),
        ("temporary", Some(Setting::TemporarySubscriptions(true))),
        ("newest", Some(Setting::SendLastItem(SendLastItem::OnSubscribeAndPresence))),
        ("other", Some(Setting::SendLastItem(SendLastItem::OnSubscribe))),
        ("gone", Some(Setting::TemporarySubscriptions(true))),
    ];
    let mut nodes = Vec::new();
    for (name, setting) in setting {
        let node = fixture.node(name).await.id;
        configure(&fixture, name, setting.as_slice()).await;
        fixture.subscribe(node, "a@example.org/phone").await;
        make_temporary(&fixture, node, fixture.subscribe(node, "a@example.org").await).await;
        fixture.subscribe(node, "b@example.org").await;
        nodes.push(node);
    }
    fixture.delete(nodes[4]).await;
    let page = async |entity: Option<&str>, after: Option<&EntitySubscription>, rows_max| {
        let (entity, after) = (entity.map(bare), after.map(EntitySubscription::key));
        store.subscriptions_on_presence(entity.as_ref(), after, rows_max).await.expect("a page")
    };
    let named = |rows: &[EntitySubscription]| -> Vec<String> {
        rows.iter().map(|row| format!("{} {}", row.name, row.subscription.jid)).collect()
    };
    let all = page(None, None, 99).await;
    let expected = [
        "plain a@example.org",
        "temporary a@example.org/phone",
        "temporary a@example.org",
        "temporary b@example.org",
        "newest a@example.org/phone",
        "newest a@example.org",
        "newest b@example.org",
        "other a@example.org",
    ];
    assert_eq!(named(&all), expected);
    for split in 1..all.len() {
        assert_eq!(page(None, None, u32::try_from(split).expect("few")).await, all[..split]);
        assert_eq!(page(None, Some(&all[split - 1]), 99).await, all[split..]);
    }
    let of_a = page(Some("a@example.org"), None, 99).await;
    let of_a_expected: Vec<_> =
        all.iter().filter(|row| row.subscription.jid != bare("b@example.org")).cloned().collect();
    assert_eq!(of_a, of_a_expected);
    assert_eq!(page(Some("a@example.org"), Some(&of_a[1]), 2).await, of_a[2..4]);
    assert_eq!(page(Some("c@example.org"), None, 99).await, []);
}

pub async fn nodes_that_hang_on_presence_are_found(store: &dyn Store) {
    let fixture = Fixture::new(store);
    assert_eq!(store.presence_uses().await.expect("a read"), PresenceUses::default());
    let mut nodes = Vec::new();
    for name in ["a", "b", "kept", "gone"] {
        let node = fixture.node(name).await.id;
        configure(&fixture, name, &[Setting::PurgeWhenPublisherGoes(name != "kept")]).await;
        let mut transaction = fixture.begin().await;
        let standings = [("p", Affiliation::PublishOnly), ("m", Affiliation::Member)];
        let standings =
            standings.map(|(jid, affiliation)| (bare(&format!("{jid}@example.org")), affiliation));
        transaction.put_affiliations(node, &standings).await.expect("put");
        transaction.commit().await.expect("commit");
        nodes.push(node);
    }
    fixture.delete(nodes[3]).await;
    let page = async |publisher: &str, after: Option<NodeId>, nodes_max| {
        let found = store.nodes_purged_on_presence(&bare(publisher), after, nodes_max).await.expect("a page");
        found.into_iter().map(|(_, name)| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    for publisher in ["owner@example.org", "p@example.org"] {
        assert_eq!(page(publisher, None, 9).await, ["a", "b"]);
        assert_eq!(page(publisher, None, 1).await, ["a"]);
        assert_eq!(page(publisher, Some(nodes[0]), 9).await, ["b"]);
    }
    assert_eq!(page("m@example.org", None, 9).await, Vec::<String>::new());
    let purges = PresenceUses { by_purges: true, by_subscriptions: false };
    assert_eq!(store.presence_uses().await.expect("a read"), purges);
    make_temporary(&fixture, nodes[0], fixture.subscribe(nodes[0], "a@example.org").await).await;
    let both = PresenceUses { by_subscriptions: true, ..purges };
    assert_eq!(store.presence_uses().await.expect("a read"), both);
}

async fn configure(fixture: &Fixture<'_>, name: &str, settings: &[Setting]) {
    let facts = fixture.facts(name).await;
    let mut transaction = fixture.begin().await;
    transaction.put_config(facts.id, &facts.config.with(settings)).await.expect("put");
    transaction.commit().await.expect("commit");
}

async fn make_temporary(fixture: &Fixture<'_>, node: NodeId, subscription: Subscription) {
    let options = SubscriptionOptions { is_temporary: true, ..subscription.options };
    let mut transaction = fixture.begin().await;
    let temporary = Subscription { options, ..subscription };
    transaction.continue_subscription(node, &temporary).await.expect("continue");
    transaction.commit().await.expect("commit");
}
