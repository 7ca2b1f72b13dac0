use std::sync::Arc;

use bus_domain::access::{self, Action, Standing};
use bus_domain::collection::Neighbours;
use bus_domain::retention;
use bus_domain::retrieve::{self, ItemOrder, PageAt, Selection};
use bus_domain::{
    Acquaintance, Actor, Affiliation, BareJid, BusError, Event, NodeConfig, NodeFacts, NodeId, NodeName,
    RelationKind, Seq, Subscription, SubscriptionId, SubscriptionState, TypeFilter,
};
use bus_domain::{affiliate, configure, manage_subscriptions};
use bus_store::{FoundItems, ItemPage, ItemWindow, NodeListing, NodeSummary};

use crate::entities::page;
use crate::{Engine, EntityPage};

/// Items of a node, as an actor may see them.
#[derive(Debug, Clone)]
pub struct ItemListing {
    /// The node that they are of.
    pub node: Arc<NodeFacts>,
    /// Oldest first; each the newest event of its item.
    pub items: Vec<Event>,
    /// The positions that they are in the order of: what a page is continued from.
    pub places: Vec<Seq>,
    /// Items of the node in all.
    pub count: u64,
    /// How many items of the node are in front of these.
    pub first_index: Option<u64>,
    /// Whether bounds kept out items that were asked for.
    pub truncated: bool,
}

/// A node, as an actor may see it.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// The node.
    pub facts: Arc<NodeFacts>,
    /// The newest position of its log.
    pub head_seq: u64,
    /// The actor's standing.
    pub affiliation: Affiliation,
}

/// What a node is related to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relatives {
    /// The node that it is linked to.
    pub link: Option<NodeName>,
    /// Its parent, by itself or because the node has it that it is linked to.
    pub parent: Option<NodeName>,
}

/// A page of the nodes that an actor may see.
#[derive(Debug, Clone)]
pub struct NodeList {
    /// In the order of their names' bytes.
    pub nodes: Vec<NodeSummary>,
    /// Where the next page starts; `None` after the last.
    pub next_after: Option<NodeName>,
}

impl Engine {
    /// A node's configuration, as its owners may see it (XEP-0060 §8.2.1).
    pub async fn configuration(&self, actor: &Actor, node: &NodeName) -> Result<NodeConfig, BusError> {
        let facts = self.facts(node).await?;
        configure::decide_reading(&facts, actor)?;
        Ok(facts.config.clone())
    }

    /// Subscriptions to a node in all; 0 for one that is gone.
    pub async fn count_subscriptions(&self, facts: &NodeFacts) -> Result<u64, BusError> {
        let counted = self.store().count_subscriptions(facts.id).await;
        counted.map_err(|error| self.unavailable(&error))
    }

    /// Subscriptions to a node that do not wait for an owner; 0 for one that is gone.
    pub async fn count_subscribers(&self, facts: &NodeFacts) -> Result<u64, BusError> {
        let counted = self.store().count_subscribers(facts.id).await;
        counted.map_err(|error| self.unavailable(&error))
    }

    /// Items of a node (XEP-0060 §6.5).
    pub async fn items(
        &self,
        actor: &Actor,
        node: &NodeName,
        selection: Selection,
    ) -> Result<ItemListing, BusError> {
        self.items_by(actor, node, selection, ItemOrder::Modification).await
    }

