use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::push::{AccountName, Device, DeviceId, PushProvider};
use bus_store::{CommitLevel, DeviceJudgement, DeviceStore, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{self, inconsistent, integer, text};
use crate::statement::{PgQuery, query, statements};

/// The columns that [`device`] reads.
macro_rules! device_columns {
    () => {
        "d.device_id, d.owner, d.address, d.account, d.registered_at_ms, d.seen_at_ms, d.quarantined"
    };
}

pub(crate) use device_columns;

statements! {
    // Two registrations of one token take turns.
    LOCK_TOKEN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 14))";
    REMOVE_OTHERS = "DELETE FROM push_devices WHERE provider = $1 AND token = $2 AND device_id <> $3";
    PUT = "INSERT INTO push_devices (device_id, owner, provider, token, address, registered_at_ms, seen_at_ms, quarantined, account)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (device_id) DO UPDATE SET owner = excluded.owner, provider = excluded.provider, token = excluded.token,
             address = excluded.address, registered_at_ms = excluded.registered_at_ms, seen_at_ms = excluded.seen_at_ms,
             quarantined = excluded.quarantined, account = excluded.account";
    pub(crate) FIND_ALL = concat!("SELECT ", device_columns!(), " FROM push_devices d WHERE d.device_id = ANY($1)
         ORDER BY d.device_id");
    BY_TOKEN = concat!("SELECT ", device_columns!(), " FROM push_devices d WHERE d.provider = $1 AND d.token = $2");
    OF_OWNER = concat!("SELECT ", device_columns!(), " FROM push_devices d
         WHERE d.owner = $1 AND d.device_id > $2 ORDER BY d.device_id LIMIT $3");
    COUNT = "SELECT count(*) AS devices FROM push_devices WHERE owner = $1";
    REMOVE = "DELETE FROM push_devices WHERE device_id = ANY($1)";
    JUDGE_GONE = "DELETE FROM push_devices d USING unnest($1::text[], $2::bigint[], $3::text[]) AS j (id, registered_at_ms, quarantine)
         WHERE d.device_id = j.id AND d.registered_at_ms = j.registered_at_ms AND j.quarantine IS NULL
         RETURNING d.device_id";
    JUDGE_QUARANTINED = "UPDATE push_devices d SET quarantined = j.quarantine
         FROM unnest($1::text[], $2::bigint[], $3::text[]) AS j (id, registered_at_ms, quarantine)
         WHERE d.device_id = j.id AND d.registered_at_ms = j.registered_at_ms AND j.quarantine IS NOT NULL
         RETURNING d.device_id";
    REMOVE_UNSEEN = "DELETE FROM push_devices WHERE device_id IN
             (SELECT device_id FROM push_devices WHERE seen_at_ms <= $1 ORDER BY seen_at_ms LIMIT $2)
         AND seen_at_ms <= $1";
}

#[async_trait]
impl DeviceStore for PostgresStore {
    async fn put_device(&self, device: &Device) -> Result<(), StoreError> {
        let (provider, token) = (device.address.provider().as_str(), device.address.token());
        let id = device.id.to_string();
        let address =
            serde_json::to_string(&device.address).map_err(|error| inconsistent("push_devices", &error))?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        transaction.fetch_optional(query(LOCK_TOKEN).bind(token)).await?;
        transaction.execute(query(REMOVE_OTHERS).bind(provider).bind(token).bind(id.clone())).await?;
        let put = query(PUT)
            .bind(id)
            .bind(device.owner.as_str())
            .bind(provider)
            .bind(token)
            .bind(address)
            .bind(device.registered_at_ms)
            .bind(device.seen_at_ms)
            .bind(device.quarantined.as_deref())
            .bind(device.account.as_str());
        transaction.execute(put).await?;
        transaction.commit_write().await
    }

    async fn find_device(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        let found = self.devices(query(FIND_ALL).bind(id_list(&[id]))).await?;
        Ok(found.into_iter().next())
    }

    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Device>, StoreError> {
        self.devices(query(FIND_ALL).bind(id_list(ids))).await
    }

    async fn find_device_by_token(
        &self,
        provider: PushProvider,
        token: &str,
    ) -> Result<Option<Device>, StoreError> {
        let found = self.devices(query(BY_TOKEN).bind(provider.as_str()).bind(token)).await?;
        Ok(found.into_iter().next())
    }

    async fn devices_of(
        &self,
        owner: &BareJid,
        after: Option<DeviceId>,
        devices_max: u32,
    ) -> Result<Vec<Device>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.devices(query(OF_OWNER).bind(owner.as_str()).bind(after).bind(i64::from(devices_max))).await
    }

    async fn count_devices_of(&self, owner: &BareJid) -> Result<u64, StoreError> {
        let row = self.pool.session().await?.fetch_one(query(COUNT).bind(owner.as_str())).await?;
        rows::unsigned(&row, "devices")
    }

    async fn remove_devices(&self, ids: &[DeviceId]) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let removed = transaction.execute(query(REMOVE).bind(id_list(ids))).await?;
        transaction.commit_write().await?;
        Ok(removed)
    }

    async fn judge_devices(&self, judgements: &[DeviceJudgement]) -> Result<Vec<DeviceId>, StoreError> {
        let ids: Vec<_> = judgements.iter().map(|judgement| judgement.id.to_string()).collect();
        let registered: Vec<_> = judgements.iter().map(|judgement| judgement.registered_at_ms).collect();
        let quarantines: Vec<_> = judgements.iter().map(|judgement| judgement.quarantine.clone()).collect();
        let judging =
            |statement| query(statement).bind(ids.clone()).bind(registered.clone()).bind(quarantines.clone());
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let mut found = transaction.fetch_all(judging(JUDGE_GONE)).await?;
        found.extend(transaction.fetch_all(judging(JUDGE_QUARANTINED)).await?);
        transaction.commit_write().await?;
        found.iter().map(device_id).collect()
    }

    async fn remove_devices_unseen_since(&self, since_ms: i64, devices_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let removed =
            transaction.execute(query(REMOVE_UNSEEN).bind(since_ms).bind(i64::from(devices_max))).await?;
        transaction.commit_write().await?;
        Ok(removed)
    }
}

impl PostgresStore {
    async fn devices(&self, query: PgQuery<'_>) -> Result<Vec<Device>, StoreError> {
        self.pool.session().await?.fetch_all(query).await?.iter().map(device).collect()
    }
}

/// A device from [`device_columns!`].
pub(crate) fn device(row: &PgRow) -> Result<Device, StoreError> {
    let address = serde_json::from_str(&text(row, "address")?);
    Ok(Device {
        id: device_id(row)?,
        owner: rows::parse_bare_jid(&text(row, "owner")?)?,
        address: address.map_err(|error| inconsistent("push_devices", &error))?,
        account: account(row)?,
        registered_at_ms: integer(row, "registered_at_ms")?,
        seen_at_ms: integer(row, "seen_at_ms")?,
        quarantined: row.try_get("quarantined").map_err(store_error)?,
    })
}

pub(crate) fn account(row: &PgRow) -> Result<AccountName, StoreError> {
    text(row, "account")?.parse().map_err(|error| inconsistent("push account", &error))
}

pub(crate) fn device_id(row: &PgRow) -> Result<DeviceId, StoreError> {
    text(row, "device_id")?.parse().map_err(|error| inconsistent("push_devices", &error))
}

/// Ids as the statements take them.
pub(crate) fn id_list<I: ToString>(ids: &[I]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
