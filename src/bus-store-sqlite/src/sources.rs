use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::consumer::destination::Secret;
use bus_domain::consumer::{ConsumerName, Standing};
use bus_domain::source::{Source, SourceId};
use bus_store::{Claim, CommitLevel, SourceStore, StoreError};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::rows::{inconsistent, signed};
use crate::statement::{query, statements};
use crate::{SqliteStore, rows};

statements! {
    INSERT = "INSERT INTO sources (name, owner, node, uri, bearer_token, created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (name) DO NOTHING RETURNING source_id";
    FIND = "SELECT source_id, name, owner, node, uri, bearer_token, created_at_ms, resume_token, standing
         FROM sources WHERE name = ?1";
    LIST = "SELECT source_id, name, owner, node, uri, bearer_token, created_at_ms, resume_token, standing
         FROM sources WHERE owner = coalesce(?1, owner) AND name > ?2 ORDER BY name LIMIT ?3";
    COUNT = "SELECT count(*) FROM sources WHERE owner = ?1";
    CLAIM = "UPDATE sources SET instance = ?2, claimed_until_ms = ?4, fence = fence + 1
         WHERE source_id = ?1 AND (instance IS NULL OR instance = ?2 OR claimed_until_ms <= ?3) RETURNING fence";
    RENEW = "UPDATE sources SET claimed_until_ms = ?3 WHERE source_id = ?1 AND fence = ?2";
    STAND = "UPDATE sources SET standing = ?3 WHERE source_id = ?1 AND fence = ?2";
    DELETE = "DELETE FROM sources WHERE source_id = ?1";
}

#[async_trait]
impl SourceStore for SqliteStore {
    async fn create_source(&self, new: &Source) -> Result<Option<SourceId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let insert = query(INSERT)
            .bind(new.name.as_str().to_owned())
            .bind(new.owner.as_str().to_owned())
            .bind(new.node.as_str().to_owned())
            .bind(new.uri.clone())
            .bind(new.bearer_token.as_ref().map(|token| token.0.clone()))
            .bind(new.created_at_ms);
        let inserted = transaction.fetch_all(insert).await?;
        transaction.commit_write().await?;
        inserted.first().map(|row| rows::integer(row, "source_id").map(SourceId)).transpose()
    }

    async fn find_source(&self, name: &ConsumerName) -> Result<Option<Source>, StoreError> {
        let found = query(FIND).bind(name.as_str()).fetch_optional(&self.readers).await;
        found.map_err(store_error)?.map(|row| source(&row)).transpose()
    }

    async fn list_sources(
        &self,
        owner: Option<&BareJid>,
        after: Option<&ConsumerName>,
        sources_max: u32,
    ) -> Result<Vec<Source>, StoreError> {
        let list = query(LIST)
            .bind(owner.map(ToString::to_string))
            .bind(after.map_or("", ConsumerName::as_str))
            .bind(i64::from(sources_max));
        list.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(source).collect()
    }

    async fn count_sources(&self, owner: &BareJid) -> Result<u64, StoreError> {
        let row = query(COUNT).bind(owner.as_str()).fetch_one(&self.readers).await.map_err(store_error)?;
        let count: i64 = row.try_get(0).map_err(store_error)?;
        Ok(count.unsigned_abs())
    }

    async fn claim_source(&self, source: SourceId, claim: &Claim) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let claiming =
            query(CLAIM).bind(source.0).bind(&claim.instance[..]).bind(claim.now_ms).bind(claim.until_ms);
        let claimed = transaction.fetch_all(claiming).await?;
        transaction.commit_write().await?;
        claimed.first().map(|row| rows::unsigned(row, "fence")).transpose()
    }

    async fn renew_source(&self, source: SourceId, fence: u64, until_ms: i64) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let renewed =
            transaction.execute(query(RENEW).bind(source.0).bind(signed(fence)).bind(until_ms)).await?;
        transaction.commit_write().await?;
        Ok(renewed > 0)
    }

    async fn set_source_standing(
        &self,
        source: SourceId,
        fence: u64,
        standing: &Standing,
    ) -> Result<bool, StoreError> {
        let standing = serde_json::to_string(standing).map_err(|error| inconsistent("sources", &error))?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let stand = query(STAND).bind(source.0).bind(signed(fence)).bind(standing);
        let changed = transaction.execute(stand).await?;
        transaction.commit_write().await?;
        Ok(changed > 0)
    }

    async fn delete_source(&self, source: SourceId) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let deleted = transaction.execute(query(DELETE).bind(source.0)).await?;
        transaction.commit_write().await?;
        Ok(deleted > 0)
    }
}

fn source(row: &SqliteRow) -> Result<Source, StoreError> {
    let standing: Option<String> = row.try_get("standing").map_err(store_error)?;
    let token: Option<String> = row.try_get("bearer_token").map_err(store_error)?;
    Ok(Source {
        id: SourceId(rows::integer(row, "source_id")?),
        name: ConsumerName::new(&rows::text(row, "name")?)
            .map_err(|error| inconsistent("sources", &error))?,
        owner: rows::bare_jid(row, "owner")?,
        node: bus_domain::NodeName::new(&rows::text(row, "node")?)
            .map_err(|error| inconsistent("sources", &error))?,
        uri: rows::text(row, "uri")?,
        bearer_token: token.map(Secret),
        created_at_ms: rows::integer(row, "created_at_ms")?,
        resume_token: row.try_get("resume_token").map_err(store_error)?,
        standing: standing
            .map(|text| serde_json::from_str(&text).map_err(|error| inconsistent("sources", &error)))
            .transpose()?,
    })
}
