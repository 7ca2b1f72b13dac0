//! What is understood: the one table from (IQ type, namespace, element) to the parser of a verb.

use std::collections::BTreeSet;

use bus_domain::unsubscribe::SubIdGiven;
use bus_domain::{Actor, Affiliation, BusError, Jid, NodeConfig, NodeName, NodeType, TypeFilter};
use bus_engine::{Command, Verb};
use bus_xml::Element;

use crate::ad_hoc::Execution;
use crate::archive::ArchiveRequest;
use crate::errors::Refusal;
use crate::items::ItemsRequest;
use crate::namespaces::{
    CAPS, COMMANDS, DATA_FORMS, DELAY, DISCO_INFO, DISCO_ITEMS, MAM, MAM_EXTENDED, ORDER_BY, PING, PUBSUB,
    PUBSUB_CACHING, PUBSUB_FILTER, PUBSUB_OWNER, PUSH, RELATIONSHIPS, RSM, SHIM, STANZA_ID, TIME, VERSION,
};
use crate::order_by::Order;
use crate::parts::{Context, Parts};
use crate::push_service::{self, ServerPush};
use crate::rsm::PageRequest;
use crate::{
    ad_hoc, affiliations, archive, collection, configure, create, defaults, delete, disco, items, options,
    owner_affiliations, owner_subscriptions, ping, publish, purge, retract, subscribe, subscriptions, time,
    unsubscribe, version,
};

use IqKind::{Get, Set};

