use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::consumer::{ConsumerName, Standing};
use bus_domain::source::{Source, SourceId, SourceMove};

use crate::{Claim, StoreError};

/// Services that the bus reads: a row for each, with the token behind which it goes on.
///
/// One instance at a time reads a source, by a claim with a fence, as with consumers. The token moves with what is published
/// ([`SourceTransaction`]), and only under the fence.
#[async_trait]
pub trait SourceStore {
    /// Adds a source; its id, token and standing are not looked at. `None` if its name is taken.
    async fn create_source(&self, new: &Source) -> Result<Option<SourceId>, StoreError>;

    /// The source of this name.
    async fn find_source(&self, name: &ConsumerName) -> Result<Option<Source>, StoreError>;

    /// A page of sources in the order of their names, behind `after`; those of one owner, or all.
    async fn list_sources(
        &self,
        owner: Option<&BareJid>,
        after: Option<&ConsumerName>,
        sources_max: u32,
    ) -> Result<Vec<Source>, StoreError>;

    /// How many sources somebody has.
    async fn count_sources(&self, owner: &BareJid) -> Result<u64, StoreError>;

    /// Claims a source that nobody has claimed beyond the claim's `now_ms`, or that this instance has. Says the new fence; `None` if
    /// another instance has it, or it is gone.
    async fn claim_source(&self, source: SourceId, claim: &Claim) -> Result<Option<u64>, StoreError>;

    /// Gives a claim a new end. False if it does not hold any more.
    async fn renew_source(&self, source: SourceId, fence: u64, until_ms: i64) -> Result<bool, StoreError>;

    /// Notes how a source stands. False if the fence has moved.
    async fn set_source_standing(
        &self,
        source: SourceId,
        fence: u64,
        standing: &Standing,
    ) -> Result<bool, StoreError>;

    /// Removes a source. False if it is gone.
    async fn delete_source(&self, source: SourceId) -> Result<bool, StoreError>;
}

/// What a transaction can do to sources besides what it does to nodes.
#[async_trait]
pub trait SourceTransaction {
    /// Moves a source's token. False if the fence has moved, or the source is gone.
    async fn move_source(&mut self, to: &SourceMove) -> Result<bool, StoreError>;
}
