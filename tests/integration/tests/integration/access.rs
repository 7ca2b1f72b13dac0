//! Promise P6: one set of rules. Whoever may not do something is refused on every leg, for the same reason, each leg
//! saying it in its own words.

use std::fs::OpenOptions;
use std::io::Write as _;

use bridge_grpc::{token_sha256_hex, v1};
use bus_xml::Element;
use harness::{Daemon, ServerKind, XmppServer};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use v1::AccessModel::{Authorize, Open, Whitelist};
use v1::Affiliation::{Member, None as Nobody, Outcast, Owner, PublishOnly, Publisher};

use crate::peers::{DOMAIN, GrpcCaller, HttpCaller, PATIENCE, XmppPeer, behind_each_server, init, server};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";

/// The token of the principal `mallory`; the XMPP user mallory@localhost stands beside it in every row.
const MALLORYS_TOKEN: &str = "a token for mallory";

/// What every leg lets somebody do.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Publish,
    Retrieve,
    /// Subscribe over XMPP, Tail over gRPC, a stream of events over HTTP.
    Follow,
    /// Take back what one has published over this leg.
    RetractOwn,
    /// Take back what somebody else has published.
    RetractAny,
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    Xmpp,
    Grpc,
    Http,
}

const LEGS: [Leg; 3] = [Leg::Xmpp, Leg::Grpc, Leg::Http];

/// What became of it, in the words of the leg.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Done,
    /// An error's type, its condition, and that of XEP-0060.
    Stanza(String, String, Option<String>),
    /// A status and the reason of its `google.rpc.ErrorInfo`.
    Status(Code, String),
    /// An HTTP status and the reason of its problem document.
    Problem(u16, String),
}

/// A rule's answer, in no leg's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Allowed,
    Forbidden,
    ClosedNode,
    /// Subscribers only, whom an owner approves: asking to become one is no refusal on XMPP.
    Approved,
    /// The rules would let him, but what he wanted to publish was refused.
    NotThere,
}
use Rule::{Allowed, Approved, ClosedNode, Forbidden, NotThere};

const ACCESS_MODELS: [v1::AccessModel; 3] = [Open, Authorize, Whitelist];
const PUBLISH_MODELS: [v1::PublishModel; 3] =
    [v1::PublishModel::Publishers, v1::PublishModel::Subscribers, v1::PublishModel::Open];

/// What an affiliation may do. Nobody here is subscribed when he publishes.
struct Row {
    standing: v1::Affiliation,
    /// Who may publish, and then take that back, under each of the publish models.
    publishing: [(Rule, Rule); 3],
    /// Who may read and follow, under each of the access models.
    reading: [Rule; 3],
    /// Who may take back what somebody else has published, whatever the models.
    retracting_any: Rule,
}

const NEVER: [(Rule, Rule); 3] = [(Forbidden, Forbidden); 3];
const ALWAYS: [(Rule, Rule); 3] = [(Allowed, Allowed); 3];
/// Whoever was subscribed when he published may take it back later.
const WHERE_IT_IS_OPEN: [(Rule, Rule); 3] =
    [(Forbidden, Forbidden), (Forbidden, NotThere), (Allowed, Allowed)];

const TABLE: [Row; 6] = [
    row(Outcast, NEVER, [Forbidden; 3], Forbidden),
    row(Nobody, WHERE_IT_IS_OPEN, [Allowed, Approved, ClosedNode], Forbidden),
    row(Member, WHERE_IT_IS_OPEN, [Allowed; 3], Forbidden),
    row(PublishOnly, ALWAYS, [Forbidden; 3], Forbidden),
    row(Publisher, ALWAYS, [Allowed; 3], Allowed),
    row(Owner, ALWAYS, [Allowed; 3], Allowed),
];

const fn row(
    standing: v1::Affiliation,
    publishing: [(Rule, Rule); 3],
    reading: [Rule; 3],
    retracting_any: Rule,
) -> Row {
    Row { standing, publishing, reading, retracting_any }
}