/// Every request that is understood at one address.
///
/// Disco's features come from here, so what is not wired cannot be announced.
#[derive(Clone, Copy)]
pub(crate) struct Table(&'static [Row]);

/// At the address of the service.
pub(crate) const SERVICE: Table = Table(&[
    wired(Get, DISCO_INFO, "query", disco::parse_info)
        .with_features(&["meta-data"])
        .announcing(&[PUBSUB_CACHING]),
    wired(Get, DISCO_ITEMS, "query", disco::parse_items),
    wired(Get, PING, "ping", ping::parse),
    wired(Get, VERSION, "query", version::parse),
    wired(Get, TIME, "time", time::parse),
    wired(Set, COMMANDS, "command", ad_hoc::parse).with_features(&["get-pending"]),
    wired(Set, PUBSUB, "create", create::parse)
        .with_features(&["create-nodes", "instant-nodes", "create-and-configure"])
        .beside(&["configure"]),
    wired(Set, PUBSUB, "publish", publish::parse)
        .with_features(&[
            "publish",
            "item-ids",
            "persistent-items",
            "auto-create",
            "publish-options",
            "publish-node-full",
        ])
        .beside(&["publish-options"]),
    wired(Set, PUBSUB, "retract", retract::parse).with_features(&["retract-items", "delete-items"]),
    wired(Get, PUBSUB, "items", items::parse)
        .with_features(&["retrieve-items", "rsm"])
        .announcing(&[ORDER_BY, "urn:xmpp:order-by:1@http://jabber.org/protocol/pubsub"]),
    wired(Set, PUBSUB, "subscribe", subscribe::parse)
        .with_features(&["subscribe", "multi-subscribe", "leased-subscription"])
        .beside(&["options"]),
    wired(Set, PUBSUB, "unsubscribe", unsubscribe::parse),
    wired(Get, PUBSUB_OWNER, "configure", configure::parse_get).with_features(&["config-node"]),
    wired(Set, PUBSUB_OWNER, "configure", configure::parse_set)
        .with_features(&["config-node-max", "multi-items", "presence-notifications"])
        .announcing(&[RELATIONSHIPS]),
    wired(Get, PUBSUB_OWNER, "default", defaults::parse).with_features(&["retrieve-default"]),
    wired(Get, PUBSUB_OWNER, "subscriptions", owner_subscriptions::parse_get),
    wired(Set, PUBSUB_OWNER, "subscriptions", owner_subscriptions::parse_set)
        .with_features(&["manage-subscriptions", "subscription-notifications"]),
    wired(Get, PUBSUB_OWNER, "affiliations", owner_affiliations::parse_get),
    wired(Set, PUBSUB_OWNER, "affiliations", owner_affiliations::parse_set)
        .with_features(&["modify-affiliations"]),
    wired(Set, PUBSUB_OWNER, "collection", collection::parse).with_features(&[
        "collections",
        "multi-collection",
        "multi-collections",
    ]),
    wired(Set, PUBSUB_OWNER, "delete", delete::parse).with_features(&["delete-nodes"]),
    wired(Set, PUBSUB_OWNER, "purge", purge::parse).with_features(&["purge-nodes"]),
    wired(Get, PUBSUB, "subscriptions", subscriptions::parse).with_features(&["retrieve-subscriptions"]),
    wired(Get, PUBSUB, "affiliations", affiliations::parse).with_features(&["retrieve-affiliations"]),
    wired(Set, MAM, "query", archive::parse).announcing(&["urn:xmpp:order-by:1@urn:xmpp:mam:2"]),
    wired(Get, MAM, "query", archive::parse_form),
    wired(Get, MAM, "metadata", archive::parse_ends).announcing(&[MAM_EXTENDED]),
    wired(Get, PUBSUB, "options", options::parse_get).with_features(&["subscription-options"]),
    wired(Set, PUBSUB, "options", options::parse_set),
    wired(Get, PUBSUB, "default", options::parse_default).with_features(&["retrieve-default-sub"]),
]);

/// At the address that servers push to (XEP-0357): nodes can be published to, and nothing else.
pub(crate) const PUSH_SERVICE: Table = Table(&[
    wired(Get, DISCO_INFO, "query", push_service::parse_info).announcing(&[PUSH, DATA_FORMS]),
    wired(Get, DISCO_ITEMS, "query", push_service::parse_items),
    wired(Get, PING, "ping", ping::parse),
    wired(Get, VERSION, "query", version::parse),
    wired(Get, TIME, "time", time::parse),
    wired(Set, COMMANDS, "command", ad_hoc::parse_push),
    wired(Set, PUBSUB, "publish", push_service::parse)
        .with_features(&["publish", "publish-options", "publish-only-affiliation", "access-whitelist"])
        .beside(&["publish-options"]),
    wired(Get, PUBSUB, "items", push_service::refuse_reader),
    wired(Set, PUBSUB, "subscribe", push_service::refuse_reader).beside(&["options"]),
]);

/// A request as understood.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// Something to be changed.
    Change {
        /// The node.
        node: NodeName,
        /// What.
        verb: Box<Verb>,
    },
    /// Something to be read.
    Query(Query),
    /// A command of XEP-0050.
    AdHoc(Execution),
    /// A push of a server (XEP-0357).
    Push(Box<ServerPush>),
}

impl Request {
    /// Something to be changed.
    pub(crate) fn change(node: NodeName, verb: Verb) -> Self {
        Self::Change { node, verb: Box::new(verb) }
    }
}

