use async_trait::async_trait;

use crate::StoreError;

/// How instances on one database wake each other after a commit. It carries no data: who is woken reads the tables, and
/// looks at them now and then anyway.
///
/// After an error the doorbell is of no use any more; the next one comes from [`crate::Store::doorbell`].
#[async_trait]
pub trait Doorbell: Send {
    /// Resolves when another instance has rung since the last time. Safe to drop and to call again.
    async fn heard(&mut self) -> Result<(), StoreError>;

    /// Wakes the other instances; what was committed before is there when they look.
    async fn ring(&mut self) -> Result<(), StoreError>;

    /// Instances that have a doorbell on the database now, this one included.
    async fn instances(&mut self) -> Result<u64, StoreError>;
}
