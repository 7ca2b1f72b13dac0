use std::collections::{BTreeMap, BTreeSet};

use bus_domain::{
    Actor, Affiliation, BareJid, Jid, Limits, NodeConfig, PublishModel, Role, SubscriptionState,
    WhenItemsFull, affiliate, publish, retract,
};
use bus_engine::{Command, Verb};

/// What the bus should hold.
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<String, Node>,
    /// Names of nodes that are somewhere else.
    pub(crate) moved: BTreeSet<String>,
    pub(crate) limits: Limits,
    /// Ids that the engine makes; the model numbers them.
    made: usize,
}

/// A node as it should be.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) affiliations: BTreeMap<BareJid, Affiliation>,
    /// Oldest first, with who published them.
    pub(crate) items: Vec<(ItemName, Jid)>,
    /// In the order in which they began.
    pub(crate) subscriptions: Vec<(Jid, SubscriptionState)>,
    /// Events of the log.
    pub(crate) events: u64,
}

/// An item's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemName {
    Given(String),
    /// Nobody can know it.
    Made(usize),
}

/// What should be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// So many entries could not be.
    DoneBut(usize),
    /// This variant of the bus's errors.
    Refused(&'static str),
}

impl Model {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { nodes: BTreeMap::new(), moved: BTreeSet::new(), limits, made: 0 }
    }

    pub(crate) fn apply(&mut self, command: &Command) -> Answer {
        let Command { actor, node, verb } = command;
        self.carry_out(actor, node.as_str(), verb).unwrap_or_else(Answer::Refused)
    }

    fn carry_out(&mut self, actor: &Actor, name: &str, verb: &Verb) -> Result<Answer, &'static str> {
        match verb {
            Verb::Create(config) => {
                if actor.role() == Role::User {
                    return Err("Forbidden");
                }
                if self.nodes.contains_key(name) {
                    return Err("NodeExists");
                }
                self.check_config(config, NodeConfig::ITEMS_MAX_DEFAULT)?;
                self.nodes.insert(name.to_owned(), Node::new(config.clone(), actor));
                self.moved.remove(name);
                Ok(Answer::Done)
            }
            Verb::Publish(request) if !self.nodes.contains_key(name) => {
                self.publish_new(actor, name, request)
            }
            _ => {
                let mut node = self.nodes.get(name).ok_or_else(|| self.absence(name))?.clone();
                let answer = match verb {
                    Verb::Publish(request) => self.publish(&mut node, actor, request)?,
                    Verb::Retract(request) => self.retract(&mut node, actor, request)?,
                    Verb::Affiliate(request) => self.affiliate(&mut node, actor, request)?,
                    Verb::Configure(settings) => self.configure(&mut node, actor, settings)?,
                    Verb::Subscribe(jid) => self.subscribe(&mut node, actor, &jid.jid)?,
                    Verb::Unsubscribe(jid) => node.unsubscribe(actor, &jid.jid)?,
                    Verb::ManageSubscriptions(request) => {
                        self.manage_subscriptions(&mut node, actor, request)?
                    }
                    Verb::Purge => {
                        node.check_owner(actor)?;
                        if !node.config.persist_items {
                            return Err("Unsupported");
                        }
                        node.items.clear();
                        node.events += 1;
                        Answer::Done
                    }
                    Verb::Delete(redirect) => {
                        node.check_owner(actor)?;
                        self.nodes.remove(name);
                        self.moved.extend(redirect.as_ref().map(|_| name.to_owned()));
                        return Ok(Answer::Done);
                    }
                    Verb::Create(_)
                    | Verb::CreateAmong(..)
                    | Verb::ConfigureAmong(..)
                    | Verb::Associate(_)
                    | Verb::Dissociate(_)
                    | Verb::Forward(_)
                    | Verb::PurgeBehind(_)
                    | Verb::DeleteOrphan(_)
                    | Verb::Park(_)
                    | Verb::Expire(_)
                    | Verb::DeadLetter(_)
                    | Verb::PublishSourced(_)
                    | Verb::Redrive(_)
                    | Verb::SetOptions(_) => {
                        return Err("Internal");
                    }
                };
                self.nodes.insert(name.to_owned(), node);
                Ok(answer)
            }
        }
    }

    /// Why there is no node of this name.
    pub(crate) fn absence(&self, name: &str) -> &'static str {
        if self.moved.contains(name) { "NodeMoved" } else { "NodeNotFound" }
    }

    fn publish_new(
        &mut self,
        actor: &Actor,
        name: &str,
        request: &publish::Request,
    ) -> Result<Answer, &'static str> {
        if !request.creates_node {
            return Err(self.absence(name));
        }
        if actor.role() == Role::User {
            return Err(if self.moved.contains(name) { "NodeMoved" } else { "Forbidden" });
        }
        let config = NodeConfig::default().with(&request.preconditions);
        self.check_config(&config, NodeConfig::ITEMS_MAX_DEFAULT)?;
        let mut node = Node::new(config, actor);
        self.publish_items(&mut node, actor, request)?;
        if self.moved.contains(name) {
            return Err("NodeMoved");
        }
        self.nodes.insert(name.to_owned(), node);
        Ok(Answer::Done)
    }

    fn publish(
        &mut self,
        node: &mut Node,
        actor: &Actor,
        request: &publish::Request,
    ) -> Result<Answer, &'static str> {
        let may = match node.standing(actor) {
            Affiliation::Owner | Affiliation::Publisher | Affiliation::PublishOnly => true,
            // Whether one is subscribed comes last.
            Affiliation::Member | Affiliation::None => node.config.publish_model != PublishModel::Publishers,
            Affiliation::Outcast => false,
        };
        if !may {
            return Err("Forbidden");
        }
        if node.config.with(&request.preconditions) != node.config {
            return Err("PreconditionNotMet");
        }
        let is_heeded = node.is_publisher_subscribed(actor);
        let answer = self.publish_items(node, actor, request);
        let is_allowed = matches!(answer, Ok(_) | Err("NodeFull"));
        if is_allowed && !is_heeded { Err("Forbidden") } else { answer }
    }

    fn publish_items(
        &mut self,
        node: &mut Node,
        actor: &Actor,
        request: &publish::Request,
    ) -> Result<Answer, &'static str> {
        let items_max = node.items_max(&self.limits);
        let bound = if node.config.persist_items { items_max } else { usize::MAX };
        // What keeps nothing and sends no payload only says that something has happened.
        if !node.config.persist_items && !node.config.deliver_payloads {
            node.events += u64::from(request.items.is_empty());
            return if request.items.is_empty() { Ok(Answer::Done) } else { Err("BadRequest") };
        }
        if request.items.is_empty() {
            return Err("BadRequest");
        }
        if request.items.len() > bound.min(self.limits.request_items_max) {
            return Err("TooManyItems");
        }
        if node.config.deliver_payloads && request.items.iter().any(|item| item.payload.is_none()) {
            return Err("BadRequest");
        }
        let before = node.items.len();
        for item in &request.items {
            self.made += 1;
            let given = item.id.as_ref().map(|id| ItemName::Given(id.as_str().to_owned()));
            let name = given.unwrap_or(ItemName::Made(self.made));
            node.events += 1;
            if node.config.persist_items {
                node.items.retain(|(known, _)| *known != name);
                node.items.push((name, actor.jid().clone()));
            }
        }
        let (new, over) = (node.items.len() - before, node.items.len().saturating_sub(items_max));
        match node.config.when_items_full {
            WhenItemsFull::Reject if new > 0 && over > 0 => return Err("NodeFull"),
            WhenItemsFull::RetractOldest if node.config.persist_items => node.events += over.min(new) as u64,
            _ => {}
        }
        node.make_room(items_max);
        Ok(Answer::Done)
    }

    fn retract(
        &self,
        node: &mut Node,
        actor: &Actor,
        request: &retract::Request,
    ) -> Result<Answer, &'static str> {
        let is_any = match node.standing(actor) {
            Affiliation::Owner | Affiliation::Publisher => true,
            Affiliation::PublishOnly => false,
            Affiliation::Member | Affiliation::None
                if node.config.publish_model != PublishModel::Publishers =>
            {
                false
            }
            _ => return Err("Forbidden"),
        };
        if !node.config.persist_items {
            return Err("Unsupported");
        }
        if request.item_ids.is_empty() {
            return Err("BadRequest");
        }
        if request.item_ids.len() > self.limits.request_items_max {
            return Err("TooManyItems");
        }
        let mut taken = BTreeSet::new();
        for id in &request.item_ids {
            let name = ItemName::Given(id.as_str().to_owned());
            let (_, publisher) = node.items.iter().find(|(known, _)| *known == name).ok_or("ItemNotFound")?;
            if !is_any && publisher.to_bare() != *actor.bare() {
                return Err("Forbidden");
            }
            taken.insert(id.as_str());
        }
        node.items.retain(|(name, _)| !matches!(name, ItemName::Given(id) if taken.contains(id.as_str())));
        node.events += taken.len() as u64;
        Ok(Answer::Done)
    }

    fn affiliate(
        &self,
        node: &mut Node,
        actor: &Actor,
        request: &affiliate::Request,
    ) -> Result<Answer, &'static str> {
        node.check_owner(actor)?;
        if request.entries.is_empty() && !request.is_partial {
            return Err("BadRequest");
        }
        let named: BTreeSet<_> = request.entries.iter().map(|(jid, _)| jid).collect();
        if named.len() < request.entries.len() {
            return Err("BadRequest");
        }
        let mut entries = request.entries.clone();
        let mut rejected = 0;
        if !has_owner(&changed(&node.affiliations, &entries)) {
            if !request.is_partial {
                return Err("BadRequest");
            }
            entries.retain(|(jid, _)| node.affiliations.get(jid) != Some(&Affiliation::Owner));
            rejected = request.entries.len() - entries.len();
        }
        let result = changed(&node.affiliations, &entries);
        if result.len() > self.limits.node_affiliations_max {
            return Err("LimitReached");
        }
        node.affiliations = result;
        node.settle_pending(&entries);
        Ok(if rejected == 0 { Answer::Done } else { Answer::DoneBut(rejected) })
    }

    fn configure(
        &self,
        node: &mut Node,
        actor: &Actor,
        settings: &[bus_domain::Setting],
    ) -> Result<Answer, &'static str> {
        node.check_owner(actor)?;
        let config = node.config.with(settings);
        if config != node.config {
            self.check_config(&config, node.config.items_max)?;
            node.config = config;
            node.events += 1;
            node.make_room(node.items_max(&self.limits));
            if !node.config.persist_items {
                node.items.clear();
            }
        }
        Ok(Answer::Done)
    }

    fn check_config(&self, config: &NodeConfig, items_max_before: u32) -> Result<(), &'static str> {
        let is_kept =
            config.items_max == items_max_before || config.items_max == NodeConfig::ITEMS_MAX_HIGHEST;
        let is_within = config.items_max >= 1 && config.items_max <= self.limits.node_items_max;
        if is_kept || is_within { Ok(()) } else { Err("InvalidConfig") }
    }
}

