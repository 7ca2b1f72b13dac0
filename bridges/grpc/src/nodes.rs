use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::{BareJid, BusError, NodeName};
use bus_engine::{Command, Engine, NodeView, Outcome, Verb};
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{
    affiliation_from_message, affiliation_to_message, bare_jid, config_from_message, config_to_message,
    node_name, redirect_uri, settings_from_message, timestamp,
};
use crate::status::{invalid_field, status};
use crate::{items, v1};

/// The server of the service, over [`NodesService`].
pub(crate) type NodesServer = v1::nodes_server::NodesServer<NodesService>;

/// `stanzabus.v1.Nodes`.
#[derive(Debug)]
pub(crate) struct NodesService {
    pub(crate) engine: Engine,
    /// Where the nodes are, for their URIs.
    pub(crate) service: BareJid,
}

#[tonic::async_trait]
impl v1::nodes_server::Nodes for NodesService {
    async fn create_node(
        &self,
        request: Request<v1::CreateNodeRequest>,
    ) -> Result<Response<v1::CreateNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("name", &message.name)?;
        let config = config_from_message("config", &message.config.unwrap_or_default())?;
        let Outcome::Created(created) =
            self.execute(Command { actor, node, verb: Verb::Create(config) }).await?
        else {
            return Err(status(&BusError::Internal));
        };
        Ok(Response::new(v1::CreateNodeResponse {
            epoch: created.epoch.0,
            config: Some(config_to_message(&created.config)),
        }))
    }

    async fn get_node(
        &self,
        request: Request<v1::GetNodeRequest>,
    ) -> Result<Response<v1::GetNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = node_name("name", &message.name)?;
        let view = self.engine.node(&actor, &name).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetNodeResponse { node: Some(node_to_message(&view)) }))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let after = page_start(&message.page_token)?;
        let nodes_max = if message.page_size == 0 { u32::MAX } else { message.page_size };
        let list = self.engine.nodes(&actor, after, nodes_max).await.map_err(|error| status(&error))?;
        let nodes = list.nodes.iter().map(|node| v1::NodeSummary {
            name: node.name.as_str().to_owned(),
            config: Some(config_to_message(&node.config)),
        });
        let next_page_token = list.next_after.map(|name| URL_SAFE_NO_PAD.encode(name.as_str()));
        Ok(Response::new(v1::ListNodesResponse {
            nodes: nodes.collect(),
            next_page_token: next_page_token.unwrap_or_default(),
        }))
    }

    async fn configure_node(
        &self,
        request: Request<v1::ConfigureNodeRequest>,
    ) -> Result<Response<v1::ConfigureNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("name", &message.name)?;
        let settings = settings_from_message("config", &message.config.unwrap_or_default())?;
        let Outcome::Configured(config) =
            self.execute(Command { actor, node, verb: Verb::Configure(settings) }).await?
        else {
            return Err(status(&BusError::Internal));
        };
        Ok(Response::new(v1::ConfigureNodeResponse { config: Some(config_to_message(&config)) }))
    }

    async fn delete_node(
        &self,
        request: Request<v1::DeleteNodeRequest>,
    ) -> Result<Response<v1::DeleteNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("name", &message.name)?;
        let redirect = redirect_uri("redirect_uri", &message.redirect_uri)?;
        self.execute(Command { actor, node, verb: Verb::Delete(redirect) }).await?;
        Ok(Response::new(v1::DeleteNodeResponse {}))
    }

    async fn purge_node(
        &self,
        request: Request<v1::PurgeNodeRequest>,
    ) -> Result<Response<v1::PurgeNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("name", &message.name)?;
        self.execute(Command { actor, node, verb: Verb::Purge }).await?;
        Ok(Response::new(v1::PurgeNodeResponse {}))
    }

    async fn list_items(
        &self,
        request: Request<v1::ListItemsRequest>,
    ) -> Result<Response<v1::ListItemsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        items::list(&self.engine, &self.service, &actor, message).await.map(Response::new)
    }

    async fn set_affiliations(
        &self,
        request: Request<v1::SetAffiliationsRequest>,
    ) -> Result<Response<v1::SetAffiliationsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("node", &message.node)?;
        let entries = message.entries.iter().enumerate().map(|(index, entry)| {
            let jid = bare_jid(&format!("entries[{index}].jid"), &entry.jid)?;
            let field = format!("entries[{index}].affiliation");
            Ok((jid, affiliation_from_message(&field, entry.affiliation)?))
        });
        let entries = entries.collect::<Result<Vec<_>, Status>>()?;
        self.execute(Command { actor, node, verb: Verb::Affiliate(entries.into()) }).await?;
        Ok(Response::new(v1::SetAffiliationsResponse {}))
    }
}

impl NodesService {
    async fn execute(&self, command: Command) -> Result<Outcome, Status> {
        self.engine.execute(command).await.map_err(|error| status(&error))
    }
}

fn node_to_message(view: &NodeView) -> v1::Node {
    let facts = &view.facts;
    v1::Node {
        name: facts.name.as_str().to_owned(),
        config: Some(config_to_message(&facts.config)),
        epoch: facts.epoch.0,
        head_seq: view.head_seq,
        creator: facts.creator.to_string(),
        create_time: Some(timestamp(facts.created_at_ms)),
        affiliation: affiliation_to_message(view.affiliation).into(),
    }
}

/// A page token is the name that the page before ended with, encoded so that nobody takes it for something to build.
fn page_start(token: &str) -> Result<Option<NodeName>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let name = name.and_then(|name| NodeName::new(&name).ok());
    name.map(Some).ok_or_else(|| invalid_field("page_token", "is not a token of ListNodes"))
}