behind_each_server! {
    one_table_of_rules_holds_on_every_leg,
    a_ban_acts_at_once_on_a_reader_and_on_a_subscriber,
}

async fn one_table_of_rules_holds_on_every_leg(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    let mut answered = [0; LEGS.len()];
    for Row { standing, publishing, reading, retracting_any } in TABLE {
        for (access_model, reading) in ACCESS_MODELS.into_iter().zip(reading) {
            for (publish_model, (publishing, retracting_own)) in PUBLISH_MODELS.into_iter().zip(publishing) {
                let node = format!("{standing:?}-{access_model:?}-{publish_model:?}");
                rig.create(&node, access_model, publish_model).await;
                rig.affiliate_mallorys(&node, standing).await;
                let verbs = [
                    (Verb::Publish, publishing),
                    (Verb::Retrieve, reading),
                    (Verb::Follow, reading),
                    (Verb::RetractOwn, retracting_own),
                    (Verb::RetractAny, retracting_any),
                ];
                for (verb, rule) in verbs {
                    for (leg, answered) in LEGS.into_iter().zip(&mut answered) {
                        let said = rig.attempt(leg, verb, &node).await;
                        assert_eq!(said, rule.said(leg, verb), "{leg:?}, {verb:?}, {node}");
                        *answered += 1;
                    }
                }
            }
        }
    }
    let rows = TABLE.len() * ACCESS_MODELS.len() * PUBLISH_MODELS.len();
    assert_eq!(answered, [rows * 5; LEGS.len()], "a leg has passed over rows");
}

async fn a_ban_acts_at_once_on_a_reader_and_on_a_subscriber(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    rig.create("news", Open, v1::PublishModel::Open).await;
    let mut tail = rig.principal.tail("news").await.unwrap();
    tail.message().await.unwrap().expect("the log is opened");
    let mut stream = rig.web.follow("news").await.unwrap().expect("it may read");
    stream.next().await.unwrap().expect("the log is opened");
    rig.user.send("<presence/>").await;
    rig.user.subscribe("news", "mallory@localhost").await;

    let mut bob = XmppPeer::user(&rig.server, "bob").await;
    bob.send("<presence/>").await;
    bob.subscribe("news", "bob@localhost").await;

    rig.affiliate_mallorys("news", Outcast).await;
    rig.operator.publish("news", "secret", "<e xmlns='urn:example:event'/>").await.unwrap();

    let ended = timeout(PATIENCE, tail.message()).await.expect("the tail ends");
    assert_eq!(status(&ended.unwrap_err()), Forbidden.said(Leg::Grpc, Verb::Follow));
    let ended = timeout(PATIENCE, stream.next()).await.expect("the stream ends").unwrap();
    let ended = ended.expect("it says why");
    assert_eq!(ended.name.as_deref(), Some("ended"));
    assert_eq!(problem(&ended.data), Forbidden.said(Leg::Http, Verb::Follow));

    // Bob subscribed later, so what is for mallory goes out before what is for him, and before mallory's next answer.
    bob.receive_until(|stanzas| stanzas.iter().any(|stanza| bus_xml::serialise(stanza).contains("secret")))
        .await;
    let heard = rig.user.ask("", &format!("to='{DOMAIN}'")).await;
    assert!(!heard.iter().any(|stanza| stanza.name() == "message"), "the banned subscriber hears {heard:?}");
}

/// The first frame says that the log may be read.
async fn open_tail(mallory: &GrpcCaller, node: &str) -> Result<(), Status> {
    let mut frames = mallory.tail(node).await?;
    frames.message().await?.expect("the stream does not end before its first frame");
    Ok(())
}

fn status(status: &Status) -> Said {
    let details = status.get_error_details();
    let info = details.error_info().expect("each error has an ErrorInfo");
    Said::Status(status.code(), info.reason.clone())
}

