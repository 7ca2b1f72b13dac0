//! The hot write statements find rows by their keys: the planner of the SQLite that is built in is asked.

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::{epochs, heads, idempotency, items, usage};
use crate::statement::Statement;
use crate::{SqliteStore, archive, creation, cursors, entities, lagging, presence, retention, subscriptions};

const SUBSCRIPTION_BY_ID: &str = "USING PRIMARY KEY (node_id=? AND subscription_id=?)";
const ITEM_BY_ID: &str = "USING PRIMARY KEY (node_id=? AND item_id=?)";

const ITEM_BY_POSITION: &str = "SEARCH items USING INDEX items_by_seq (node_id=? AND seq=?)";

#[tokio::test]
async fn hot_statements_never_read_a_whole_table() {
    let mut planner = Planner::new().await;
    let own = [
        items::PLACE,
        items::LOWER_COUNTS,
        items::NOTE_RETRACTED,
        cursors::MOVE,
        epochs::RENEW,
        cursors::REAP_SUBSCRIPTIONS,
        crate::idempotency::FORGET,
        usage::READ,
        usage::FORGET,
        lagging::ADD,
        lagging::MOVE,
        lagging::END,
        retention::RETAINED,
        retention::EXPIRE,
        retention::OLDEST,
        retention::TRIM_HEAD,
        retention::TRIM_EVENTS,
        retention::SWEEP,
        retention::TAKE_RETRACTED,
        retention::BLANK_HEAD,
        retention::BLANK_EVENTS,
    ];
    for Statement(sql) in
        own.into_iter().chain(epochs::SET_BACK).chain(cursors::REAP_ROWS).chain(cursors::REAP_REST)
    {
        assert_eq!(full_scans(&planner.plan(sql).await), Vec::<&String>::new(), "{sql}");
    }
    let whole = planner.plan("DELETE FROM items WHERE seq = 1").await;
    assert_eq!(full_scans(&whole).len(), 1, "a full scan is seen: {whole:?}");
}

#[tokio::test]
async fn hot_statements_look_each_row_up_by_its_whole_key() {
    let mut planner = Planner::new().await;
    for (Statement(sql), look_up) in [
        (heads::ADVANCE, "SEARCH heads USING INTEGER PRIMARY KEY (rowid=?)"),
        (
            idempotency::FIND,
            "SEARCH k USING INDEX sqlite_autoindex_idempotency_keys_1 (node_id=? AND principal=? AND key=?)",
        ),
        (crate::epochs::RELAXED_NODES, "SEARCH nodes USING INDEX nodes_relaxed (node_id>?)"),
        (
            entities::SUBSCRIPTIONS,
            "SEARCH s USING INDEX subscriptions_by_entity (bare_jid=? AND (node_id,subscription_id)>(?,?))",
        ),
        (
            presence::OF_ENTITY,
            "SEARCH s USING INDEX subscriptions_by_entity (bare_jid=? AND (node_id,subscription_id)>(?,?))",
        ),
        (presence::PURGED, "SEARCH a USING INDEX affiliations_by_entity (jid=? AND node_id>?)"),
        (entities::AFFILIATIONS, "SEARCH a USING INDEX affiliations_by_entity (jid=? AND node_id>?)"),
        (entities::PENDING_OF_OWNER, "SEARCH a USING INDEX affiliations_by_entity (jid=? AND node_id>?)"),
        (
            entities::PENDING_OF_OWNER,
            "SEARCH s EXISTS USING COVERING INDEX subscriptions_pending (node_id=?)",
        ),
        (
            subscriptions::PENDING,
            "SEARCH subscriptions USING INDEX subscriptions_pending (node_id=? AND subscription_id>?)",
        ),
        (
            archive::FORWARDS,
            "SEARCH r USING COVERING INDEX retracted_payloads_by_event (node_id=? AND seq=?)",
        ),
        (items::FIND, &format!("SEARCH i {ITEM_BY_ID}")),
        (items::REMOVE, &format!("SEARCH items {ITEM_BY_ID}")),
        (lagging::NOTE, &format!("SEARCH subscriptions {SUBSCRIPTION_BY_ID}")),
        (lagging::TARGETS, &format!("SEARCH s {SUBSCRIPTION_BY_ID}")),
        (items::REMOVE_OLDEST, ITEM_BY_POSITION),
        (retention::EVICT, ITEM_BY_POSITION),
        (retention::EXPIRE, ITEM_BY_POSITION),
        (retention::SWEEP, ITEM_BY_POSITION),
    ] {
        let plan = planner.plan(sql).await;
        assert!(plan.iter().any(|step| step == look_up), "{sql}: {plan:?}");
        assert_eq!(full_scans(&plan), Vec::<&String>::new(), "{sql}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql} sorts: {plan:?}");
    }
}

