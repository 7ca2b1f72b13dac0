//! Quotas hold on every leg alike: a user over XMPP and a principal over gRPC are bounded by one table, each for itself.

use std::time::Duration;

use bus_xml::Element;
use harness::{Daemon, ServerKind, XmppServer};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::access::add_token;
use crate::peers::{GrpcCaller, XmppPeer, behind_each_server, impatient, init, metric, server};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";

/// The token of the principal `alice`, who is no admin.
const ALICES_TOKEN: &str = "a token for alice";
const ITEM: &str = "<item><e xmlns='urn:example:event'/></item>";
/// Items of a request that uses up a minute of the rates here.
const ITEMS: usize = 60;

/// What somebody asks for on both legs.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Create,
    Publish,
}

behind_each_server! {
    a_quota_refuses_a_user_and_a_principal_for_the_same_reason,
    subscriptions_are_counted_over_all_nodes,
}

async fn a_quota_refuses_a_user_and_a_principal_for_the_same_reason(kind: ServerKind) {
    // (the bound, what is asked for again and again, how often it is done, the quota, the error over XMPP)
    for (bound, verb, times, quota, over_xmpp) in [
        (("NODES_PER_JID", "2"), Verb::Create, 2, "nodes_per_jid", "wait/policy-violation"),
        // The node that is published on was made by the principal, whose domain is that of the component.
        (("NODES_PER_DOMAIN", "3"), Verb::Create, 3, "nodes_per_domain", "wait/policy-violation"),
        (
            ("PUBLISHES_PER_SECOND_PER_JID", "1"),
            Verb::Publish,
            1,
            "publishes_per_jid",
            "wait/policy-violation",
        ),
        (("PUBLISHES_PER_SECOND", "1"), Verb::Publish, 1, "publishes", "wait/resource-constraint"),
    ] {
        let mut rig = Rig::start(kind, bound).await;
        rig.principal.create_node("news").await.expect("the first one");
        let of_principal = match verb {
            Verb::Create => times - 1,
            Verb::Publish => times,
        };
        let refused = rig.until_refused_over_grpc(verb, of_principal).await;
        let details = refused.get_error_details();
        let reason = details.error_info().expect("an ErrorInfo").reason.clone();
        assert_eq!((refused.code(), reason.as_str()), (Code::ResourceExhausted, "LIMIT_REACHED"), "{quota}");
        assert_eq!(details.quota_failure().expect("a QuotaFailure").violations[0].subject, quota);
        let wait = details.retry_info().expect("a RetryInfo").retry_delay.expect("a delay");
        assert!(wait > Duration::ZERO, "{quota}");
        // What all share is used up by now.
        let of_user = if quota == "publishes" { 0 } else { times };
        assert_eq!(rig.until_refused_over_xmpp(verb, of_user).await, over_xmpp, "{quota}");
        let counted = format!("stanzabus_quota_refusals_total{{quota=\"{quota}\"}}");
        assert_eq!(metric(&rig.daemon, &counted).await, 2, "one on each leg");
    }
}

async fn subscriptions_are_counted_over_all_nodes(kind: ServerKind) {
    let mut rig = Rig::start(kind, ("SUBSCRIPTIONS_PER_JID", "2")).await;
    for node in ["a", "b", "c"] {
        rig.principal.create_node(node).await.expect("a node");
    }
    let mut subscribe = async |node: &str| {
        let request = format!("<subscribe node='{node}' jid='alice@localhost'/>");
        rig.user.request("set", &format!("<pubsub xmlns='{PUBSUB}'>{request}</pubsub>")).await
    };
    for node in ["a", "b", "a"] {
        assert_eq!(subscribe(node).await.attr("type"), Some("result"), "{node}");
    }
    let refused = refusal_of(&subscribe("c").await);
    assert_eq!(refused, "wait/policy-violation+too-many-subscriptions");
}

/// The bus, and alice twice: as a principal and as a user, who may create nodes both.
struct Rig {
    principal: GrpcCaller,
    user: XmppPeer,
    daemon: Daemon,
    _server: XmppServer,
}

impl Rig {
    /// With one bound of the table; of a rate, a second's worth may come at once.
    async fn start(kind: ServerKind, (bound, value): (&str, &str)) -> Self {
        let mut server = server(kind);
        server.start().await.expect("the server starts");
        let mut daemon = init(server.component_port()).await;
        impatient(&mut daemon);
        daemon.set_env(format!("STANZABUS_LIMITS__{bound}_MAX"), value);
        daemon.set_env("STANZABUS_LIMITS__PUBLISH_BURST_MS", "1000");
        add_token(&daemon, "alice", ALICES_TOKEN);
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        let user = XmppPeer::user(&server, "alice").await;
        Self { principal: GrpcCaller::holding(ALICES_TOKEN, &daemon), user, daemon, _server: server }
    }

    async fn until_refused_over_grpc(&self, verb: Verb, times: usize) -> Status {
        for time in 0..=times {
            let answer = match verb {
                Verb::Create => self.principal.create_node(&format!("grpc-{time}")).await,
                Verb::Publish => self.principal.publish_many("news", ITEMS).await,
            };
            match answer {
                Ok(()) => assert!(time < times, "{verb:?} passes"),
                Err(status) if time == times => return status,
                Err(status) => panic!("{verb:?} {time}: {status}"),
            }
        }
        unreachable!("the last one passes or is refused")
    }

    async fn until_refused_over_xmpp(&mut self, verb: Verb, times: usize) -> String {
        for time in 0..=times {
            let request = match verb {
                Verb::Create => format!("<create node='xmpp-{time}'/>"),
                Verb::Publish => format!("<publish node='xmpp'>{}</publish>", ITEM.repeat(ITEMS)),
            };
            let answer =
                self.user.request("set", &format!("<pubsub xmlns='{PUBSUB}'>{request}</pubsub>")).await;
            match answer.attr("type") {
                Some("result") => assert!(time < times, "{verb:?} passes"),
                _ if time == times => return refusal_of(&answer),
                _ => panic!("{verb:?} {time}: {answer:?}"),
            }
        }
        unreachable!("the last one passes or is refused")
    }
}

/// An error's type, its condition, and that of XEP-0060.
fn refusal_of(answer: &Element) -> String {
    let error = answer.children().find(|child| child.name() == "error").expect("an error has an <error/>");
    let condition = |namespace: &str| {
        let mut of_namespace = error.children().filter(|it| it.ns() == namespace && it.name() != "text");
        of_namespace.next().map(|condition| condition.name().to_owned())
    };
    let kind = error.attr("type").expect("an error has a type");
    let of_pubsub = condition(PUBSUB_ERRORS).map(|name| format!("+{name}")).unwrap_or_default();
    format!("{kind}/{}{of_pubsub}", condition(STANZA_ERRORS).expect("an error has a condition"))
}
