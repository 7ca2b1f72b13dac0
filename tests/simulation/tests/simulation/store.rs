//! The simulated store keeps the contract that real ones keep.

use simulation::store::SimulatedStore;
use store_contract::OpenStore;

store_contract::suite!(open);

#[expect(clippy::unused_async, reason = "the suite awaits it, as it must with real stores")]
async fn open() -> OpenStore {
    OpenStore { store: Box::new(SimulatedStore::default()), guard: Box::new(()) }
}
