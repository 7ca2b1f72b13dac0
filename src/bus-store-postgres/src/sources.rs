use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::consumer::destination::Secret;
use bus_domain::consumer::{ConsumerName, Standing};
use bus_domain::source::{Source, SourceId};
use bus_store::{Claim, CommitLevel, SourceStore, StoreError};
use sqlx::postgres::PgRow;

use crate::rows::{inconsistent, signed};
use crate::statement::{query, statements};
use crate::{PostgresStore, rows};

statements! {
    INSERT = "INSERT INTO sources (name, owner, node, uri, bearer_token, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO NOTHING RETURNING source_id";
    FIND = "SELECT source_id, name, owner, node, uri, bearer_token, created_at_ms, resume_token, standing::text AS standing
         FROM sources WHERE name = $1";
    LIST = "SELECT source_id, name, owner, node, uri, bearer_token, created_at_ms, resume_token, standing::text AS standing
         FROM sources WHERE owner = coalesce($1::text, owner) AND name > $2 ORDER BY name LIMIT $3";
    COUNT = "SELECT count(*) AS sources FROM sources WHERE owner = $1";
    CLAIM = "UPDATE sources SET instance = $2, claimed_until_ms = $4, fence = fence + 1
         WHERE source_id = $1 AND (instance IS NULL OR instance = $2 OR claimed_until_ms <= $3) RETURNING fence";
    RENEW = "UPDATE sources SET claimed_until_ms = $3 WHERE source_id = $1 AND fence = $2";
    STAND = "UPDATE sources SET standing = $3::text::jsonb WHERE source_id = $1 AND fence = $2";
    DELETE = "DELETE FROM sources WHERE source_id = $1";
}

#[async_trait]
impl SourceStore for PostgresStore {
    async fn create_source(&self, new: &Source) -> Result<Option<SourceId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let insert = query(INSERT)
            .bind(new.name.as_str())
            .bind(new.owner.as_str())
            .bind(new.node.as_str())
            .bind(new.uri.as_str())
            .bind(new.bearer_token.as_ref().map(|token| token.0.as_str()))
            .bind(new.created_at_ms);
        let inserted = transaction.fetch_optional(insert).await?;
        transaction.commit_write().await?;
        inserted.map(|row| rows::integer(&row, "source_id").map(SourceId)).transpose()
    }

    async fn find_source(&self, name: &ConsumerName) -> Result<Option<Source>, StoreError> {
        let found = self.pool.session().await?.fetch_optional(query(FIND).bind(name.as_str())).await?;
        found.map(|row| source(&row)).transpose()
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
        self.pool.session().await?.fetch_all(list).await?.iter().map(source).collect()
    }

    async fn count_sources(&self, owner: &BareJid) -> Result<u64, StoreError> {
        let count = query(COUNT).bind(owner.as_str());
        rows::unsigned(&self.pool.session().await?.fetch_one(count).await?, "sources")
    }

    async fn claim_source(&self, source: SourceId, claim: &Claim) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let claiming =
            query(CLAIM).bind(source.0).bind(&claim.instance[..]).bind(claim.now_ms).bind(claim.until_ms);
        let claimed = transaction.fetch_optional(claiming).await?;
        transaction.commit_write().await?;
        claimed.map(|row| rows::unsigned(&row, "fence")).transpose()
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

fn source(row: &PgRow) -> Result<Source, StoreError> {
    let standing = rows::optional_text(row, "standing")?;
    Ok(Source {
        id: SourceId(rows::integer(row, "source_id")?),
        name: ConsumerName::new(&rows::text(row, "name")?)
            .map_err(|error| inconsistent("sources", &error))?,
        owner: rows::parse_bare_jid(&rows::text(row, "owner")?)?,
        node: rows::named(row, "node")?,
        uri: rows::text(row, "uri")?,
        bearer_token: rows::optional_text(row, "bearer_token")?.map(Secret),
        created_at_ms: rows::integer(row, "created_at_ms")?,
        resume_token: rows::bytes(row, "resume_token")?,
        standing: standing
            .map(|text| serde_json::from_str(&text).map_err(|error| inconsistent("sources", &error)))
            .transpose()?,
    })
}
