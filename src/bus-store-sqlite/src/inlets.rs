use async_trait::async_trait;
use bus_domain::push::{Inlet, InletId, InletTarget};
use bus_domain::{BareJid, NodeName};
use bus_store::{CommitLevel, FoundInlet, InletStore, StoreError};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::devices::{device, device_columns};
use crate::error::store_error;
use crate::rows::{self, inconsistent, integer, text};
use crate::statement::{SqliteQuery, query, statements};

/// The columns that [`found`] reads, with those of the device.
macro_rules! columns {
    () => {
        concat!(
            "SELECT i.inlet_id, i.owner AS inlet_owner, i.secret, i.node, i.sender_key, i.created_at_ms, ",
            device_columns!(),
            " FROM push_inlets i LEFT JOIN push_devices d ON d.device_id = i.device_id "
        )
    };
}

statements! {
    PUT = "INSERT INTO push_inlets (inlet_id, owner, secret, device_id, node, sender_key, created_at_ms)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE ?4 IS NULL OR EXISTS (SELECT 1 FROM push_devices WHERE device_id = ?4)
         ON CONFLICT (device_id) DO NOTHING";
    FIND_PUT = concat!(columns!(), "WHERE i.inlet_id = ?1 OR i.device_id = ?2");
    FIND = concat!(columns!(), "WHERE i.inlet_id = ?1");
    OF_OWNER = concat!(columns!(), "WHERE i.owner = ?1 AND i.inlet_id > ?2 ORDER BY i.inlet_id LIMIT ?3");
    COUNT = "SELECT count(*) AS inlets FROM push_inlets WHERE owner = ?1";
    REMOVE = "DELETE FROM push_inlets WHERE inlet_id = ?1";
}

#[async_trait]
impl InletStore for SqliteStore {
    async fn put_inlet(&self, inlet: &Inlet) -> Result<Option<Inlet>, StoreError> {
        let (device, node, sender_key) = match &inlet.target {
            InletTarget::Device(device) => (Some(device.to_string()), None, None),
            InletTarget::Node { node, sender_key } => (None, Some(node.as_str()), sender_key.as_deref()),
        };
        let put = query(PUT)
            .bind(inlet.id.to_string())
            .bind(inlet.owner.as_str())
            .bind(inlet.secret.to_string())
            .bind(device.clone())
            .bind(node)
            .bind(sender_key)
            .bind(inlet.created_at_ms);
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        transaction.execute(put).await?;
        let there = transaction.fetch_all(query(FIND_PUT).bind(inlet.id.to_string()).bind(device)).await?;
        transaction.commit_write().await?;
        there.first().map(|row| found(row).map(|found| found.inlet)).transpose()
    }

    async fn find_inlet(&self, id: InletId) -> Result<Option<FoundInlet>, StoreError> {
        Ok(self.inlets(query(FIND).bind(id.to_string())).await?.pop())
    }

    async fn inlets_of(
        &self,
        owner: &BareJid,
        after: Option<InletId>,
        inlets_max: u32,
    ) -> Result<Vec<FoundInlet>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.inlets(query(OF_OWNER).bind(owner.as_str()).bind(after).bind(i64::from(inlets_max))).await
    }

    async fn count_inlets_of(&self, owner: &BareJid) -> Result<u64, StoreError> {
        let row = query(COUNT).bind(owner.as_str()).fetch_one(&self.readers).await.map_err(store_error)?;
        rows::unsigned(&row, "inlets")
    }

    async fn remove_inlet(&self, id: InletId) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let removed = transaction.execute(query(REMOVE).bind(id.to_string())).await?;
        transaction.commit_write().await?;
        Ok(removed > 0)
    }
}

impl SqliteStore {
    async fn inlets(&self, query: SqliteQuery<'_>) -> Result<Vec<FoundInlet>, StoreError> {
        let rows = query.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.iter().map(found).collect()
    }
}

fn found(row: &SqliteRow) -> Result<FoundInlet, StoreError> {
    let node: Option<String> = row.try_get("node").map_err(store_error)?;
    let has_device = row.try_get::<Option<String>, _>("device_id").map_err(store_error)?.is_some();
    let device = has_device.then(|| device(row)).transpose()?;
    let target = match (&device, node) {
        (Some(device), _) => InletTarget::Device(device.id),
        (None, Some(node)) => InletTarget::Node {
            node: NodeName::new(&node).map_err(|error| inconsistent("push_inlets", &error))?,
            sender_key: row.try_get("sender_key").map_err(store_error)?,
        },
        (None, None) => return Err(inconsistent("push_inlets", &"it leads nowhere")),
    };
    let inlet = Inlet {
        id: text(row, "inlet_id")?.parse().map_err(|error| inconsistent("push_inlets", &error))?,
        owner: rows::bare_jid(row, "inlet_owner")?,
        secret: text(row, "secret")?.parse().map_err(|error| inconsistent("push_inlets", &error))?,
        target,
        created_at_ms: integer(row, "created_at_ms")?,
    };
    Ok(FoundInlet { inlet, device })
}
