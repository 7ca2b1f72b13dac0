use bus_domain::{Actor, BareJid, BusError, NodeName, retract};
use bus_engine::{Command, Engine, NodeView, Outcome, Verb};
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{
    affiliation_from_message, affiliation_to_message, bare_jid, config_from_message, config_to_message,
    item_id, node_name, placement_from_message, placement_to_message, redirect_uri, settings_from_message,
    timestamp,
};
use crate::paging::{page_size, page_token, token};
use crate::status::status;
use crate::{items, members, v1};

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
        let verb = match placement_from_message("placement", message.placement)? {
            None => Verb::Create(config),
            Some(placement) => Verb::CreateAmong(config, Box::new(placement)),
        };
        let Outcome::Created(created) = self.execute(Command { actor, node, verb }).await? else {
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
        let mut node = node_to_message(&view);
        node.placement = self.placement(&actor, &view).await?;
        Ok(Response::new(v1::GetNodeResponse { node: Some(node) }))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let after = page_token(&message.page_token, |text| NodeName::new(text).ok())?;
        let nodes_max = page_size(message.page_size);
        let list = self.engine.nodes(&actor, after, nodes_max).await.map_err(|error| status(&error))?;
        let nodes = list.nodes.iter().map(|node| v1::NodeSummary {
            name: node.name.as_str().to_owned(),
            config: Some(config_to_message(&node.config)),
        });
        let next_page_token = list.next_after.map(|name| token(name.as_str()));
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
        let verb = match placement_from_message("placement", message.placement)? {
            None => Verb::Configure(settings),
            Some(placement) => Verb::ConfigureAmong(settings, Box::new(placement)),
        };
        let command = Command { actor: actor.clone(), node: node.clone(), verb };
        let config = match self.execute(command).await? {
            Outcome::Configured(config) => config,
            // It is among other nodes, or where it was, and behaves as before.
            Outcome::Placed => {
                self.engine.configuration(&actor, &node).await.map_err(|error| status(&error))?
            }
            _ => return Err(status(&BusError::Internal)),
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

    async fn list_affiliations(
        &self,
        request: Request<v1::ListAffiliationsRequest>,
    ) -> Result<Response<v1::ListAffiliationsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        members::list_affiliations(&self.engine, &actor, message).await.map(Response::new)
    }

    async fn retract_items(
        &self,
        request: Request<v1::RetractItemsRequest>,
    ) -> Result<Response<v1::RetractItemsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("node", &message.node)?;
        let item_ids = message.item_ids.iter().enumerate();
        let item_ids = item_ids.map(|(index, id)| item_id(&format!("item_ids[{index}]"), id));
        let item_ids = item_ids.collect::<Result<_, _>>()?;
        let verb = Verb::Retract(retract::Request { item_ids, notify: message.notify });
        self.execute(Command { actor, node, verb }).await?;
        Ok(Response::new(v1::RetractItemsResponse {}))
    }

    async fn list_subscribers(
        &self,
        request: Request<v1::ListSubscribersRequest>,
    ) -> Result<Response<v1::ListSubscribersResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        members::list_subscribers(&self.engine, &actor, message).await.map(Response::new)
    }

    async fn set_subscribers(
        &self,
        request: Request<v1::SetSubscribersRequest>,
    ) -> Result<Response<v1::SetSubscribersResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        members::set_subscribers(&self.engine, actor, message).await.map(Response::new)
    }

    async fn associate_node(
        &self,
        request: Request<v1::AssociateNodeRequest>,
    ) -> Result<Response<v1::AssociateNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("collection", &message.collection)?;
        let verb = Verb::Associate(node_name("node", &message.node)?);
        self.execute(Command { actor, node, verb }).await?;
        Ok(Response::new(v1::AssociateNodeResponse {}))
    }

    async fn dissociate_node(
        &self,
        request: Request<v1::DissociateNodeRequest>,
    ) -> Result<Response<v1::DissociateNodeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("collection", &message.collection)?;
        let verb = Verb::Dissociate(node_name("node", &message.node)?);
        self.execute(Command { actor, node, verb }).await?;
        Ok(Response::new(v1::DissociateNodeResponse {}))
    }
}

impl NodesService {
    /// Which nodes it is among, as its owners may see it; for others nothing.
    async fn placement(&self, actor: &Actor, view: &NodeView) -> Result<Option<v1::Placement>, Status> {
        let name = &view.facts.name;
        let neighbours = match self.engine.neighbours(actor, name).await {
            Err(BusError::Forbidden) => return Ok(None),
            found => found.map_err(|error| status(&error))?,
        };
        let relatives = self.engine.relatives(actor, name).await.map_err(|error| status(&error))?;
        Ok(Some(placement_to_message(view.facts.config.is_collection(), &neighbours, &relatives)))
    }

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
        placement: None,
    }
}