/// What somebody asks about a few rows of a node does not cost as much as the node has rows. Whoever waits is counted.
#[tokio::test]
async fn no_question_reads_all_of_a_node() {
    let mut planner = Planner::new().await;
    let questions = crate::statement_texts().into_iter().filter(|sql| sql.starts_with("SELECT"));
    for sql in questions.filter(|sql| sql.contains(" WHERE ")) {
        let plan = planner.plan(sql).await;
        let reads_all = |step: &&String| {
            let grows = ["s", "subscriptions", "i", "items", "e", "events"].map(|it| format!("SEARCH {it} "));
            step.ends_with("(node_id=?)")
                && grows.iter().any(|start| step.starts_with(start))
                && !step.contains("subscriptions_pending")
        };
        assert_eq!(plan.iter().find(reads_all), None, "{sql}");
    }
}

/// The merge reads two windows whole, and sorts no more than these.
#[tokio::test]
async fn lists_by_creation_are_merged_of_two_indexes() {
    let plan = Planner::new().await.plan(creation::FORWARDS.0).await;
    for (index, position) in [("items_never_overwritten", "seq"), ("items_by_creation", "created_seq")] {
        let look_up = format!("SEARCH i USING INDEX {index} (node_id=? AND {position}>? AND {position}<?)");
        assert!(plan.contains(&look_up), "{plan:?}");
    }
    assert!(full_scans(&plan).iter().all(|step| step.starts_with("SCAN (subquery-")), "{plan:?}");
    for steps in plan.windows(2).filter(|steps| steps[1].contains("TEMP B-TREE")) {
        assert!(steps[0].starts_with("SCAN (subquery-"), "{plan:?}");
    }
}

#[tokio::test]
async fn nodes_on_which_somebody_waits_are_found_without_reading_who() {
    let Statement(sql) = entities::PENDING_OF_ALL;
    let plan = Planner::new().await.plan(sql).await;
    let steps =
        plan.iter().filter(|step| step.contains("USING COVERING INDEX subscriptions_pending (node_id>?)"));
    assert_eq!(steps.count(), 2, "the first one and the next one: {plan:?}");
}

/// Of a page, and only of it, two ordered searches are merged.
#[tokio::test]
async fn what_hangs_on_presence_is_found_by_its_own_indexes() {
    let plan = Planner::new().await.plan(presence::ALL.0).await;
    for look_up in [
        "SEARCH s USING INDEX subscriptions_temporary ((node_id,subscription_id)>(?,?))",
        "SEARCH n USING INDEX nodes_on_presence (node_id>?)",
        "SEARCH s USING PRIMARY KEY (node_id=? AND subscription_id>?)",
    ] {
        assert!(plan.iter().any(|step| step == look_up), "{look_up}: {plan:?}");
    }
    let of_pages = ["SCAN temporary", "SCAN of_nodes", "SCAN k"];
    assert!(full_scans(&plan).iter().all(|step| of_pages.contains(&step.as_str())), "{plan:?}");
    for steps in plan.windows(2).filter(|steps| steps[1].contains("TEMP B-TREE")) {
        assert!(of_pages.contains(&steps[0].as_str()), "{plan:?}");
    }
}

/// The steps that read a whole table of ours; a batch's own JSON array and a bounded list of the oldest items are read
/// whole on purpose.
fn full_scans(plan: &[String]) -> Vec<&String> {
    let on_purpose = |step: &str| step.contains("VIRTUAL TABLE") || step == "SCAN oldest";
    plan.iter().filter(|step| step.starts_with("SCAN") && !on_purpose(step)).collect()
}

struct Planner {
    connection: SqliteConnection,
    _folder: tempfile::TempDir,
}

impl Planner {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bus.db");
        drop(SqliteStore::open(&path).await.expect("a store"));
        let connection =
            SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection");
        Self { connection, _folder: folder }
    }

    async fn plan(&mut self, sql: &str) -> Vec<String> {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(explain).fetch_all(&mut self.connection).await.expect("a plan");
        assert!(!steps.is_empty(), "no plan for {sql}");
        steps.iter().map(|step| step.get("detail")).collect()
    }
}
