use async_trait::async_trait;
use bus_store::{IdempotencyStore, StoreError};

use super::SimulatedStore;

#[async_trait]
impl IdempotencyStore for SimulatedStore {
    async fn forget_requests(&self, now_ms: i64, requests_max: u32) -> Result<u64, StoreError> {
        let kept = &mut self.up()?.kept_requests;
        let mut over: Vec<_> = kept.values().filter(|it| it.expires_at_ms <= now_ms).collect();
        over.sort_by_key(|it| it.expires_at_ms);
        let over: Vec<_> = over.iter().take(requests_max.max(1) as usize).map(|it| it.name.clone()).collect();
        kept.retain(|name, _| !over.contains(name));
        Ok(over.len() as u64)
    }
}