/// Something to be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Query {
    /// Items of a node (XEP-0060 §6.5).
    Items {
        /// The node.
        node: NodeName,
        /// Which items.
        items: ItemsRequest,
        /// In which order.
        order: Order,
        /// Which of the requester's subscriptions it is about (§6.5.9.1).
        sub_id: SubIdGiven,
    },
    /// A page of a node's archive (XEP-0313 §4).
    Archive {
        /// The node.
        node: NodeName,
        /// What of it.
        request: Box<ArchiveRequest>,
    },
    /// The fields of such a query (§4.1.5).
    ArchiveForm {
        /// The node; they are the same for all.
        node: Option<NodeName>,
    },
    /// Where a node's archive begins and ends (§5).
    ArchiveEnds {
        /// The node.
        node: NodeName,
    },
    /// XEP-0030, of the service or of a node.
    DiscoInfo {
        /// The node.
        node: Option<NodeName>,
    },
    /// XEP-0030, the nodes of the service or the items of a node.
    DiscoItems {
        /// The node.
        node: Option<NodeName>,
        /// Nodes of which types (XEP-0462).
        types: Option<TypeFilter>,
        /// Which page, if the requester pages.
        page: Option<PageRequest>,
    },
    /// The configuration of a node (XEP-0060 §8.2.1).
    Configuration {
        /// The node.
        node: NodeName,
    },
    /// The affiliations of a node (§8.9.1).
    NodeAffiliations {
        /// The node.
        node: NodeName,
        /// Which page, if the requester pages.
        page: Option<PageRequest>,
    },
    /// The subscriptions to a node (§8.8.1).
    NodeSubscriptions {
        /// The node.
        node: NodeName,
        /// Which page, if the requester pages.
        page: Option<PageRequest>,
    },
    /// Whether the requester could configure the node, which it leaves as it is (§8.2.4).
    ConfigurationKept {
        /// The node.
        node: NodeName,
    },
    /// The options of a subscription (§6.3.2).
    Options {
        /// The node.
        node: NodeName,
        /// The address, exactly as subscribed.
        jid: Jid,
        /// Which of its subscriptions.
        sub_id: SubIdGiven,
    },
    /// The options of new subscriptions (§6.4).
    DefaultOptions {
        /// On this node.
        node: Option<NodeName>,
    },
    /// The configuration of new nodes (§8.3).
    DefaultConfiguration {
        /// Of nodes of this type.
        node_type: NodeType,
    },
    /// The requester's subscriptions (XEP-0060 §5.6).
    Subscriptions {
        /// On this node only.
        node: Option<NodeName>,
        /// Which page, if the requester pages.
        page: Option<PageRequest>,
    },
    /// The requester's affiliations (XEP-0060 §5.7).
    Affiliations {
        /// On this node only.
        node: Option<NodeName>,
        /// Which page, if the requester pages.
        page: Option<PageRequest>,
    },
    /// XEP-0030, of the address that servers push to, or of its commands.
    PushInfo {
        /// The node.
        node: Option<NodeName>,
    },
    /// XEP-0030, what is at that address.
    PushItems {
        /// The node.
        node: Option<NodeName>,
    },
    /// XEP-0199.
    Ping,
    /// XEP-0092.
    Version,
    /// XEP-0202.
    Time,
}

/// A request with who makes it.
#[derive(Debug)]
pub(crate) enum Work {
    /// For the engine to commit.
    Command(Box<Command>),
    /// For the engine to read.
    Query {
        /// Who asks.
        actor: Actor,
        /// For what.
        query: Query,
    },
    /// A command of XEP-0050.
    AdHoc {
        /// Who executes it.
        actor: Actor,
        /// What of it.
        execution: Execution,
    },
    /// A push of a server.
    Push {
        /// Who sends it.
        from: Jid,
        /// What.
        push: Box<ServerPush>,
    },
}

/// The type of an IQ request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IqKind {
    /// Reads.
    Get,
    /// Changes.
    Set,
}

/// One row: what it answers to, and what it adds to disco.
pub(crate) struct Row {
    kind: IqKind,
    namespace: &'static str,
    element: &'static str,
    /// Elements of the same namespace that may stand behind it.
    companions: &'static [&'static str],
    /// Features of XEP-0060, without their namespace.
    features: &'static [&'static str],
    /// Features of other specifications.
    announced: &'static [&'static str],
    parser: Parser,
}

type Parser = fn(&Parts<'_>, &Context<'_>) -> Result<Request, Refusal>;

impl Table {
    /// Reads the child of an IQ request.
    pub(crate) fn parse(
        self,
        kind: IqKind,
        child: &Element,
        context: &Context<'_>,
    ) -> Result<Request, Refusal> {
        let namespace = child.ns();
        if self.0.iter().all(|row| row.namespace != namespace) {
            return Err(Refusal::UnknownNamespace);
        }
        let parts = Parts::of(child)?;
        let row = self.find(kind, &namespace, &parts)?;
        parts.check_companions(row.companions)?;
        (row.parser)(&parts, context)
    }