    /// Items of a node in an order (XEP-0413), by whose positions pages lie. Those that are named by their ids are always in
    /// the order of their modification.
    pub async fn items_by(
        &self,
        actor: &Actor,
        node: &NodeName,
        selection: Selection,
        order: ItemOrder,
    ) -> Result<ItemListing, BusError> {
        let facts = self.facts(node).await?;
        let limits = &self.settings().limits;
        let asked = match &selection {
            Selection::Newest(asked) => asked.map_or(u64::MAX, u64::from),
            Selection::ById(_) | Selection::Page(_) => 0,
        };
        let actor = &*self.acquainted(&facts, actor, Action::Retrieve).await;
        let is_subscribed = self.is_subscribed(&facts, actor).await?;
        let page = match retrieve::decide(&facts, actor, is_subscribed, selection, limits)? {
            Selection::ById(ids) => {
                let found = self.store().find_items(facts.id, &ids, limits.page_bytes_max).await;
                let FoundItems { mut items, truncated } = found.map_err(|error| self.unavailable(&error))?;
                let expired_through_ms = retention::expired_through_ms(&facts.config, self.now_ms());
                items.retain(|item| expired_through_ms.is_none_or(|moment| item.published_at_ms > moment));
                let page = ItemPage::by_modification(items, 0, None);
                let count = page.items.len() as u64;
                return Ok(listing(facts, ItemPage { count, ..page }, truncated));
            }
            Selection::Newest(items_max) => {
                let items_max = items_max.unwrap_or(limits.page_items_max);
                self.window(&facts, order, PageAt::Last, items_max).await?
            }
            Selection::Page(page) => self.window(&facts, order, page.at, page.items_max).await?,
        };
        // A page says by its ends what it lacks; a plain request cannot know.
        let truncated = (page.items.len() as u64) < page.count.min(asked);
        Ok(listing(facts, page, truncated))
    }

    /// A node that the actor may see.
    pub async fn node(&self, actor: &Actor, node: &NodeName) -> Result<NodeView, BusError> {
        let facts = self.facts(node).await?;
        let actor = &*self.acquainted(&facts, actor, Action::Discover).await;
        retrieve::decide_node(&facts, actor)?;
        let head_seq = if facts.is_transient() {
            self.recent().transient_head(facts.id).seq
        } else {
            let head = self.store().head(facts.id).await.map_err(|error| self.unavailable(&error))?;
            head.map_or(0, |head| head.seq)
        };
        let affiliation = access::standing(&facts, actor);
        Ok(NodeView { facts, head_seq, affiliation })
    }

    /// A page of the nodes that the actor may see, behind a name.
    pub async fn nodes(
        &self,
        actor: &Actor,
        after: Option<NodeName>,
        nodes_max: u32,
    ) -> Result<NodeList, BusError> {
        self.nodes_of_types(actor, None, after, nodes_max).await
    }

    /// The same, of nodes whose payloads are of certain types.
    pub async fn nodes_of_types(
        &self,
        actor: &Actor,
        types: Option<TypeFilter>,
        after: Option<NodeName>,
        nodes_max: u32,
    ) -> Result<NodeList, BusError> {
        self.list_nodes(actor, types, None, after, nodes_max).await
    }

    async fn list_nodes(
        &self,
        actor: &Actor,
        types: Option<TypeFilter>,
        children_of: Option<NodeId>,
        after: Option<NodeName>,
        nodes_max: u32,
    ) -> Result<NodeList, BusError> {
        let nodes_max = nodes_max.clamp(1, self.settings().limits.page_items_max);
        let open_models = access::models_open_to(actor.role());
        let listing =
            NodeListing { viewer: actor.bare().clone(), open_models, types, children_of, after, nodes_max };
        let mut nodes = self.store().list_nodes(listing).await.map_err(|error| self.unavailable(&error))?;
        let full = nodes.len() >= nodes_max as usize;
        let next_after = if full { nodes.last().map(|node| node.name.clone()) } else { None };
        for node in &mut nodes {
            node.affiliation = access::effective(node.affiliation, actor.role());
        }
        nodes.retain(is_visible);
        let mut shown = Vec::with_capacity(nodes.len());
        for node in nodes {
            if node.config.relation.is_none() || self.is_shown_from_above(actor, &node.name).await? {
                shown.push(node);
            }
        }
        Ok(NodeList { nodes: shown, next_after })
    }

