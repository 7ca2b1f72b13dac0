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
use v1::AccessModel::{Open, Whitelist};
use v1::Affiliation::{Member, None as Nobody, Outcast, PublishOnly, Publisher};

use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, XmppPeer, behind_each_server, init, server};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";

/// The token of the principal `mallory`; the XMPP user mallory@localhost stands beside it in every row.
const MALLORYS_TOKEN: &str = "a token for mallory";

/// What both legs let somebody do.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Publish,
    Retrieve,
    /// Tail over gRPC, subscribe over XMPP.
    Follow,
}

/// What became of it: done, or refused in the words of one leg.
#[derive(Debug, PartialEq, Eq)]
enum Outcome<Refusal> {
    Done,
    Refused(Refusal),
}
use Outcome::{Done, Refused};

/// A status and the reason of its `google.rpc.ErrorInfo`.
type GrpcRefusal = (Code, String);
/// An error's type, its condition, and that of XEP-0060.
type XmppRefusal = (String, String, Option<String>);

/// A rule's answer, in no leg's words.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Allowed,
    Forbidden,
    ClosedNode,
}
use Rule::{Allowed, ClosedNode, Forbidden};

behind_each_server! {
    a_principal_is_refused_over_grpc_exactly_as_a_user_over_xmpp,
    a_ban_acts_at_once_on_a_reader_and_on_a_subscriber,
}

async fn a_principal_is_refused_over_grpc_exactly_as_a_user_over_xmpp(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    // (access model, mallory's standing, [publish, retrieve, follow]); everyone may publish unless banned.
    for (access_model, standing, rules) in [
        (Open, Outcast, [Forbidden, Forbidden, Forbidden]),
        (Whitelist, Outcast, [Forbidden, Forbidden, Forbidden]),
        (Open, Nobody, [Allowed, Allowed, Allowed]),
        (Whitelist, Nobody, [Allowed, ClosedNode, ClosedNode]),
        (Open, PublishOnly, [Allowed, Forbidden, Forbidden]),
        (Whitelist, Member, [Allowed, Allowed, Allowed]),
        (Whitelist, Publisher, [Allowed, Allowed, Allowed]),
    ] {
        let node = format!("{access_model:?} to {standing:?}");
        rig.create(&node, access_model).await;
        rig.affiliate_mallorys(&node, standing).await;
        for (verb, rule) in [Verb::Publish, Verb::Retrieve, Verb::Follow].into_iter().zip(rules) {
            let over_grpc = over_grpc(&rig.principal, verb, &node).await;
            assert_eq!(over_grpc, rule.over_grpc(), "{verb:?} over gRPC, {node}");
            let over_xmpp = over_xmpp(&mut rig.user, verb, &node).await;
            assert_eq!(over_xmpp, rule.over_xmpp(), "{verb:?} over XMPP, {node}");
        }
    }
}

async fn a_ban_acts_at_once_on_a_reader_and_on_a_subscriber(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    rig.create("news", Open).await;
    let mut tail = rig.principal.tail("news").await.unwrap();
    tail.message().await.unwrap().expect("the log is opened");
    rig.user.send("<presence/>").await;
    rig.user.subscribe("news", "mallory@localhost").await;

    let mut bob = XmppPeer::user(&rig.server, "bob").await;
    bob.send("<presence/>").await;
    bob.subscribe("news", "bob@localhost").await;

    rig.affiliate_mallorys("news", Outcast).await;
    rig.operator.publish("news", "secret", "<e xmlns='urn:example:event'/>").await.unwrap();

    let ended = timeout(PATIENCE, tail.message()).await.expect("the tail ends");
    assert_eq!(Refused(grpc_refusal(&ended.unwrap_err())), Forbidden.over_grpc());

    // Bob subscribed later, so what is for mallory goes out before what is for him, and before mallory's next answer.
    bob.receive_until(|stanzas| stanzas.iter().any(|stanza| bus_xml::serialise(stanza).contains("secret")))
        .await;
    let heard = rig.user.ask("", &format!("to='{DOMAIN}'")).await;
    assert!(!heard.iter().any(|stanza| stanza.name() == "message"), "the banned subscriber hears {heard:?}");
}

