mod configure;
mod items;
mod members;
mod place;
mod show;

use std::path::Path;

use bridge_grpc::v1;
use jid::BareJid;
use serde::Serialize;

use crate::cli::{
    AccessModel, ActAs, Affiliation, CreateArguments, Durability, NodeCommand, ProcessingHint, PublishModel,
    WhenItemsFull, WhenUndeliveredFull,
};
use crate::client::{connect_grpc, connect_xmpp, output};
use crate::failure::Failure;

pub(super) use show::durability_name;

/// `stanzabus node …`
pub(crate) async fn run(config: &Path, command: NodeCommand) -> Result<(), Failure> {
    match command {
        NodeCommand::Create(arguments) => create(config, arguments).await,
        NodeCommand::Configure(arguments) => configure::run(config, *arguments).await,
        NodeCommand::Delete { node, redirect, act_as } => delete(config, &node, redirect, &act_as).await,
        NodeCommand::Purge { node, act_as } => purge(config, &node, &act_as).await,
        NodeCommand::List => show::list(config).await,
        NodeCommand::Show { node } => show::show(config, &node).await,
        NodeCommand::Items(arguments) => items::run(config, arguments).await,
        NodeCommand::Affiliate { node, jid, affiliation } => {
            affiliate(config, &node, &jid, affiliation).await
        }
        NodeCommand::Affiliations { node } => members::affiliations(config, &node).await,
        NodeCommand::Subscribers { node, pending } => members::subscribers(config, &node, pending).await,
        NodeCommand::Subscriber { node, jid, state } => {
            members::set_subscriber(config, &node, &jid, state).await
        }
        NodeCommand::Retract { node, items } => {
            connect_grpc(config).await?.retract(&node, items).await?;
            output::status(&format!("took items of {node} back"));
            Ok(())
        }
        NodeCommand::Place(arguments) => place::run(config, arguments).await,
    }
}

/// What is printed for a new node.
#[derive(Serialize)]
struct CreatedLine<'a> {
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

async fn create(config: &Path, arguments: CreateArguments) -> Result<(), Failure> {
    let CreateArguments {
        node,
        access_model,
        publish_model,
        items_max,
        notify_retract,
        durability,
        no_persist_items,
        retention,
        xmpp,
        act_as,
    } = arguments;
    if let Some(mut user) = connect_xmpp(config, &act_as).await? {
        let created = user.create(Some(&node)).await;
        user.close().await;
        return output::print_json(&CreatedLine { node: &created?, epoch: None });
    }
    let node_config = v1::NodeConfig {
        access_model: access_model.map_or(v1::AccessModel::Unspecified, Into::into).into(),
        publish_model: publish_model.map_or(v1::PublishModel::Unspecified, Into::into).into(),
        items_max,
        notify_retract: notify_retract.then_some(true),
        durability: durability.map_or(v1::Durability::Unspecified, Into::into).into(),
        persist_items: no_persist_items.then_some(false),
        item_expire_seconds: retention.item_expire_seconds,
        history_events_max: retention.history_events_max,
        history_bytes_max: retention.history_bytes_max,
        history_age_seconds_max: retention.history_age_seconds_max,
        when_undelivered_full: retention
            .when_undelivered_full
            .map_or(v1::WhenUndeliveredFull::Unspecified, Into::into)
            .into(),
        roster_groups_allowed: xmpp.roster_groups.map(roster_groups),
        presence_based_delivery: xmpp.presence_based_delivery.then_some(true),
        processing_hint: xmpp.processing_hint.map_or(v1::ProcessingHint::Unspecified, Into::into).into(),
        ..v1::NodeConfig::default()
    };
    let request = v1::CreateNodeRequest {
        name: node.clone(),
        config: Some(node_config),
        ..v1::CreateNodeRequest::default()
    };
    let created = connect_grpc(config).await?.create(request).await?;
    output::print_json(&CreatedLine { node: &node, epoch: Some(output::epoch_text(created.epoch)) })
}

