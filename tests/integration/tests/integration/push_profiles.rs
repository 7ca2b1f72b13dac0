//! Push profiles as an operator has them, by the command line.

use serde_json::Value;

use crate::peers::{GrpcCaller, on_prosody};

#[tokio::test]
async fn an_operator_makes_changes_and_removes_a_profile_and_a_restart_keeps_it() {
    let (_server, mut daemon) = on_prosody().await;
    let caller = GrpcCaller::new(&daemon);
    caller.create_node("orders").await.expect("a node");
    let create = "push profiles create new-orders orders --subscribers --title-in de=Bestellung --ttl-seconds 60 \
                  --quiet-hours 22:00-06:30 --utc-offset-minutes -60 --coalesce-seconds 5 --urgency high";
    let mut create: Vec<_> = create.split_whitespace().collect();
    create.extend(["--title", "Order {xml.order.@id|?}", "--data", "node={node}"]);
    let made = line(&daemon.cli(create).await.expect("it is made"));
    assert_eq!(
        (&made["profile"], &made["subscribers"], &made["when"]),
        (&"new-orders".into(), &true.into(), &"away".into())
    );
    assert_eq!(made["title"], "Order {xml.order.@id|?}");
    assert_eq!(
        (&made["quiet_hours"]["from"], &made["quiet_hours"]["to"]),
        (&"22:00".into(), &"06:30".into())
    );
    daemon.restart().await.expect("the daemon starts again");
    daemon.wait_ready().await.expect("the daemon attaches");
    assert_eq!(
        line(&daemon.cli(["push", "profiles", "show", "new-orders"]).await.expect("it is shown")),
        made
    );
    // The daemon looks at what is published; there is no field that the new template needs, and nobody to be told.
    let update =
        ["push", "profiles", "update", "new-orders", "orders", "--subscribers", "--title", "{data.order}"];
    daemon.cli(update).await.expect("it is changed");
    caller
        .publish("orders", "7", "<order xmlns='urn:example:order' id='7'/>")
        .await
        .expect("it is published");
    let failed = loop {
        let shown = line(&daemon.cli(["push", "profiles", "show", "new-orders"]).await.expect("it is shown"));
        if shown["failed_events"] != 0 {
            break shown;
        }
    };
    assert_eq!(failed["last_failure"], "orders at 1: the event has no data.order");
    daemon.cli(["push", "profiles", "delete", "new-orders"]).await.expect("it is removed");
    assert_eq!(daemon.cli(["push", "profiles", "list"]).await.expect("a list").trim(), "");
    let refused = daemon.cli(["push", "profiles", "show", "new-orders"]).await.expect_err("it is gone");
    assert!(refused.to_string().contains("there is no such push profile"), "{refused}");
}

fn line(output: &str) -> Value {
    serde_json::from_str(output.trim()).expect("one JSON object")
}