    /// What its rows announce.
    pub(crate) fn features(self) -> BTreeSet<String> {
        let namespaces = self.0.iter().map(|row| row.namespace).filter(|it| *it != PUBSUB_OWNER);
        let announced = self.0.iter().flat_map(|row| row.announced).copied();
        let of_rows = self.0.iter().flat_map(|row| row.features).map(|name| format!("{PUBSUB}#{name}"));
        namespaces.chain(announced).map(str::to_owned).chain(of_rows).collect()
    }

    fn find(self, kind: IqKind, namespace: &str, parts: &Parts<'_>) -> Result<&'static Row, Refusal> {
        let element = parts.verb().name();
        let mut rows =
            self.0.iter().filter(|row| row.namespace == namespace && row.element == element).peekable();
        if rows.peek().is_none() {
            return Err(match parts.others().next() {
                None => Refusal::NotImplemented("this request"),
                Some(_) => BusError::bad_request("the verb must come first").into(),
            });
        }
        let row = rows.find(|row| row.kind == kind);
        row.ok_or_else(|| BusError::bad_request("the IQ has the wrong type for this request").into())
    }
}

/// The features of the service: what the table wires and what the rules enforce.
pub(crate) fn features() -> Vec<String> {
    let affiliations = Affiliation::ALL
        .into_iter()
        .filter(|affiliation| !matches!(affiliation, Affiliation::Owner | Affiliation::None))
        .map(|affiliation| format!("{PUBSUB}#{}-affiliation", affiliation.as_str()));
    // XEP-0060 §10: the feature names the model that new nodes have, and no other one.
    let access_default = NodeConfig::default().access_model.as_str();
    let mut features = SERVICE.features();
    features.extend([CAPS, DATA_FORMS, DELAY, PUBSUB_FILTER, RSM, SHIM, STANZA_ID].map(str::to_owned));
    features.extend(affiliations);
    features.insert(format!("{PUBSUB}#access-{access_default}"));
    features.into_iter().collect()
}

impl Work {
    /// Whether it may be under way together with others of its kind and sender: the engine keeps their order, and pushes of
    /// a server, which are for all of its users, need none.
    pub(crate) fn is_publish(&self) -> bool {
        match self {
            Self::Command(command) => matches!(command.verb, Verb::Publish(_)),
            Self::Push { .. } => true,
            Self::Query { .. } | Self::AdHoc { .. } => false,
        }
    }

    /// About how many bytes it takes while it waits; for bounds.
    pub(crate) fn weight_bytes(&self) -> usize {
        const QUERY_BYTES: usize = 1024;
        const ID_BYTES: usize = 96;
        match self {
            Self::Command(command) => command.weight_bytes(),
            Self::Query { query: Query::Items { items: ItemsRequest::ById(ids), .. }, .. } => {
                QUERY_BYTES + ids.len() * ID_BYTES
            }
            Self::Query { query: Query::DiscoItems { types: Some(types), .. }, .. } => {
                QUERY_BYTES + types.types().iter().map(|name| ID_BYTES + name.len()).sum::<usize>()
            }
            Self::Query { query: Query::Archive { request, .. }, .. } => QUERY_BYTES + request.weight_bytes(),
            Self::Query { .. } => QUERY_BYTES,
            Self::AdHoc { execution, .. } => QUERY_BYTES + execution.weight_bytes(),
            Self::Push { push, .. } => QUERY_BYTES + push.weight_bytes(),
        }
    }
}

const fn wired(kind: IqKind, namespace: &'static str, element: &'static str, parser: Parser) -> Row {
    Row { kind, namespace, element, companions: &[], features: &[], announced: &[], parser }
}

impl Row {
    const fn with_features(self, features: &'static [&'static str]) -> Self {
        Self { features, ..self }
    }

    const fn announcing(self, announced: &'static [&'static str]) -> Self {
        Self { announced, ..self }
    }

    const fn beside(self, companions: &'static [&'static str]) -> Self {
        Self { companions, ..self }
    }
}