    /// Whether the nodes above one let the actor see it. A node that is gone meanwhile is not shown.
    async fn is_shown_from_above(&self, actor: &Actor, node: &NodeName) -> Result<bool, BusError> {
        match self.facts(node).await {
            Ok(facts) => {
                Ok(!facts.is_orphan && access::may_receive_below(&facts, actor.bare(), actor.role()))
            }
            Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The children of a collection that the actor may see, as far as it may see the collection: a page behind a name.
    pub async fn children(
        &self,
        actor: &Actor,
        collection: &NodeName,
        after: Option<NodeName>,
        nodes_max: u32,
    ) -> Result<NodeList, BusError> {
        let facts = self.facts(collection).await?;
        let actor = &*self.acquainted(&facts, actor, Action::Discover).await;
        retrieve::decide_node(&facts, actor)?;
        self.list_nodes(actor, None, Some(facts.id), after, nodes_max).await
    }

    /// What a node is associated with, as its owners may see it.
    pub async fn neighbours(&self, actor: &Actor, node: &NodeName) -> Result<Neighbours, BusError> {
        let facts = self.facts(node).await?;
        configure::decide_reading(&facts, actor)?;
        let neighbours = self.store().neighbours_of(facts.id).await;
        neighbours.map_err(|error| self.unavailable(&error))
    }

    /// The node that a node is linked to, and its parent (XEP-0496), as its owners may see them.
    pub async fn relatives(&self, actor: &Actor, node: &NodeName) -> Result<Relatives, BusError> {
        let facts = self.facts(node).await?;
        configure::decide_reading(&facts, actor)?;
        let link = facts.config.relation.as_ref().filter(|relation| relation.kind == RelationKind::Link);
        Ok(Relatives {
            link: link.map(|relation| relation.name.clone()),
            parent: facts.above.as_ref().map(|above| above.name.clone()),
        })
    }

    /// Whether an address of the actor's is subscribed. Looked up only where it depends on that what the actor may read.
    pub(crate) async fn is_subscribed(&self, facts: &NodeFacts, actor: &Actor) -> Result<bool, BusError> {
        if !access::depends_on_subscription(facts, actor, Action::Retrieve) {
            return Ok(false);
        }
        let there = self.subscriptions_there(facts, actor.bare()).await?;
        let counts = |it: &Subscription| {
            it.state == SubscriptionState::Subscribed && !it.options.has_expired(self.now_ms())
        };
        Ok(there.iter().any(counts))
    }

    /// The affiliations of a node, by address, as its owners may see them (XEP-0060 §8.9.1).
    pub async fn node_affiliations(
        &self,
        actor: &Actor,
        node: &NodeName,
    ) -> Result<Vec<(BareJid, Affiliation)>, BusError> {
        let facts = self.facts(node).await?;
        affiliate::decide_reading(&facts, actor)?;
        let mut entries: Vec<_> = facts.affiliations.iter().map(|(jid, it)| (jid.clone(), it)).collect();
        entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(entries)
    }

    /// A page of the subscriptions to a node of this state, in the order of their ids, as its owners may see them (§8.8.1).
    pub async fn node_subscriptions(
        &self,
        actor: &Actor,
        node: &NodeName,
        state: SubscriptionState,
        after: Option<SubscriptionId>,
        subscriptions_max: u32,
    ) -> Result<EntityPage<Subscription>, BusError> {
        let facts = self.facts(node).await?;
        manage_subscriptions::decide_reading(&facts, actor)?;
        let rows_max = subscriptions_max.clamp(1, self.settings().limits.page_items_max);
        let rows = self.store().subscriptions(facts.id, state, after, rows_max + 1).await;
        Ok(page(rows.map_err(|error| self.unavailable(&error))?, rows_max))
    }

    async fn window(
        &self,
        facts: &NodeFacts,
        order: ItemOrder,
        at: PageAt,
        items_max: u32,
    ) -> Result<ItemPage, BusError> {
        let bytes_max = self.settings().limits.page_bytes_max;
        let expired_through_ms = retention::expired_through_ms(&facts.config, self.now_ms());
        let window = ItemWindow { order, at, items_max, bytes_max, expired_through_ms };
        self.store().list_items(facts.id, window).await.map_err(|error| self.unavailable(&error))
    }
}

fn listing(node: Arc<NodeFacts>, page: ItemPage, truncated: bool) -> ItemListing {
    let ItemPage { items, places, count, first_index } = page;
    ItemListing { node, items, places, count, first_index, truncated }
}

/// A node that nobody of this standing may see is not shown. Rosters are not read for a list: contacts know of the node
/// from its owner.
fn is_visible(node: &NodeSummary) -> bool {
    let NodeConfig { access_model, publish_model, .. } = node.config;
    let acquaintance = Acquaintance::Stranger;
    let standing = Standing { affiliation: node.affiliation, is_subscribed: false, acquaintance };
    access::allows(standing, access_model, publish_model, Action::Discover)
}
