use harness::Postgres;

#[tokio::test]
async fn databases_outlive_a_stop_and_a_kill() {
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let database = url.rsplit('/').next().unwrap();
    postgres.sql(database, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    postgres.stop().await.unwrap();
    assert!(postgres.sql(database, "SELECT 1").await.is_err(), "nobody listens after the stop");
    postgres.start_again().await.unwrap();
    postgres.sql(database, "INSERT INTO t VALUES (2)").await.unwrap();
    postgres.kill9().await.unwrap();
    postgres.start_again().await.unwrap();
    assert_eq!(postgres.sql(database, "SELECT n FROM t ORDER BY n").await.unwrap(), "1\n2");
    assert_eq!(postgres.url(database), url);
}

#[tokio::test]
async fn a_suspended_server_goes_on_where_it_was() {
    let postgres = Postgres::start().await.unwrap();
    postgres.suspend().unwrap();
    let answer = postgres.sql("postgres", "SELECT 1");
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), answer).await;
    assert!(waited.is_err(), "nobody answers");
    postgres.resume().unwrap();
    assert_eq!(postgres.sql("postgres", "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn a_dropped_server_leaves_no_process_and_no_folder() {
    let postgres = Postgres::start_on_small_disk(128 << 20).await.unwrap();
    let folder = postgres.sql("postgres", "SHOW data_directory").await.unwrap();
    let id = postgres.process_id().unwrap();
    drop(postgres);
    let gone = async || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        let is_gone =
            stat.map_or(true, |stat| stat.contains(") Z ")) && !std::path::Path::new(&folder).exists();
        is_gone.then_some(())
    };
    harness::wait_until("its end", std::time::Duration::from_mins(1), gone).await.unwrap();
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(folder.trim_end_matches("/cluster")), "{mounts}");
}

#[tokio::test]
async fn a_server_that_does_not_start_is_reported_with_its_log() {
    let error = format!("{:#}", Postgres::start_with_settings(&["nonsense=1"]).await.unwrap_err());
    assert!(error.contains("ended by itself") && error.contains("nonsense"), "{error}");
}
