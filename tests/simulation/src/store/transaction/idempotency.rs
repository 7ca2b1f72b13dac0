use async_trait::async_trait;
use bus_domain::idempotency::{KeptRequest, RequestName};
use bus_store::{IdempotencyTransaction, StoreError};

use super::SimulatedTransaction;

#[async_trait]
impl IdempotencyTransaction for SimulatedTransaction {
    async fn find_requests(
        &mut self,
        names: &[RequestName],
        now_ms: i64,
    ) -> Result<Vec<KeptRequest>, StoreError> {
        self.call()?;
        let disk = self.store.disk();
        let found = names.iter().filter_map(|name| disk.kept_requests.get(name));
        Ok(found.filter(|kept| kept.expires_at_ms > now_ms).cloned().collect())
    }

    async fn keep_requests(&mut self, requests: &[KeptRequest]) -> Result<(), StoreError> {
        self.call()?;
        self.kept_requests.extend_from_slice(requests);
        Ok(())
    }
}
