use async_trait::async_trait;
use bus_domain::consumer::{ConsumerId, ConsumerName};
use bus_domain::push::profile::Topic;
use bus_domain::push::{DeviceId, ProfileConfig, ProfileName, PushJob, PushProfile};
use bus_domain::{BareJid, NodeId};
use bus_store::{
    CommitLevel, CursorPlace, DevicePreferences, FanOutPlace, NewProfile, ProfileCursor, ProfileJob,
    ProfileMove, PushProfileStore, PushTarget, StoreError,
};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::consumers::{DELETE_CURSORS, hold};
use crate::devices::{device, id_list};
use crate::error::store_error;
use crate::rows::{self, inconsistent, numbers, signed, text};
use crate::statement::{PgQuery, query, statements};
use crate::transaction::PostgresTransaction;

/// What stands in front of a profile's name among those of consumers, which have no spaces.
const NAME_PREFIX: &str = "push ";

/// The columns that [`profile`] reads.
macro_rules! profile_columns {
    () => {
        "consumer_id, name, owner, is_of_admin, config::text AS config, created_at_ms, push_failures, push_failure"
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
    INSERT = "INSERT INTO consumers (reader, name, owner, is_of_admin, config, created_at_ms)
         VALUES ('push', $1, $2, $3, $4::text::jsonb, $5) ON CONFLICT (name) DO NOTHING RETURNING consumer_id";
    FIND = concat!("SELECT ", profile_columns!(), " FROM consumers WHERE reader = 'push' AND name = $1");
    LIST = concat!("SELECT ", profile_columns!(), " FROM consumers WHERE reader = 'push' AND name > $1 ORDER BY name LIMIT $2");
    UPDATE = "UPDATE consumers SET config = $2::text::jsonb, fence = fence + 1, claimed_until_ms = 0
         WHERE reader = 'push' AND consumer_id = $1";
    KEEP_CURSORS = "DELETE FROM consumer_cursors WHERE consumer_id = $1 AND node_id <> ALL($2)";
    ADD_CURSORS = "INSERT INTO consumer_cursors (consumer_id, node_id, seq)
         SELECT $1, h.node_id, k.seq FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS k (node_id, epoch, seq)
         JOIN heads h ON h.node_id = k.node_id AND h.epoch = k.epoch
         ON CONFLICT (node_id, consumer_id) DO NOTHING";
    DELETE = "DELETE FROM consumers WHERE reader = 'push' AND consumer_id = $1";
    CURSORS = concat!(profile_cursors!(), " WHERE c.consumer_id = $1 AND c.node_id = ANY($2) ORDER BY c.node_id");
    BEHIND = concat!(profile_cursors!(), " JOIN consumers p ON p.consumer_id = c.consumer_id AND p.reader = 'push'
         WHERE (c.consumer_id, c.node_id) > ($1, $2) AND c.seq < h.seq AND n.deleted_at_ms IS NULL
         ORDER BY c.consumer_id, c.node_id LIMIT $3");
    MOVE = "INSERT INTO consumer_cursors AS old (consumer_id, node_id, seq, fan_out)
         SELECT $1, h.node_id, $4::bigint, $5::text FROM heads h WHERE h.node_id = $2 AND h.epoch = $3
         ON CONFLICT (node_id, consumer_id) DO UPDATE SET seq = greatest(old.seq, excluded.seq), fan_out = excluded.fan_out";
    NOTE_FAILURES = "UPDATE consumers SET push_failures = push_failures + $2, push_failure = $3 WHERE consumer_id = $1";
    COALESCE = "UPDATE push_jobs j SET message = n.message, expires_at_ms = n.expires_at_ms
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (name, message, expires_at_ms) WHERE j.coalesced_as = n.name";
    ENQUEUE = "INSERT INTO push_jobs (job_id, device_id, provider, message, state, enqueued_at_ms, due_at_ms, expires_at_ms,
             attempts, account, coalesced_as)
         SELECT n.id, n.device, n.provider, n.message, 'waiting', n.enqueued_at_ms, n.due_at_ms, n.expires_at_ms, n.attempts, n.account, n.name
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                     $9::text[], $10::text[])
             AS n (id, device, provider, message, enqueued_at_ms, due_at_ms, expires_at_ms, attempts, account, name)
         WHERE NOT EXISTS (SELECT 1 FROM push_jobs w WHERE w.coalesced_as = n.name)
         ORDER BY n.id
         ON CONFLICT (job_id) DO NOTHING";
    OF_OWNERS = concat!("SELECT ", target_columns!(), " FROM push_devices d
         WHERE d.owner = ANY($1) AND d.quarantined IS NULL LIMIT $2");
    OF_TOPIC = concat!("SELECT ", target_columns!(), " FROM push_topics t JOIN push_devices d ON d.device_id = t.device_id
         WHERE t.topic = $1 AND t.device_id > $2 AND d.quarantined IS NULL ORDER BY t.device_id LIMIT $3");
    SET_LOCALE = "UPDATE push_devices SET locale = $2 WHERE device_id = $1";
    CLEAR_TOPICS = "DELETE FROM push_topics WHERE device_id = $1";
    ADD_TOPICS = "INSERT INTO push_topics (topic, device_id) SELECT DISTINCT t.topic, $1 FROM unnest($2::text[]) AS t (topic)";
}

#[async_trait]
impl PushProfileStore for PostgresStore {
    async fn create_profile(&self, new: &NewProfile) -> Result<Option<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let insert = query(INSERT)
            .bind(stored_name(&new.name))
            .bind(new.owner.as_str().to_owned())
            .bind(new.is_of_admin)
            .bind(stored_config(&new.config)?)
            .bind(new.created_at_ms);
        let Some(row) = transaction.fetch_optional(insert).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let id = ConsumerId(rows::integer(&row, "consumer_id")?);
        add_cursors(&mut transaction, id, &new.cursors).await?;
        transaction.commit_write().await?;
        Ok(Some(id))
    }

    async fn find_profile(&self, name: &ProfileName) -> Result<Option<PushProfile>, StoreError> {
        let find = query(FIND).bind(stored_name(name));
        self.pool.session().await?.fetch_optional(find).await?.map(|row| profile(&row)).transpose()
    }

    async fn list_profiles(
        &self,
        after: Option<&ProfileName>,
        profiles_max: u32,
    ) -> Result<Vec<PushProfile>, StoreError> {
        let after = after.map_or_else(|| NAME_PREFIX.to_owned(), stored_name);
        let list = query(LIST).bind(after).bind(i64::from(profiles_max));
        self.pool.session().await?.fetch_all(list).await?.iter().map(profile).collect()
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
            transaction.rollback().await?;
            return Ok(false);
        }
        let nodes: Vec<_> = cursors.iter().map(|place| place.node.0).collect();
        transaction.execute(query(KEEP_CURSORS).bind(profile.0).bind(nodes)).await?;
        add_cursors(&mut transaction, profile, cursors).await?;
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn delete_profile(&self, profile: ConsumerId) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        if transaction.execute(query(DELETE).bind(profile.0)).await? == 0 {
            transaction.rollback().await?;
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
        let cursors = query(CURSORS).bind(profile.0).bind(numbers(nodes));
        self.pool.session().await?.fetch_all(cursors).await?.iter().map(cursor).collect()
    }

    async fn profile_cursors_behind(
        &self,
        after: Option<(ConsumerId, NodeId)>,
        cursors_max: u32,
    ) -> Result<Vec<ProfileCursor>, StoreError> {
        let (profile, node) = after.map_or((0, 0), |(profile, node)| (profile.0, node.0));
        let behind = query(BEHIND).bind(profile).bind(node).bind(i64::from(cursors_max));
        self.pool.session().await?.fetch_all(behind).await?.iter().map(cursor).collect()
    }

    async fn move_profile(&self, moved: &ProfileMove) -> Result<bool, StoreError> {
        let (coalescing, enqueueing) = enqueueing(&moved.jobs)?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        if hold(&mut transaction, &[(moved.profile, moved.fence)]).await?.is_empty() {
            transaction.rollback().await?;
            return Ok(false);
        }
        let place = query(MOVE)
            .bind(moved.profile.0)
            .bind(moved.node.0)
            .bind(moved.epoch.0.cast_signed())
            .bind(signed(moved.through_seq))
            .bind(moved.fan_out.as_ref().map(FanOutPlace::to_text));
        if transaction.execute(place).await? == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        if let Some(coalescing) = coalescing {
            transaction.execute(coalescing).await?;
        }
        if !moved.jobs.is_empty() {
            transaction.execute(enqueueing).await?;
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
        let topics: Vec<_> = preferences.topics.iter().map(|topic| topic.as_str().to_owned()).collect();
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let locale = query(SET_LOCALE).bind(id.clone()).bind(preferences.locale.clone());
        if transaction.execute(locale).await? == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.execute(query(CLEAR_TOPICS).bind(id.clone())).await?;
        transaction.execute(query(ADD_TOPICS).bind(id).bind(topics)).await?;
        transaction.commit_write().await?;
        Ok(true)
    }
}

impl PostgresStore {
    async fn targets(&self, query: PgQuery<'_>) -> Result<Vec<PushTarget>, StoreError> {
        self.pool.session().await?.fetch_all(query).await?.iter().map(target).collect()
    }
}

async fn add_cursors(
    transaction: &mut PostgresTransaction,
    profile: ConsumerId,
    cursors: &[CursorPlace],
) -> Result<(), StoreError> {
    let column = |value: fn(&CursorPlace) -> i64| cursors.iter().map(value).collect::<Vec<_>>();
    let add = query(ADD_CURSORS)
        .bind(profile.0)
        .bind(column(|place| place.node.0))
        .bind(column(|place| place.epoch.0.cast_signed()))
        .bind(column(|place| signed(place.through_seq)));
    transaction.execute(add).await.map(drop)
}

fn stored_name(name: &ProfileName) -> String {
    format!("{NAME_PREFIX}{name}")
}

fn stored_config(config: &ProfileConfig) -> Result<String, StoreError> {
    serde_json::to_string(config).map_err(|error| inconsistent("consumers", &error))
}

/// What gives waiting jobs new messages, if there is anything to be put together, and what adds jobs.
fn enqueueing(jobs: &[ProfileJob]) -> Result<(Option<PgQuery<'static>>, PgQuery<'static>), StoreError> {
    let messages =
        jobs.iter().map(|job| serde_json::to_string(&job.job.message)).collect::<Result<Vec<_>, _>>();
    let messages = messages.map_err(|error| inconsistent("push_jobs", &error))?;
    let name = |name: [u8; 16]| format!("{:032x}", u128::from_be_bytes(name));
    let names: Vec<_> = jobs.iter().map(|job| job.coalesced_as.map(name)).collect();
    let texts = |text: fn(&PushJob) -> String| jobs.iter().map(|job| text(&job.job)).collect::<Vec<_>>();
    let numbers = |number: fn(&PushJob) -> i64| jobs.iter().map(|job| number(&job.job)).collect::<Vec<_>>();
    let coalesce =
        || query(COALESCE).bind(names.clone()).bind(messages.clone()).bind(numbers(|job| job.expires_at_ms));
    let coalescing = names.iter().any(Option::is_some).then(coalesce);
    let enqueueing = query(ENQUEUE)
        .bind(texts(|job| job.id.to_string()))
        .bind(texts(|job| job.device.to_string()))
        .bind(texts(|job| job.provider.as_str().to_owned()))
        .bind(messages.clone())
        .bind(numbers(|job| job.enqueued_at_ms))
        .bind(numbers(|job| job.due_at_ms))
        .bind(numbers(|job| job.expires_at_ms))
        .bind(numbers(|job| i64::from(job.attempts)))
        .bind(texts(|job| job.account.to_string()))
        .bind(names.clone());
    Ok((coalescing, enqueueing))
}

fn profile(row: &PgRow) -> Result<PushProfile, StoreError> {
    let name = text(row, "name")?;
    let name = ConsumerName::new(name.strip_prefix(NAME_PREFIX).unwrap_or(&name));
    Ok(PushProfile {
        id: ConsumerId(rows::integer(row, "consumer_id")?),
        name: name.map_err(|error| inconsistent("consumers", &error))?,
        owner: rows::parse_bare_jid(&text(row, "owner")?)?,
        is_of_admin: rows::boolean(row, "is_of_admin")?,
        config: serde_json::from_str(&text(row, "config")?)
            .map_err(|error| inconsistent("consumers", &error))?,
        created_at_ms: rows::integer(row, "created_at_ms")?,
        failures: rows::unsigned(row, "push_failures")?,
        last_failure: row.try_get("push_failure").map_err(store_error)?,
    })
}

fn cursor(row: &PgRow) -> Result<ProfileCursor, StoreError> {
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

fn target(row: &PgRow) -> Result<PushTarget, StoreError> {
    Ok(PushTarget { device: device(row)?, locale: row.try_get("locale").map_err(store_error)? })
}
