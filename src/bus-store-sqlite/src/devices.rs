use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::push::{AccountName, Device, DeviceId, PushProvider};
use bus_store::{CommitLevel, DeviceJudgement, DeviceStore, StoreError};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::error::store_error;
use crate::rows::{self, inconsistent, integer, text};
use crate::statement::{SqliteQuery, query, statements};

/// The columns that [`device`] reads.
macro_rules! device_columns {
    () => {
        "d.device_id, d.owner, d.address, d.account, d.registered_at_ms, d.seen_at_ms, d.quarantined"
    };
}

pub(crate) use device_columns;

statements! {
    REMOVE_OTHERS = "DELETE FROM push_devices WHERE provider = ?1 AND token = ?2 AND device_id <> ?3";
    PUT = "INSERT INTO push_devices (device_id, owner, provider, token, address, registered_at_ms, seen_at_ms, quarantined, account)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (device_id) DO UPDATE SET owner = excluded.owner, provider = excluded.provider, token = excluded.token,
             address = excluded.address, registered_at_ms = excluded.registered_at_ms, seen_at_ms = excluded.seen_at_ms,
             quarantined = excluded.quarantined, account = excluded.account";
    pub(crate) FIND_ALL = concat!("SELECT ", device_columns!(), " FROM push_devices d
         WHERE d.device_id IN (SELECT value FROM jsonb_each(?1)) ORDER BY d.device_id");
    BY_TOKEN = concat!("SELECT ", device_columns!(), " FROM push_devices d WHERE d.provider = ?1 AND d.token = ?2");
    OF_OWNER = concat!("SELECT ", device_columns!(), " FROM push_devices d
         WHERE d.owner = ?1 AND d.device_id > ?2 ORDER BY d.device_id LIMIT ?3");
    COUNT = "SELECT count(*) AS devices FROM push_devices WHERE owner = ?1";
    REMOVE = "DELETE FROM push_devices WHERE device_id IN (SELECT value FROM jsonb_each(?1))";
    JUDGE_GONE = "DELETE FROM push_devices WHERE (device_id, registered_at_ms) IN
             (SELECT value ->> 0, value ->> 1 FROM jsonb_each(?1) WHERE value ->> 2 IS NULL)
         RETURNING device_id";
    JUDGE_QUARANTINED = "UPDATE push_devices SET quarantined = j.value ->> 2 FROM jsonb_each(?1) AS j
         WHERE j.value ->> 2 IS NOT NULL AND device_id = j.value ->> 0 AND registered_at_ms = j.value ->> 1
         RETURNING device_id";
    REMOVE_UNSEEN = "DELETE FROM push_devices WHERE device_id IN
             (SELECT device_id FROM push_devices WHERE seen_at_ms <= ?1 ORDER BY seen_at_ms LIMIT ?2)";
}

#[async_trait]
impl DeviceStore for SqliteStore {
    async fn put_device(&self, device: &Device) -> Result<(), StoreError> {
        let (provider, token) = (device.address.provider().as_str(), device.address.token());
        let id = device.id.to_string();
        let address =
            serde_json::to_string(&device.address).map_err(|error| inconsistent("push_devices", &error))?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
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
        let row = query(COUNT).bind(owner.as_str()).fetch_one(&self.readers).await.map_err(store_error)?;
        rows::unsigned(&row, "devices")
    }

    async fn remove_devices(&self, ids: &[DeviceId]) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let removed = transaction.execute(query(REMOVE).bind(id_list(ids))).await?;
        transaction.commit_write().await?;
        Ok(removed)
    }

    async fn judge_devices(&self, judgements: &[DeviceJudgement]) -> Result<Vec<DeviceId>, StoreError> {
        let judged = |judgement: &DeviceJudgement| {
            json!([judgement.id.to_string(), judgement.registered_at_ms, judgement.quarantine])
        };
        let judged = Value::Array(judgements.iter().map(judged).collect()).to_string();
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let mut found = transaction.fetch_all(query(JUDGE_GONE).bind(judged.clone())).await?;
        found.extend(transaction.fetch_all(query(JUDGE_QUARANTINED).bind(judged)).await?);
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

impl SqliteStore {
    async fn devices(&self, query: SqliteQuery<'_>) -> Result<Vec<Device>, StoreError> {
        let rows = query.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.iter().map(device).collect()
    }
}

/// A device from [`device_columns!`].
pub(crate) fn device(row: &SqliteRow) -> Result<Device, StoreError> {
    let address = serde_json::from_str(&text(row, "address")?);
    Ok(Device {
        id: device_id(row)?,
        owner: rows::bare_jid(row, "owner")?,
        address: address.map_err(|error| inconsistent("push_devices", &error))?,
        account: account(row)?,
        registered_at_ms: integer(row, "registered_at_ms")?,
        seen_at_ms: integer(row, "seen_at_ms")?,
        quarantined: row.try_get("quarantined").map_err(store_error)?,
    })
}

pub(crate) fn account(row: &SqliteRow) -> Result<AccountName, StoreError> {
    text(row, "account")?.parse().map_err(|error| inconsistent("push account", &error))
}

pub(crate) fn device_id(row: &SqliteRow) -> Result<DeviceId, StoreError> {
    text(row, "device_id")?.parse().map_err(|error| inconsistent("push_devices", &error))
}

/// Ids as the statements take them.
pub(crate) fn id_list<I: ToString>(ids: &[I]) -> String {
    Value::Array(ids.iter().map(|id| Value::String(id.to_string())).collect()).to_string()
}
