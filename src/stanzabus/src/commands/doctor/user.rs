use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::Report;
use crate::cli::ActAs;
use crate::client::connect_xmpp;
use crate::client::pubsub::PubsubUser;
use crate::client::xmpp::XmppError;
use crate::failure::Failure;

const NOTIFICATION_TIME: Duration = Duration::from_secs(15);
const PAYLOAD: &str = "<check xmlns='urn:stanzabus:doctor'/>";
const ITEM_ID: &str = "doctor";

/// Walks the main job from end to end as an XMPP user, on a node that goes away again.
pub(super) async fn check(report: &mut Report, path: &Path, act_as: &ActAs) -> Result<(), Failure> {
    let mut user = match connect_xmpp(path, act_as).await {
        Ok(Some(user)) => user,
        Ok(None) => return Ok(()),
        Err(failure @ Failure::Usage(_)) => return Err(failure),
        Err(failure) => return report.failed("login", &failure),
    };
    report.ok("login", "the XMPP server lets the user in")?;
    let walked = walk(report, &mut user).await;
    user.close().await;
    walked
}

async fn walk(report: &mut Report, user: &mut PubsubUser) -> Result<(), Failure> {
    match user.features().await {
        Ok(features) => report.ok("disco", &format!("{} features are announced", features.len()))?,
        Err(error) => return report.failed("disco", &error),
    }
    let node = match user.create(None).await {
        Ok(node) => node,
        Err(error) => {
            let advice =
                format!("{error}; try a user whose domain is in [access] create, or one of xmpp.admins");
            return report.failed("create", &advice);
        }
    };
    report.ok("create", &format!("made the node {node}"))?;
    let walked = walk_node(report, user, &node).await;
    match user.delete(&node, None).await {
        Ok(()) => report.ok("delete", "the node is gone again")?,
        Err(error) => report.failed("delete", &error)?,
    }
    walked
}

async fn walk_node(report: &mut Report, user: &mut PubsubUser, node: &str) -> Result<(), Failure> {
    let subscribed = match user.send_presence().await {
        Ok(()) => user.subscribe(node).await,
        Err(error) => Err(error),
    };
    match subscribed {
        Ok(()) => report.ok("subscribe", "subscribed")?,
        Err(error) => return report.failed("subscribe", &error),
    }
    match user.publish(node, Some(ITEM_ID), PAYLOAD).await {
        Ok(_) => report.ok("publish", "the event is on disk")?,
        Err(error) => return report.failed("publish", &error),
    }
    match timeout(NOTIFICATION_TIME, notification(user, node)).await {
        Ok(Ok(())) => report.ok("notification", "the event arrived"),
        Ok(Err(error)) => report.failed("notification", &error),
        Err(_) => report.failed(
            "notification",
            &"it did not come in time; look at /metrics (stanzabus_nodes_undelivered) and the XMPP server's log",
        ),
    }
}

async fn notification(user: &mut PubsubUser, node: &str) -> Result<(), XmppError> {
    loop {
        let event = user.next_event().await?;
        if event.node == node && event.item_id.as_deref() == Some(ITEM_ID) {
            return Ok(());
        }
    }
}
