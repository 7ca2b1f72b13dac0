use async_trait::async_trait;
use bus_domain::idempotency::{KeptRequest, RequestName};

use crate::StoreError;

/// What a transaction does to the requests that are kept to recognise their repeats. The heads of their nodes are locked:
/// what it finds stays so until its end, and what it keeps nobody else does.
#[async_trait]
pub trait IdempotencyTransaction {
    /// The requests of these names that are kept beyond a moment, in milliseconds since 1970.
    async fn find_requests(
        &mut self,
        names: &[RequestName],
        now_ms: i64,
    ) -> Result<Vec<KeptRequest>, StoreError>;

    /// Keeps requests, each of another name, in the place of those that are over.
    async fn keep_requests(&mut self, requests: &[KeptRequest]) -> Result<(), StoreError>;
}

/// Forgetting them.
#[async_trait]
pub trait IdempotencyStore {
    /// Removes at most so many requests that are kept up to this moment, in milliseconds since 1970, and says how many: as
    /// many as the bound means that there may be more. Reads only, where there are none; waits for nobody.
    async fn forget_requests(&self, now_ms: i64, requests_max: u32) -> Result<u64, StoreError>;
}
