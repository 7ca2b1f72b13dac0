use async_trait::async_trait;
use bus_domain::consumer::{ConsumerId, ConsumerName};
use bus_domain::push::profile::Topic;
use bus_domain::push::{DeviceId, ProfileConfig, ProfileName, PushProfile};
use bus_domain::{BareJid, NodeId};
use bus_store::{
    CommitLevel, CursorPlace, DevicePreferences, FanOutPlace, NewProfile, ProfileCursor, ProfileJob,
    ProfileMove, PushProfileStore, PushTarget, StoreError,
};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::consumers::{DELETE_CURSORS, HELD};
use crate::devices::{device, id_list};
use crate::error::store_error;
use crate::push_jobs::job_values;
use crate::rows::{self, inconsistent, signed, text};
use crate::statement::{SqliteQuery, query, statements};
use crate::transaction::SqliteTransaction;

/// What stands in front of a profile's name among those of consumers, which have no spaces.
const NAME_PREFIX: &str = "push ";

/// The columns that [`profile`] reads.
macro_rules! profile_columns {
    () => {
        "consumer_id, name, owner, is_of_admin, config, created_at_ms, push_failures, push_failure"
    };
}

/// The columns that [`cursor`] reads, and their tables.
macro_rules! profile_cursors {
    () => {
        "SELECT c.consumer_id, n.node_id, n.name, h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                c.seq AS through_seq, c.fan_out
         FROM consumer_cursors c JOIN nodes n ON n.node_id = c.node_id JOIN heads h ON h.node_id = c.node_id"
    };
}

/// The columns that [`target`] reads.
macro_rules! target_columns {
    () => {
        "d.device_id, d.owner, d.address, d.account, d.registered_at_ms, d.seen_at_ms, d.quarantined, d.locale"
    };
}

