//! What operators are told.

use std::time::Duration;

use bus_domain::{Actor, BusError, Durability, Limits, NodeConfig, Role};
use bus_engine::{AdvisoryAbout, AdvisoryFrame, AdvisoryReader, EngineLimits, Settings};

use crate::epochs::lose_events_behind;
use crate::fixture::{Bus, bare, name};

fn admin() -> Actor {
    Actor::new(bare("admin"), Role::Admin)
}

async fn next(reader: &mut AdvisoryReader) -> AdvisoryAbout {
    match tokio::time::timeout(Duration::from_mins(1), reader.next()).await.expect("it comes") {
        AdvisoryFrame::Advisory(advisory) => advisory.about.clone(),
        AdvisoryFrame::Missed(count) => panic!("{count} are missed"),
    }
}

#[tokio::test]
async fn admins_hear_what_happens_and_nobody_else() {
    let bus = Bus::start().await;
    let stranger = Actor::new(bare("owner"), Role::Creator);
    assert_eq!(bus.engine.advisories(&stranger, true).err(), Some(BusError::Forbidden));
    bus.engine.advise(AdvisoryAbout::LinkUp);
    let mut from_now_on = bus.engine.advisories(&admin(), false).unwrap();
    let mut all = bus.engine.advisories(&admin(), true).unwrap();
    assert_eq!((from_now_on.opened_at(), all.opened_at()), (1, 1));
    bus.engine.advise(AdvisoryAbout::StoreBack);
    assert_eq!(next(&mut from_now_on).await, AdvisoryAbout::StoreBack);
    assert_eq!(
        [next(&mut all).await, next(&mut all).await],
        [AdvisoryAbout::LinkUp, AdvisoryAbout::StoreBack]
    );
}

#[tokio::test]
async fn a_node_that_fills_up_and_has_room_again_is_told_once_each() {
    let limits = Limits { node_undelivered_events_max: 3, ..Limits::default() };
    let engine = EngineLimits { cursor_interval_ms: 1, ..EngineLimits::default() };
    let bus = Bus::start_with(Settings { limits, engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let mut reader = bus.engine.advisories(&admin(), false).unwrap();
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1", "2", "3"]).await;
    assert_eq!(next(&mut reader).await, AdvisoryAbout::NodeFull(name("n")));
    leg.take(3).await;
    leg.prove().await;
    assert_eq!(next(&mut reader).await, AdvisoryAbout::NodeHasRoom(name("n")));
    bus.publish("n", &["4", "5", "6"]).await;
    assert_eq!(next(&mut reader).await, AdvisoryAbout::NodeFull(name("n")));
}

#[tokio::test]
async fn a_log_that_has_lost_events_is_told() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { durability: Durability::Relaxed, ..NodeConfig::default() }).await;
    bus.publish("n", &["1", "2", "3"]).await;
    let mut reader = bus.engine.advisories(&admin(), false).unwrap();
    lose_events_behind(&bus, "n", 1).await;
    bus.publish("n", &["4"]).await;
    assert_eq!(next(&mut reader).await, AdvisoryAbout::EpochRenewed(name("n")));

    drop(reader);
    let bus = bus.restart().await;
    let mut reader = bus.engine.advisories(&admin(), true).unwrap();
    assert_eq!(next(&mut reader).await, AdvisoryAbout::EpochsRenewed { nodes: 1 }, "after an unclean end");
}