impl Node {
    fn new(config: NodeConfig, creator: &Actor) -> Self {
        Self {
            config: config.settled(),
            affiliations: BTreeMap::from([(creator.bare().clone(), Affiliation::Owner)]),
            items: Vec::new(),
            subscriptions: Vec::new(),
            events: 0,
        }
    }

    pub(crate) fn standing(&self, actor: &Actor) -> Affiliation {
        let affiliation = self.affiliation(actor.bare());
        if actor.role() == Role::Admin && affiliation != Affiliation::Outcast {
            return Affiliation::Owner;
        }
        affiliation
    }

    pub(crate) fn affiliation(&self, jid: &BareJid) -> Affiliation {
        self.affiliations.get(jid).copied().unwrap_or(Affiliation::None)
    }

    pub(crate) fn check_owner(&self, actor: &Actor) -> Result<(), &'static str> {
        if self.standing(actor) == Affiliation::Owner { Ok(()) } else { Err("Forbidden") }
    }

    fn items_max(&self, limits: &Limits) -> usize {
        self.config.items_max.min(limits.node_items_max) as usize
    }

    fn make_room(&mut self, items_max: usize) {
        let excess = self.items.len().saturating_sub(items_max);
        self.items.drain(..excess);
    }
}

fn changed(
    affiliations: &BTreeMap<BareJid, Affiliation>,
    entries: &[(BareJid, Affiliation)],
) -> BTreeMap<BareJid, Affiliation> {
    let mut changed = affiliations.clone();
    changed.extend(entries.iter().cloned());
    changed.retain(|_, affiliation| *affiliation != Affiliation::None);
    changed
}

fn has_owner(affiliations: &BTreeMap<BareJid, Affiliation>) -> bool {
    affiliations.values().any(|affiliation| *affiliation == Affiliation::Owner)
}
