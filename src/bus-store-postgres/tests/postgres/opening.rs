//! What is checked and set when a database is opened.

use bus_store::{CommitLevel, CursorStore as _, Leg, Store as _, StoreError};
use bus_store_postgres::{PostgresLimits, PostgresUrl, inspect};
use harness::Postgres;

use crate::fixture::{IMPATIENT, advance, database, make_node, open, try_open};

#[tokio::test]
async fn instances_that_start_at_once_take_turns_with_the_schema() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let open = || try_open(&url, PostgresLimits::default());
    let (first, second, third) = tokio::join!(open(), open(), open());
    let key = first.unwrap().id_key().await.unwrap();
    assert_eq!(second.unwrap().id_key().await.unwrap(), key);
    assert_eq!(third.unwrap().id_key().await.unwrap(), key);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    drop(open(&url, IMPATIENT).await);
    postgres.sql(database(&url), "UPDATE _sqlx_migrations SET version = 99 WHERE version = 4").await.unwrap();
    let refused = try_open(&url, IMPATIENT).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 99, .. })), "{refused:?}");
    let seen = inspect(&PostgresUrl::parse(&url).unwrap(), IMPATIENT).await;
    assert!(matches!(seen, Err(StoreError::NewerSchema { found: 99, .. })), "{seen:?}");
}

#[tokio::test]
async fn a_look_changes_nothing_and_names_the_schema() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    let look = async || inspect(&PostgresUrl::parse(&url).unwrap(), IMPATIENT).await.unwrap();
    assert_eq!(look().await.schema_version, None);
    assert_eq!(look().await.risks, Vec::<String>::new());
    assert_eq!(
        postgres
            .sql(database(&url), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .await
            .unwrap(),
        "0"
    );
    drop(open(&url, IMPATIENT).await);
    assert_eq!(look().await.schema_version, Some(22));
}

#[tokio::test]
async fn settings_that_lose_events_are_named_or_overridden() {
    let settings = ["fsync=off", "full_page_writes=off", "synchronous_commit=off"];
    let postgres = Postgres::start_with_settings(&settings).await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let risks = inspect(&PostgresUrl::parse(&url).unwrap(), IMPATIENT).await.unwrap().risks;
    for (risk, setting) in risks.iter().zip(["fsync", "full_page_writes"]) {
        assert!(risk.contains(&format!("set {setting} = on")), "{risk}");
    }
    assert_eq!(risks.len(), 2, "the third is set right for each session");

    // What a session of the store writes into a table of its own settings.
    let store = open(&url, IMPATIENT).await;
    let sql = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                   $$ BEGIN NEW.creator := current_setting('synchronous_commit'); RETURN NEW; END $$;
               CREATE TRIGGER note BEFORE INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION note()";
    postgres.sql(database(&url), sql).await.unwrap();
    make_node(&store, "n").await;
    assert_eq!(postgres.sql(database(&url), "SELECT creator FROM nodes").await.unwrap(), "on");
}

#[tokio::test]
async fn what_cannot_be_connected_to_says_why_and_shows_no_password() {
    let postgres = Postgres::shared().await;
    let wrong = format!("postgres://postgres:not-it@127.0.0.1:{}/postgres", postgres.port());
    for (url, expected) in [
        (wrong.as_str(), "password authentication failed"),
        (&postgres.url("absent"), "database \"absent\" does not exist"),
        (&format!("postgres://postgres:not-it@127.0.0.1:{}/x", harness::free_port()), "cannot connect"),
    ] {
        let refused = try_open(url, IMPATIENT).await.unwrap_err();
        let text = format!("{refused} {refused:?} {:?}", PostgresUrl::parse(url));
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("not-it") && !text.contains(postgres.password()), "{text}");
    }
}

#[tokio::test]
async fn another_encoding_is_refused() {
    let postgres = Postgres::shared().await;
    let create = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
    postgres.sql("postgres", create).await.unwrap();
    let refused = try_open(&postgres.url("latin"), IMPATIENT).await.unwrap_err();
    assert!(refused.to_string().contains("encoding is LATIN1"), "{refused}");
}

#[tokio::test]
async fn a_node_that_cannot_be_read_does_not_keep_others_from_delivery() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    let store = open(&url, IMPATIENT).await;
    for name in ["a", "b", "c"] {
        let node = make_node(&store, name).await;
        let mut transaction = store.begin(CommitLevel::Fsync).await.unwrap();
        transaction.advance_heads(&[advance(node)]).await.unwrap();
        transaction.commit().await.unwrap();
    }
    postgres
        .sql(database(&url), "UPDATE nodes SET config = '{\"access_model\": 1}' WHERE name = 'b'")
        .await
        .unwrap();
    let page = store.undelivered(Leg::Xmpp, None, 9).await.unwrap();
    assert_eq!(page.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
}