fn problem(document: &str) -> Said {
    let problem: serde_json::Value = serde_json::from_str(document).expect("a problem is JSON");
    let status = problem["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let reason = problem["reason"].as_str().expect("each problem has a reason");
    Said::Problem(status.expect("each problem has a status"), reason.to_owned())
}

fn stanza(answer: &Element) -> Said {
    if answer.attr("type") == Some("result") {
        return Said::Done;
    }
    let error = answer.children().find(|child| child.name() == "error").expect("an error has an <error/>");
    let condition = |namespace: &str| {
        let mut conditions =
            error.children().filter(|child| child.ns() == namespace && child.name() != "text");
        conditions.next().map(|condition| condition.name().to_owned())
    };
    let kind = error.attr("type").expect("an error has a type").to_owned();
    Said::Stanza(kind, condition(STANZA_ERRORS).expect("an error has a condition"), condition(PUBSUB_ERRORS))
}

impl Leg {
    /// The item that mallory publishes over it.
    fn own(self) -> &'static str {
        match self {
            Self::Xmpp => "from-xmpp",
            Self::Grpc => "from-grpc",
            Self::Http => "from-http",
        }
    }

    /// The operator's item that mallory takes back over it, if he may.
    fn of_another(self) -> &'static str {
        match self {
            Self::Xmpp => "for-xmpp",
            Self::Grpc => "for-grpc",
            Self::Http => "for-http",
        }
    }
}

impl Rule {
    /// What a leg says when the rule is asked.
    fn said(self, leg: Leg, verb: Verb) -> Said {
        let reason = match self {
            Allowed => return Said::Done,
            Forbidden => "AFFILIATION_REQUIRED",
            ClosedNode => "ACCESS_MODEL_WHITELIST",
            Approved => "SUBSCRIPTION_REQUIRED",
            NotThere => "ITEM_NOT_FOUND",
        };
        let (code, status) =
            if self == NotThere { (Code::NotFound, 404) } else { (Code::PermissionDenied, 403) };
        match leg {
            Leg::Grpc => Said::Status(code, reason.to_owned()),
            Leg::Http => Said::Problem(status, reason.to_owned()),
            Leg::Xmpp => {
                let (kind, condition, of_pubsub) = match (self, verb) {
                    // The subscription waits for an owner.
                    (Allowed, _) | (Approved, Verb::Follow) => return Said::Done,
                    (Approved, _) => ("auth", "not-authorized", Some("not-subscribed")),
                    (Forbidden, _) => ("auth", "forbidden", None),
                    (ClosedNode, _) => ("cancel", "not-allowed", Some("closed-node")),
                    (NotThere, _) => ("cancel", "item-not-found", None),
                };
                Said::Stanza(kind.to_owned(), condition.to_owned(), of_pubsub.map(str::to_owned))
            }
        }
    }
}

/// The bus, its operator, and mallory twice: as a principal, over gRPC and HTTP, and as a user. Neither may administer.
struct Rig {
    operator: GrpcCaller,
    principal: GrpcCaller,
    web: HttpCaller,
    user: XmppPeer,
    _daemon: Daemon,
    server: XmppServer,
}

impl Rig {
    async fn start(kind: ServerKind) -> Self {
        let mut server = server(kind);
        server.start().await.expect("the server starts");
        let mut daemon = init(server.component_port()).await;
        add_token(&daemon, "mallory", MALLORYS_TOKEN);
        let api_port = daemon.serve_api();
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        Self {
            operator: GrpcCaller::new(&daemon),
            principal: GrpcCaller::holding(MALLORYS_TOKEN, &daemon),
            web: HttpCaller::at(api_port, MALLORYS_TOKEN),
            user: XmppPeer::user(&server, "mallory").await,
            _daemon: daemon,
            server,
        }
    }

