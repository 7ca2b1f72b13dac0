use async_trait::async_trait;
use bus_domain::source::SourceMove;
use bus_store::{SourceTransaction, StoreError};

use super::SqliteTransaction;
use crate::rows::signed;
use crate::statement::{query, statements};

statements! {
    MOVE = "UPDATE sources SET resume_token = ?3 WHERE source_id = ?1 AND fence = ?2";
}

#[async_trait]
impl SourceTransaction for SqliteTransaction {
    async fn move_source(&mut self, to: &SourceMove) -> Result<bool, StoreError> {
        let moving = query(MOVE).bind(to.source.0).bind(signed(to.fence)).bind(to.resume_token.clone());
        Ok(self.execute(moving).await? > 0)
    }
}
