//! Between rows and our types.

use bus_domain::bounce::Failures;
use bus_domain::retract::StoredItem;
use bus_domain::{
    Affiliation, BareJid, Epoch, Event, EventKind, ItemId, Jid, NodeConfig, NodeId, NodeName, Origin,
    Payload, RedirectUri, Subscription, SubscriptionId, SubscriptionOptions, SubscriptionState,
};
use bus_store::{Head, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::error::store_error;

/// The columns that [`event`] reads, of the table alias `e`.
macro_rules! event_columns {
    () => {
        "e.seq, e.kind, e.item_id, e.publisher, e.payload, e.published_at_ms, e.recipients_version, e.due_after_seq, e.origin"
    };
}
pub(crate) use event_columns;

const PUBLISHED: i64 = 1;
const RETRACTED: i64 = 2;
const PURGED: i64 = 3;
const CONFIGURED: i64 = 4;
const DELETED: i64 = 5;
const ASSOCIATED: i64 = 6;
const DISSOCIATED: i64 = 7;

/// The number of a kind in `events.kind`; of what was forwarded, that of what was told.
pub(crate) fn kind_number(kind: &EventKind) -> i64 {
    match kind.told() {
        EventKind::Published { .. } => PUBLISHED,
        EventKind::Retracted { .. } => RETRACTED,
        EventKind::Purged => PURGED,
        EventKind::Configured => CONFIGURED,
        EventKind::Deleted { .. } => DELETED,
        EventKind::Associated { .. } => ASSOCIATED,
        EventKind::Dissociated { .. } => DISSOCIATED,
        EventKind::Forwarded { kind, .. } => kind_number(kind),
    }
}

/// An event from [`EVENT_COLUMNS`].
pub(crate) fn event(row: &PgRow) -> Result<Event, StoreError> {
    Ok(Event {
        seq: unsigned(row, "seq")?,
        kind: event_kind(row)?,
        publisher: Jid::new(&text(row, "publisher")?).map_err(|error| inconsistent("events", &error))?,
        published_at_ms: integer(row, "published_at_ms")?,
        recipients_version: unsigned(row, "recipients_version")?,
        due_after_seq: optional_unsigned(row, "due_after_seq")?,
    })
}

fn event_kind(row: &PgRow) -> Result<EventKind, StoreError> {
    let origin = origin(row)?;
    let child = || {
        let child = origin.as_ref().and_then(|origin| origin.child.clone());
        child.ok_or_else(|| inconsistent("events", &"an association without a child"))
    };
    let kind = match integer(row, "kind")? {
        PUBLISHED => {
            let payload: Option<String> = row.try_get("payload").map_err(store_error)?;
            EventKind::Published { item_id: item_id(row)?, payload: payload.map(Payload::from_serialised) }
        }
        RETRACTED => EventKind::Retracted { item_id: item_id(row)? },
        PURGED => EventKind::Purged,
        CONFIGURED => EventKind::Configured,
        DELETED => EventKind::Deleted { redirect: redirect(row, "payload")? },
        ASSOCIATED => EventKind::Associated { child: child()? },
        DISSOCIATED => EventKind::Dissociated { child: child()? },
        other => return Err(inconsistent("events", &format!("kind {other}"))),
    };
    Ok(kind.forwarded(origin))
}

fn origin(row: &PgRow) -> Result<Option<Origin>, StoreError> {
    let stored: Option<String> = row.try_get("origin").map_err(store_error)?;
    let parsed = stored.map(|stored| serde_json::from_str(&stored)).transpose();
    parsed.map_err(|error| inconsistent("events", &error))
}

/// The origin of an event as it is stored.
pub(crate) fn stored_origin(event: &Event) -> Option<String> {
    event.kind.origin().and_then(|origin| serde_json::to_string(&origin).ok())
}

/// What `events.payload` holds of an event: its content, or where the node has moved whose end it is.
pub(crate) fn content(kind: &EventKind) -> Option<&str> {
    kind.payload().map(Payload::as_str).or_else(|| kind.redirect().map(RedirectUri::as_str))
}

/// Where a node has moved, or NULL.
pub(crate) fn redirect(row: &PgRow, column: &str) -> Result<Option<RedirectUri>, StoreError> {
    let uri: Option<String> = row.try_get(column).map_err(store_error)?;
    uri.map(|uri| RedirectUri::new(&uri).map_err(|error| inconsistent("redirects", &error))).transpose()
}

/// An item's id.
pub(crate) fn item_id(row: &PgRow) -> Result<ItemId, StoreError> {
    let id: Option<String> = row.try_get("item_id").map_err(store_error)?;
    ItemId::new(&id.unwrap_or_default()).map_err(|error| inconsistent("events", &error))
}

/// An item from the columns of its id and of its newest event.
pub(crate) fn stored_item(row: &PgRow) -> Result<StoredItem, StoreError> {
    Ok(StoredItem {
        id: item_id(row)?,
        seq: unsigned(row, "seq")?,
        publisher: Jid::new(&text(row, "publisher")?).map_err(|error| inconsistent("events", &error))?,
        published_at_ms: integer(row, "published_at_ms")?,
    })
}

/// A head from its columns of the same names.
pub(crate) fn head(row: &PgRow) -> Result<Head, StoreError> {
    Ok(Head {
        epoch: epoch(row)?,
        seq: unsigned(row, "seq")?,
        trimmed_through_seq: unsigned(row, "trimmed_through_seq")?,
        rules_version: unsigned(row, "rules_version")?,
        recipients_version: unsigned(row, "recipients_version")?,
    })
}

/// A subscription from its columns of the same names.
pub(crate) fn subscription(row: &PgRow) -> Result<Subscription, StoreError> {
    let state = text(row, "state")?;
    Ok(Subscription {
        id: SubscriptionId(integer(row, "subscription_id")?),
        jid: Jid::new(&text(row, "jid")?).map_err(|error| inconsistent("subscriptions", &error))?,
        state: SubscriptionState::parse(&state)
            .ok_or_else(|| inconsistent("subscriptions", &format!("state {state}")))?,
        since_seq: unsigned(row, "since_seq")?,
        sub_id: optional_integer(row, "sub_id")?.map(SubscriptionId),
        options: subscription_options(row)?,
    })
}

/// A subscription's options: JSON, and when they end has a column of its own.
fn subscription_options(row: &PgRow) -> Result<SubscriptionOptions, StoreError> {
    let stored = text(row, "options")?;
    let options: SubscriptionOptions =
        serde_json::from_str(&stored).map_err(|error| inconsistent("subscriptions", &error))?;
    Ok(SubscriptionOptions { expires_at_ms: optional_integer(row, "expires_at_ms")?, ..options })
}

/// Options as they are stored.
pub(crate) fn stored_options(options: &SubscriptionOptions) -> String {
    serde_json::to_string(options).unwrap_or_else(|_| "{}".to_owned())
}

/// A subscription's failures from their two columns; `None` if there are none.
pub(crate) fn failures(row: &PgRow) -> Result<Option<Failures>, StoreError> {
    let since_ms = optional_integer(row, "failing_since_ms")?;
    let through_seq = optional_unsigned(row, "failed_seq")?;
    Ok(since_ms.zip(through_seq).map(|(since_ms, through_seq)| Failures { since_ms, through_seq }))
}

/// Whether a subscription is parked.
pub(crate) fn is_parked(row: &PgRow) -> Result<bool, StoreError> {
    Ok(optional_integer(row, "parked_at_ms")?.is_some())
}

/// A node's name.
pub(crate) fn node_name(row: &PgRow) -> Result<NodeName, StoreError> {
    named(row, "name")
}

/// A node's name, in another column.
pub(crate) fn named(row: &PgRow, column: &str) -> Result<NodeName, StoreError> {
    NodeName::new(&text(row, column)?).map_err(|error| inconsistent("nodes", &error))
}

/// A node's configuration.
pub(crate) fn node_config(row: &PgRow) -> Result<NodeConfig, StoreError> {
    serde_json::from_str(&text(row, "config")?).map_err(|error| inconsistent("nodes", &error))
}

/// An affiliation; NULL is none.
pub(crate) fn affiliation(row: &PgRow) -> Result<Affiliation, StoreError> {
    let value: Option<String> = row.try_get("affiliation").map_err(store_error)?;
    value.map_or(Ok(Affiliation::None), |value| parse_affiliation(&value))
}

/// An affiliation by its name.
pub(crate) fn parse_affiliation(name: &str) -> Result<Affiliation, StoreError> {
    Affiliation::parse(name).ok_or_else(|| inconsistent("affiliations", &format!("affiliation {name}")))
}

/// A bare address from its text.
pub(crate) fn parse_bare_jid(text: &str) -> Result<BareJid, StoreError> {
    BareJid::new(text).map_err(|error| inconsistent("addresses", &error))
}

/// An epoch, kept as the signed integer of the same bits.
pub(crate) fn epoch(row: &PgRow) -> Result<Epoch, StoreError> {
    Ok(Epoch(integer(row, "epoch")?.cast_unsigned()))
}

/// A signed column.
pub(crate) fn integer(row: &PgRow, column: &str) -> Result<i64, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// A truth value.
pub(crate) fn boolean(row: &PgRow, column: &str) -> Result<bool, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// A column of bytes.
pub(crate) fn bytes(row: &PgRow, column: &str) -> Result<Vec<u8>, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// A column of a list of texts.
pub(crate) fn texts(row: &PgRow, column: &str) -> Result<Vec<String>, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// A column that is never negative.
pub(crate) fn unsigned(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    let value = integer(row, column)?;
    u64::try_from(value).map_err(|_| inconsistent("of the query", &format!("{column} is {value}")))
}

/// A number of rows; more than fit into 32 bits are as many as fit.
pub(crate) fn count(row: &PgRow, column: &str) -> Result<u32, StoreError> {
    Ok(u32::try_from(unsigned(row, column)?).unwrap_or(u32::MAX))
}

/// A value of ours as PostgreSQL keeps it: positions and counts stay far below 2^63.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The numbers of nodes, as one parameter.
pub(crate) fn numbers(nodes: &[NodeId]) -> Vec<i64> {
    nodes.iter().map(|node| node.0).collect()
}

/// A session's number.
pub(crate) fn session(row: &PgRow) -> Result<u32, StoreError> {
    let number: i32 = row.try_get("session").map_err(store_error)?;
    Ok(number.cast_unsigned())
}

/// A bound on bytes.
pub(crate) fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A signed column, or NULL.
pub(crate) fn optional_integer(row: &PgRow, column: &str) -> Result<Option<i64>, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// A column that is never negative, or NULL.
pub(crate) fn optional_unsigned(row: &PgRow, column: &str) -> Result<Option<u64>, StoreError> {
    let value: Option<i64> = row.try_get(column).map_err(store_error)?;
    Ok(value.map(i64::cast_unsigned))
}

/// A column of text that may be empty.
pub(crate) fn optional_text(row: &PgRow, column: &str) -> Result<Option<String>, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// A text column.
pub(crate) fn text(row: &PgRow, column: &str) -> Result<String, StoreError> {
    row.try_get(column).map_err(store_error)
}

/// Something that we never write.
pub(crate) fn inconsistent(table: &'static str, message: &impl ToString) -> StoreError {
    StoreError::Inconsistent { table, message: message.to_string() }
}