    /// A node with an item that stays, and one for each leg to take back.
    async fn create(&self, node: &str, access_model: v1::AccessModel, publish_model: v1::PublishModel) {
        let config = v1::NodeConfig {
            access_model: access_model.into(),
            publish_model: publish_model.into(),
            ..v1::NodeConfig::default()
        };
        self.operator.create_node_with(node, config).await.expect("it may create");
        for item_id in ["seed"].into_iter().chain(LEGS.map(Leg::of_another)) {
            let published = self.operator.publish(node, item_id, "<e xmlns='urn:example:event'/>").await;
            published.expect("it owns the node");
        }
    }

    /// Has mallory do something over a leg.
    async fn attempt(&mut self, leg: Leg, verb: Verb, node: &str) -> Said {
        match leg {
            Leg::Xmpp => self.over_xmpp(verb, node).await,
            Leg::Grpc => self.over_grpc(verb, node).await,
            Leg::Http => self.over_http(verb, node).await,
        }
    }

    async fn over_grpc(&self, verb: Verb, node: &str) -> Said {
        let result = match verb {
            Verb::Publish => {
                let item_id = Leg::Grpc.own();
                self.principal.publish(node, item_id, "<e xmlns='urn:example:event'/>").await.map(drop)
            }
            Verb::Retrieve => self.principal.items(node).await.map(drop),
            Verb::Follow => open_tail(&self.principal, node).await,
            Verb::RetractOwn => self.principal.retract(node, Leg::Grpc.own()).await,
            Verb::RetractAny => self.principal.retract(node, Leg::Grpc.of_another()).await,
        };
        result.map_or_else(|refused| status(&refused), |()| Said::Done)
    }

    async fn over_http(&self, verb: Verb, node: &str) -> Said {
        const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/mallory","type":"t"}"#;
        let answered = match verb {
            Verb::Publish => self.web.publish_item(node, Leg::Http.own(), EVENT).await,
            Verb::Retrieve => self.web.item(node, "seed").await,
            Verb::Follow => match self.web.follow(node).await.expect("the API answers") {
                Ok(_) => return Said::Done,
                Err(refused) => Ok(refused),
            },
            Verb::RetractOwn => self.web.retract(node, Leg::Http.own()).await,
            Verb::RetractAny => self.web.retract(node, Leg::Http.of_another()).await,
        };
        let answered = answered.expect("the API answers");
        if matches!(answered.status, 200 | 204) { Said::Done } else { problem(&answered.body) }
    }

    async fn over_xmpp(&mut self, verb: Verb, node: &str) -> Said {
        let retract = |item_id| ("set", format!("<retract node='{node}'><item id='{item_id}'/></retract>"));
        let (kind, request) = match verb {
            Verb::Publish => {
                let item_id = Leg::Xmpp.own();
                let item = format!("<item id='{item_id}'><e xmlns='urn:example:event'/></item>");
                ("set", format!("<publish node='{node}'>{item}</publish>"))
            }
            Verb::Retrieve => ("get", format!("<items node='{node}'/>")),
            Verb::Follow => ("set", format!("<subscribe node='{node}' jid='mallory@localhost'/>")),
            Verb::RetractOwn => retract(Leg::Xmpp.own()),
            Verb::RetractAny => retract(Leg::Xmpp.of_another()),
        };
        let request = format!("<pubsub xmlns='{PUBSUB}'>{request}</pubsub>");
        stanza(&self.user.request(kind, &request).await)
    }

    async fn affiliate_mallorys(&self, node: &str, standing: v1::Affiliation) {
        for jid in [format!("mallory@{DOMAIN}"), format!("mallory@{}", XmppServer::HOST)] {
            self.operator.affiliate(node, &jid, standing).await.expect("it owns the node");
        }
    }
}

/// As the comments in the configuration say.
pub(crate) fn add_token(daemon: &Daemon, principal: &str, token: &str) {
    let sha256 = token_sha256_hex(token);
    let mut config = OpenOptions::new().append(true).open(daemon.config_path()).expect("`init` wrote it");
    write!(config, "\n[[grpc.tokens]]\nprincipal = \"{principal}\"\nsha256 = \"{sha256}\"\n")
        .expect("it is ours");
}