/// An empty name stands for no group.
fn roster_groups(names: Vec<String>) -> v1::RosterGroups {
    v1::RosterGroups { names: names.into_iter().filter(|name| !name.is_empty()).collect() }
}

async fn delete(config: &Path, node: &str, redirect: Option<String>, act_as: &ActAs) -> Result<(), Failure> {
    if let Some(mut user) = connect_xmpp(config, act_as).await? {
        let deleted = user.delete(node, redirect.as_deref()).await;
        user.close().await;
        deleted?;
    } else {
        connect_grpc(config).await?.delete(node, redirect).await?;
    }
    output::status(&format!("deleted {node}"));
    Ok(())
}

async fn purge(config: &Path, node: &str, act_as: &ActAs) -> Result<(), Failure> {
    if let Some(mut user) = connect_xmpp(config, act_as).await? {
        let purged = user.purge(node).await;
        user.close().await;
        purged?;
    } else {
        connect_grpc(config).await?.purge(node).await?;
    }
    output::status(&format!("purged {node}"));
    Ok(())
}

async fn affiliate(
    config: &Path,
    node: &str,
    jid: &BareJid,
    affiliation: Affiliation,
) -> Result<(), Failure> {
    let entry =
        v1::AffiliationEntry { jid: jid.to_string(), affiliation: v1::Affiliation::from(affiliation).into() };
    connect_grpc(config).await?.affiliate(node, entry).await?;
    output::status(&format!("{jid} is {} of {node}", show::affiliation_name(affiliation.into())));
    Ok(())
}

impl From<AccessModel> for v1::AccessModel {
    fn from(model: AccessModel) -> Self {
        match model {
            AccessModel::Open => Self::Open,
            AccessModel::Authorize => Self::Authorize,
            AccessModel::Whitelist => Self::Whitelist,
            AccessModel::Presence => Self::Presence,
            AccessModel::Roster => Self::Roster,
        }
    }
}

impl From<PublishModel> for v1::PublishModel {
    fn from(model: PublishModel) -> Self {
        match model {
            PublishModel::Publishers => Self::Publishers,
            PublishModel::Subscribers => Self::Subscribers,
            PublishModel::Open => Self::Open,
        }
    }
}

impl From<Durability> for v1::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Fsync => Self::Fsync,
            Durability::Relaxed => Self::Relaxed,
            Durability::Memory => Self::Memory,
        }
    }
}

impl From<WhenItemsFull> for v1::WhenItemsFull {
    fn from(choice: WhenItemsFull) -> Self {
        match choice {
            WhenItemsFull::DiscardOldest => Self::DiscardOldest,
            WhenItemsFull::RetractOldest => Self::RetractOldest,
            WhenItemsFull::Reject => Self::Reject,
        }
    }
}

impl From<WhenUndeliveredFull> for v1::WhenUndeliveredFull {
    fn from(choice: WhenUndeliveredFull) -> Self {
        match choice {
            WhenUndeliveredFull::Wait => Self::Wait,
            WhenUndeliveredFull::Gap => Self::Gap,
        }
    }
}

impl From<ProcessingHint> for v1::ProcessingHint {
    fn from(hint: ProcessingHint) -> Self {
        match hint {
            ProcessingHint::None => Self::None,
            ProcessingHint::Store => Self::Store,
            ProcessingHint::NoStore => Self::NoStore,
            ProcessingHint::NoPermanentStore => Self::NoPermanentStore,
        }
    }
}

impl From<Affiliation> for v1::Affiliation {
    fn from(affiliation: Affiliation) -> Self {
        match affiliation {
            Affiliation::Owner => Self::Owner,
            Affiliation::Publisher => Self::Publisher,
            Affiliation::PublishOnly => Self::PublishOnly,
            Affiliation::Member => Self::Member,
            Affiliation::None => Self::None,
            Affiliation::Outcast => Self::Outcast,
        }
    }
}
