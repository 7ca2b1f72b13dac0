//! Random commands, one after the other, lead to the same on the engine over a real store and on a model that shares no
//! rule with it: the same answers, and the same to be read afterwards. Now and then the engine starts anew.
//!
//! [`agree`] runs the commands of one seed; a store's own tests call it.

mod commands;
mod compare;
mod model;
mod model_subscriptions;

use std::ops::Range;
use std::sync::Arc;

use bus_domain::{BareJid, Limits};
use bus_engine::{Engine, Settings, SystemClock, SystemIds};
use bus_store::Store;
use simulation::Random;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use model::Model;

/// Commands of one seed.
const STEPS: usize = 250;

/// The seeds of this run, by tier; a store begins at a number of its own.
pub fn seeds(first: u64) -> Range<u64> {
    let count = match std::env::var_os("STANZABUS_TEST_TIER").as_deref().and_then(|tier| tier.to_str()) {
        Some("quick") => 8,
        Some("long") => 100,
        _ => 25,
    };
    first..first + count
}

/// Runs the commands of a seed on an empty store.
///
/// # Panics
/// With the commands up to there, when engine and model disagree.
pub async fn agree(store: Box<dyn Store>, seed: u64) {
    let store: Arc<dyn Store> = Arc::from(store);
    let mut random = Random::new(seed);
    let mut model = Model::new(limits());
    let mut running = Running::start(&store).await;
    let mut course = Vec::new();
    for step in 0..STEPS {
        if random.percent(3) {
            running.stop().await;
            running = Running::start(&store).await;
            course.push("the engine starts anew".to_owned());
        }
        let command = commands::draw(&mut random);
        course.push(format!("{step} {} on {}: {:?}", command.actor.jid(), command.node, command.verb));
        let expected = model.apply(&command);
        let answer = running.engine.execute(command.clone()).await;
        if let Err(difference) = compare::answer(&expected, &answer) {
            panic!("{}\nseed {seed}: {difference}", course.join("\n"));
        }
        if let Err(difference) = compare::state(&model, &running.engine, &command.node).await {
            panic!("{}\nseed {seed}: {difference}", course.join("\n"));
        }
    }
    running.stop().await;
}

/// Bounds that random commands meet.
fn limits() -> Limits {
    Limits {
        request_items_max: 4,
        node_items_max: 6,
        node_affiliations_max: 4,
        node_subscriptions_per_jid_max: 2,
        node_subscriptions_max: 4,
        ..Limits::default()
    }
}

/// An engine that can be stopped.
struct Running {
    engine: Engine,
    committer: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Running {
    async fn start(store: &Arc<dyn Store>) -> Self {
        let admins = [BareJid::new(commands::ADMIN).expect("an address")].into();
        let settings = Settings { limits: limits(), admins, ..Settings::default() };
        let shutdown = CancellationToken::new();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let parts = Engine::start(Arc::clone(store), settings, clock, ids, shutdown.clone()).await;
        let parts = parts.expect("the engine starts");
        Self { engine: parts.engine, committer: parts.committer, shutdown }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.committer.await.expect("the committer ends");
    }
}
