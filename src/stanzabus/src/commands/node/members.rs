use std::path::Path;

use bridge_grpc::v1;
use jid::Jid;
use serde::Serialize;

use super::show::affiliation_name;
use crate::cli::SubscriberWish;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// Somebody's standing as one line.
#[derive(Serialize)]
struct AffiliationLine {
    jid: String,
    affiliation: &'static str,
}

/// A subscription as one line.
#[derive(Serialize)]
struct SubscriberLine {
    jid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sub_id: String,
    state: &'static str,
}

/// `stanzabus node affiliations`
pub(super) async fn affiliations(config: &Path, node: &str) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    let mut page_token = String::new();
    loop {
        let page = client.affiliations_page(node, page_token).await?;
        for entry in page.entries {
            let affiliation = affiliation_name(entry.affiliation());
            output::print_json(&AffiliationLine { jid: entry.jid, affiliation })?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

/// `stanzabus node subscribers`
pub(super) async fn subscribers(config: &Path, node: &str, who_wait: bool) -> Result<(), Failure> {
    let state = if who_wait { v1::SubscriberState::Pending } else { v1::SubscriberState::Subscribed };
    let client = connect_grpc(config).await?;
    let mut page_token = String::new();
    loop {
        let page = client.subscribers_page(node, state, page_token).await?;
        for it in page.subscribers {
            let state = state_name(it.state());
            output::print_json(&SubscriberLine { jid: it.jid, sub_id: it.sub_id, state })?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

/// `stanzabus node subscriber`
pub(super) async fn set_subscriber(
    config: &Path,
    node: &str,
    jid: &Jid,
    wish: SubscriberWish,
) -> Result<(), Failure> {
    let state = match wish {
        SubscriberWish::Subscribed => v1::SubscriberState::Subscribed,
        SubscriberWish::None => v1::SubscriberState::None,
    };
    let entry = v1::NodeSubscriber { jid: jid.to_string(), sub_id: String::new(), state: state.into() };
    let rejected = connect_grpc(config).await?.set_subscriber(node, entry).await?;
    if let Some(it) = rejected.first() {
        let holds = state_name(it.state());
        return Err(Failure::Usage(format!(
            "{jid} on {node} cannot be {}: it is {holds}; only who has asked can be approved, and nobody who is banned",
            state_name(state)
        )));
    }
    output::status(&format!("{jid} on {node}: {}", state_name(state)));
    Ok(())
}

/// The name that XEP-0060 gives it.
fn state_name(state: v1::SubscriberState) -> &'static str {
    match state {
        v1::SubscriberState::Subscribed => "subscribed",
        v1::SubscriberState::Pending => "pending",
        v1::SubscriberState::None | v1::SubscriberState::Unspecified => "none",
    }
}
