//! How much everybody may have, and how fast they may publish.

use bus_domain::quota::{Counted, Quota, Quotas, Scope};
use bus_domain::{Actor, BusError, Durability, LimitKind, NodeConfig, Role};
use bus_engine::{Command, Settings, Verb};

use crate::fixture::{Bus, bare, name, publish_verb};

fn settings(quotas: Quotas) -> Settings {
    Settings { quotas, ..Settings::default() }
}

/// Ten items a second for an address, and as many at once.
fn slow() -> Settings {
    settings(Quotas { publishes_per_second_per_jid_max: 10, publish_burst_ms: 1_000, ..Quotas::default() })
}

fn too_fast(retry_after_ms: u64) -> BusError {
    BusError::LimitReached(LimitKind::PublishRate { scope: Scope::Jid, retry_after_ms })
}

#[tokio::test]
async fn who_publishes_too_fast_is_told_how_long_to_wait_and_costs_nothing() {
    let bus = Bus::start_with(slow()).await;
    bus.create("n").await;
    bus.publish("n", &["a"; 6]).await;
    let before = bus.engine.statistics().snapshot();
    assert_eq!(bus.run("owner", "n", publish_verb(&["b"; 5])).await, Err(too_fast(100)), "all or nothing");
    assert_eq!(bus.run("owner", "unknown", publish_verb(&["b"; 5])).await, Err(too_fast(100)));
    let after = bus.engine.statistics().snapshot();
    assert_eq!((after.commits, after.facts_loaded), (before.commits, before.facts_loaded));
    let quota = Quota { counted: Counted::Publishes, scope: Scope::Jid };
    assert_eq!(after.refused_by(quota), 2);
    bus.publish("n", &["c"; 4]).await;
    assert_eq!(bus.run("owner", "n", publish_verb(&["d"])).await, Err(too_fast(100)));
    bus.clock.advance(100);
    assert_eq!(bus.publish("n", &["d"]).await.first_seq, 11, "what was refused is not there");
}

#[tokio::test]
async fn the_rate_holds_on_nodes_in_memory_and_only_for_publishes() {
    let bus = Bus::start_with(slow()).await;
    bus.create_with("n", NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }).await;
    bus.publish("n", &["a"; 10]).await;
    assert_eq!(bus.run("owner", "n", publish_verb(&["a"])).await, Err(too_fast(100)));
    for node in ["b", "c"] {
        bus.create(node).await;
        bus.subscribe(node, "owner").await;
    }
}

#[tokio::test]
async fn admins_publish_as_fast_as_they_can() {
    let bus = Bus::start_with(slow()).await;
    bus.create("n").await;
    for _ in 0..10 {
        let actor = Actor::new(bare("admin"), Role::Admin);
        let verb: Verb = publish_verb(&["a"; 10]);
        let command = Command { actor, node: name("n"), verb };
        bus.engine.execute(command).await.expect("nothing bounds an admin");
    }
}