async fn over_grpc(mallory: &GrpcCaller, verb: Verb, node: &str) -> Outcome<GrpcRefusal> {
    let result = match verb {
        Verb::Publish => mallory.publish(node, "from-grpc", "<e xmlns='urn:example:event'/>").await.map(drop),
        Verb::Retrieve => mallory.items(node).await.map(drop),
        Verb::Follow => open_tail(mallory, node).await,
    };
    match result {
        Ok(()) => Done,
        Err(status) => Refused(grpc_refusal(&status)),
    }
}

/// The first frame says that the log may be read.
async fn open_tail(mallory: &GrpcCaller, node: &str) -> Result<(), Status> {
    let mut frames = mallory.tail(node).await?;
    frames.message().await?.expect("the stream does not end before its first frame");
    Ok(())
}

async fn over_xmpp(mallory: &mut XmppPeer, verb: Verb, node: &str) -> Outcome<XmppRefusal> {
    let (kind, request) = match verb {
        Verb::Publish => {
            let item = "<item id='from-xmpp'><e xmlns='urn:example:event'/></item>";
            ("set", format!("<publish node='{node}'>{item}</publish>"))
        }
        Verb::Retrieve => ("get", format!("<items node='{node}'/>")),
        Verb::Follow => ("set", format!("<subscribe node='{node}' jid='mallory@localhost'/>")),
    };
    let answer = mallory.request(kind, &format!("<pubsub xmlns='{PUBSUB}'>{request}</pubsub>")).await;
    match answer.attr("type") {
        Some("result") => Done,
        _ => Refused(xmpp_refusal(&answer)),
    }
}

fn grpc_refusal(status: &Status) -> GrpcRefusal {
    let details = status.get_error_details();
    let info = details.error_info().expect("each error has an ErrorInfo");
    (status.code(), info.reason.clone())
}

fn xmpp_refusal(answer: &Element) -> XmppRefusal {
    let error = answer.children().find(|child| child.name() == "error").expect("an error has an <error/>");
    let condition = |namespace: &str| {
        let mut conditions =
            error.children().filter(|child| child.ns() == namespace && child.name() != "text");
        conditions.next().map(|condition| condition.name().to_owned())
    };
    let kind = error.attr("type").expect("an error has a type").to_owned();
    (kind, condition(STANZA_ERRORS).expect("an error has a condition"), condition(PUBSUB_ERRORS))
}

impl Rule {
    fn over_grpc(self) -> Outcome<GrpcRefusal> {
        let reason = match self {
            Allowed => return Done,
            Forbidden => "AFFILIATION_REQUIRED",
            ClosedNode => "ACCESS_MODEL_WHITELIST",
        };
        Refused((Code::PermissionDenied, reason.to_owned()))
    }

    fn over_xmpp(self) -> Outcome<XmppRefusal> {
        let (kind, condition, of_pubsub) = match self {
            Allowed => return Done,
            Forbidden => ("auth", "forbidden", None),
            ClosedNode => ("cancel", "not-allowed", Some("closed-node")),
        };
        Refused((kind.to_owned(), condition.to_owned(), of_pubsub.map(str::to_owned)))
    }
}

/// The bus, its operator, and mallory twice: as a principal and as a user. Neither may administer.
struct Rig {
    operator: GrpcCaller,
    principal: GrpcCaller,
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
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        Self {
            operator: GrpcCaller::new(&daemon),
            principal: GrpcCaller::holding(MALLORYS_TOKEN, &daemon),
            user: XmppPeer::user(&server, "mallory").await,
            _daemon: daemon,
            server,
        }
    }

    async fn create(&self, node: &str, access_model: v1::AccessModel) {
        let config = v1::NodeConfig {
            access_model: access_model.into(),
            publish_model: v1::PublishModel::Open.into(),
            ..v1::NodeConfig::default()
        };
        self.operator.create_node_with(node, config).await.expect("it may create");
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