statements! {
    INSERT = "INSERT INTO consumers (reader, name, owner, is_of_admin, config, created_at_ms) VALUES ('push', ?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO NOTHING RETURNING consumer_id";
    FIND = concat!("SELECT ", profile_columns!(), " FROM consumers WHERE reader = 'push' AND name = ?1");
    LIST = concat!("SELECT ", profile_columns!(), " FROM consumers WHERE reader = 'push' AND name > ?1 ORDER BY name LIMIT ?2");
    UPDATE = "UPDATE consumers SET config = ?2, fence = fence + 1, claimed_until_ms = 0 WHERE reader = 'push' AND consumer_id = ?1";
    KEEP_CURSORS = "DELETE FROM consumer_cursors WHERE consumer_id = ?1 AND node_id NOT IN (SELECT value FROM jsonb_each(?2))";
    ADD_CURSORS = "INSERT INTO consumer_cursors (consumer_id, node_id, seq)
         SELECT ?1, h.node_id, k.value ->> 2 FROM jsonb_each(?2) k
         JOIN heads h ON h.node_id = k.value ->> 0 AND h.epoch = k.value ->> 1 WHERE true
         ON CONFLICT (node_id, consumer_id) DO NOTHING";
    DELETE = "DELETE FROM consumers WHERE reader = 'push' AND consumer_id = ?1";
    CURSORS = concat!(profile_cursors!(), " WHERE c.consumer_id = ?1 AND c.node_id IN (SELECT value FROM jsonb_each(?2))
         ORDER BY c.node_id");
    BEHIND = concat!(profile_cursors!(), " JOIN consumers p ON p.consumer_id = c.consumer_id AND p.reader = 'push'
         WHERE (c.consumer_id, c.node_id) > (?1, ?2) AND c.seq < h.seq AND n.deleted_at_ms IS NULL
         ORDER BY c.consumer_id, c.node_id LIMIT ?3");
    MOVE = "INSERT INTO consumer_cursors (consumer_id, node_id, seq, fan_out)
         SELECT ?1, h.node_id, ?4, ?5 FROM heads h WHERE h.node_id = ?2 AND h.epoch = ?3
         ON CONFLICT (node_id, consumer_id) DO UPDATE SET seq = max(seq, excluded.seq), fan_out = excluded.fan_out";
    NOTE_FAILURES = "UPDATE consumers SET push_failures = push_failures + ?2, push_failure = ?3 WHERE consumer_id = ?1";
    COALESCE = "UPDATE push_jobs SET message = j.value ->> 3, expires_at_ms = j.value ->> 6
         FROM jsonb_each(?1) AS j WHERE coalesced_as = j.value ->> 9";
    ENQUEUE = "INSERT INTO push_jobs (job_id, device_id, provider, message, state, enqueued_at_ms, due_at_ms, expires_at_ms,
             attempts, account, coalesced_as)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 'waiting', value ->> 4, value ->> 5, value ->> 6, value ->> 7,
                value ->> 8, value ->> 9
         FROM jsonb_each(?1)
         WHERE NOT EXISTS (SELECT 1 FROM push_jobs w WHERE w.coalesced_as = value ->> 9)
         ON CONFLICT (job_id) DO NOTHING";
    OF_OWNERS = concat!("SELECT ", target_columns!(), " FROM push_devices d
         WHERE d.owner IN (SELECT value FROM jsonb_each(?1)) AND d.quarantined IS NULL LIMIT ?2");
    OF_TOPIC = concat!("SELECT ", target_columns!(), " FROM push_topics t JOIN push_devices d ON d.device_id = t.device_id
         WHERE t.topic = ?1 AND t.device_id > ?2 AND d.quarantined IS NULL ORDER BY t.device_id LIMIT ?3");
    SET_LOCALE = "UPDATE push_devices SET locale = ?2 WHERE device_id = ?1";
    CLEAR_TOPICS = "DELETE FROM push_topics WHERE device_id = ?1";
    ADD_TOPICS = "INSERT INTO push_topics (topic, device_id) SELECT DISTINCT value, ?1 FROM jsonb_each(?2)";
}

#[async_trait]
impl PushProfileStore for SqliteStore {
    async fn create_profile(&self, new: &NewProfile) -> Result<Option<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let insert = query(INSERT)
            .bind(stored_name(&new.name))
            .bind(new.owner.as_str().to_owned())
            .bind(new.is_of_admin)
            .bind(stored_config(&new.config)?)
            .bind(new.created_at_ms);
        let Some(row) = transaction.fetch_all(insert).await?.into_iter().next() else { return Ok(None) };
        let id = ConsumerId(rows::integer(&row, "consumer_id")?);
        add_cursors(&mut transaction, id, &new.cursors).await?;
        transaction.commit_write().await?;
        Ok(Some(id))
    }

    async fn find_profile(&self, name: &ProfileName) -> Result<Option<PushProfile>, StoreError> {
        let found = query(FIND).bind(stored_name(name)).fetch_optional(&self.readers).await;
        found.map_err(store_error)?.map(|row| profile(&row)).transpose()
    }

    async fn list_profiles(
        &self,
        after: Option<&ProfileName>,
        profiles_max: u32,
    ) -> Result<Vec<PushProfile>, StoreError> {
        let after = after.map_or_else(|| NAME_PREFIX.to_owned(), stored_name);
        let list = query(LIST).bind(after).bind(i64::from(profiles_max));
        list.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(profile).collect()
    }

    async fn update_profile(
        &self,
        profile: ConsumerId,
        config: &ProfileConfig,
        cursors: &[CursorPlace],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let update = query(UPDATE).bind(profile.0).bind(stored_config(config)?);
        if transaction.execute(update).await? == 0 {
            return Ok(false);
        }
        let nodes = node_list(cursors.iter().map(|place| place.node));
        transaction.execute(query(KEEP_CURSORS).bind(profile.0).bind(nodes)).await?;
        add_cursors(&mut transaction, profile, cursors).await?;
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn delete_profile(&self, profile: ConsumerId) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        if transaction.execute(query(DELETE).bind(profile.0)).await? == 0 {
            return Ok(false);
        }
        transaction.execute(query(DELETE_CURSORS).bind(profile.0)).await?;
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn profile_cursors(
        &self,
        profile: ConsumerId,
        nodes: &[NodeId],
    ) -> Result<Vec<ProfileCursor>, StoreError> {
        let nodes = node_list(nodes.iter().copied());
        let found = query(CURSORS).bind(profile.0).bind(nodes).fetch_all(&self.readers).await;
        found.map_err(store_error)?.iter().map(cursor).collect()
    }

    async fn profile_cursors_behind(
        &self,
        after: Option<(ConsumerId, NodeId)>,
        cursors_max: u32,
    ) -> Result<Vec<ProfileCursor>, StoreError> {
        let (profile, node) = after.map_or((0, 0), |(profile, node)| (profile.0, node.0));
        let behind = query(BEHIND).bind(profile).bind(node).bind(i64::from(cursors_max));
        behind.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(cursor).collect()
    }

    async fn move_profile(&self, moved: &ProfileMove) -> Result<bool, StoreError> {
        let jobs = moved.jobs.iter().map(profile_job).collect::<Result<Vec<_>, _>>()?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let fence = json!([[moved.profile.0, signed(moved.fence)]]).to_string();
        if transaction.fetch_all(query(HELD).bind(fence)).await?.is_empty() {
            return Ok(false);
        }
        let place = query(MOVE)
            .bind(moved.profile.0)
            .bind(moved.node.0)
            .bind(moved.epoch.0.cast_signed())
            .bind(signed(moved.through_seq))
            .bind(moved.fan_out.as_ref().map(FanOutPlace::to_text));
        if transaction.execute(place).await? == 0 {
            return Ok(false);
        }
        if !jobs.is_empty() {
            let jobs = Value::Array(jobs).to_string();
            if moved.jobs.iter().any(|job| job.coalesced_as.is_some()) {
                transaction.execute(query(COALESCE).bind(jobs.clone())).await?;
            }
            transaction.execute(query(ENQUEUE).bind(jobs)).await?;
        }
        if moved.failures > 0 {
            let failures = query(NOTE_FAILURES)
                .bind(moved.profile.0)
                .bind(signed(moved.failures))
                .bind(moved.last_failure.clone());
            transaction.execute(failures).await?;
        }
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn targets_of_owners(
        &self,
        owners: &[BareJid],
        devices_max: u32,
    ) -> Result<Vec<PushTarget>, StoreError> {
        self.targets(query(OF_OWNERS).bind(id_list(owners)).bind(i64::from(devices_max))).await
    }

    async fn targets_of_topic(
        &self,
        topic: &Topic,
        after: Option<DeviceId>,
        devices_max: u32,
    ) -> Result<Vec<PushTarget>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.targets(query(OF_TOPIC).bind(topic.as_str()).bind(after).bind(i64::from(devices_max))).await
    }

    async fn set_device_preferences(
        &self,
        device: DeviceId,
        preferences: &DevicePreferences,
    ) -> Result<bool, StoreError> {
        let id = device.to_string();
        let topics = preferences.topics.iter().map(Topic::as_str).map(Value::from).collect();
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let locale = query(SET_LOCALE).bind(id.clone()).bind(preferences.locale.clone());
        if transaction.execute(locale).await? == 0 {
            return Ok(false);
        }
        transaction.execute(query(CLEAR_TOPICS).bind(id.clone())).await?;
        transaction.execute(query(ADD_TOPICS).bind(id).bind(Value::Array(topics).to_string())).await?;
        transaction.commit_write().await?;
        Ok(true)
    }
}

impl SqliteStore {
    async fn targets(&self, query: SqliteQuery<'_>) -> Result<Vec<PushTarget>, StoreError> {
        query.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(target).collect()
    }
}

async fn add_cursors(
    transaction: &mut SqliteTransaction,
    profile: ConsumerId,
    cursors: &[CursorPlace],
) -> Result<(), StoreError> {
    let place =
        |place: &CursorPlace| json!([place.node.0, place.epoch.0.cast_signed(), signed(place.through_seq)]);
    let places = Value::Array(cursors.iter().map(place).collect()).to_string();
    transaction.execute(query(ADD_CURSORS).bind(profile.0).bind(places)).await.map(drop)
}

fn stored_name(name: &ProfileName) -> String {
    format!("{NAME_PREFIX}{name}")
}

fn stored_config(config: &ProfileConfig) -> Result<String, StoreError> {
    serde_json::to_string(config).map_err(|error| inconsistent("consumers", &error))
}

fn node_list(nodes: impl Iterator<Item = NodeId>) -> String {
    Value::Array(nodes.map(|node| node.0.into()).collect()).to_string()
}

fn profile_job(job: &ProfileJob) -> Result<Value, StoreError> {
    let mut values = job_values(&job.job)?;
    let name = job.coalesced_as.map(|name| format!("{:032x}", u128::from_be_bytes(name)));
    if let Value::Array(values) = &mut values {
        values.push(name.into());
    }
    Ok(values)
}

fn profile(row: &SqliteRow) -> Result<PushProfile, StoreError> {
    let name = text(row, "name")?;
    let name = ConsumerName::new(name.strip_prefix(NAME_PREFIX).unwrap_or(&name));
    Ok(PushProfile {
        id: ConsumerId(rows::integer(row, "consumer_id")?),
        name: name.map_err(|error| inconsistent("consumers", &error))?,
        owner: rows::bare_jid(row, "owner")?,
        is_of_admin: rows::integer(row, "is_of_admin")? != 0,
        config: serde_json::from_str(&text(row, "config")?)
            .map_err(|error| inconsistent("consumers", &error))?,
        created_at_ms: rows::integer(row, "created_at_ms")?,
        failures: rows::unsigned(row, "push_failures")?,
        last_failure: row.try_get("push_failure").map_err(store_error)?,
    })
}

fn cursor(row: &SqliteRow) -> Result<ProfileCursor, StoreError> {
    let fan_out: Option<String> = row.try_get("fan_out").map_err(store_error)?;
    Ok(ProfileCursor {
        profile: ConsumerId(rows::integer(row, "consumer_id")?),
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        head: rows::head(row)?,
        through_seq: rows::unsigned(row, "through_seq")?,
        fan_out: fan_out.as_deref().and_then(FanOutPlace::from_text),
    })
}

fn target(row: &SqliteRow) -> Result<PushTarget, StoreError> {
    Ok(PushTarget { device: device(row)?, locale: row.try_get("locale").map_err(store_error)? })
}
