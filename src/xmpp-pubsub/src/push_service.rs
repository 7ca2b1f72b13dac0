//! The address that the users' servers push to (XEP-0357): a push becomes a job for the device that its node leads to.
//!
//! It is a pubsub service of one verb. Its nodes are made and removed by commands (`ad_hoc/push.rs`), never by publishing;
//! nobody reads them, and they are never listed.

use bus_domain::push::{InletId, PushAlert, PushSummary};
use bus_domain::{Actor, BadRequest, BareJid, BusError, Jid};
use bus_engine::{IncomingPush, Pushes};
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{self, Filled};
use crate::namespaces::{DATA_FORMS, DISCO_INFO, DISCO_ITEMS, PUBSUB, PUSH, PUSH_SUMMARY};
use crate::parts::{Context, Parts, given};
use crate::request::{PUSH_SERVICE, Query, Request};
use crate::xml::Xml;
use crate::{Service, ad_hoc};

/// What the address is served with.
#[derive(Debug, Clone)]
pub struct PushServiceSettings {
    /// Devices and jobs.
    pub pushes: Pushes,
    /// The address.
    pub address: BareJid,
    /// The domains whose users may register devices there.
    pub domains: Vec<BareJid>,
    /// What people see of a push.
    pub alert: PushAlert,
    /// What stands in front of the addresses that application servers push to, without a `/` at its end; without it there are none.
    pub public_url: Option<String>,
}

/// A push as a server sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerPush {
    /// `None` if the node has a name that no node has.
    inlet: Option<InletId>,
    secret: Option<String>,
    summary: PushSummary,
}

impl PushServiceSettings {
    /// Whether somebody may use the commands.
    pub(crate) fn is_open_to(&self, actor: &Actor) -> bool {
        let domain = actor.bare().domain();
        actor.role() == bus_domain::Role::Admin || self.domains.iter().any(|it| it.domain() == domain)
    }

    /// A server pushes for many: what it pushes counts for the one whom it is for, and not for one sender.
    pub(crate) fn lane(&self, from: &Jid, push: &ServerPush) -> Option<String> {
        let is_server = from.node().is_none() && self.domains.iter().any(|it| it.domain() == from.domain());
        let inlet = push.inlet.filter(|_| is_server)?;
        Some(format!("{inlet}@{}", self.address))
    }
}

/// Reads a push (§7). Servers copy the form that the client gave them to the letter, so fields in it that are none of ours
/// are passed over; and a summary that cannot be read is no reason to let nobody know.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let node = given(parts.verb(), "node").ok_or(BadRequest::NodeRequired)?;
    let mut items = parts.verb().children().filter(|child| child.is("item", PUBSUB));
    let item = items.next().ok_or(BadRequest::ItemRequired)?;
    let options = parts.companion("publish-options").and_then(form::form);
    let secret = options.and_then(secret_of);
    let notification = item.get_child("notification", PUSH);
    let summary = notification.and_then(form::form).and_then(|form| form::fields(form, PUSH_SUMMARY).ok());
    let summary = summary.as_ref().map(summary_of).unwrap_or_default();
    Ok(Request::Push(Box::new(ServerPush { inlet: node.parse().ok(), secret, summary })))
}

/// Whatever else the form holds: the secret decides.
fn secret_of(form: &Element) -> Option<String> {
    let is_secret = |field: &&Element| field.is("field", DATA_FORMS) && field.attr("var") == Some("secret");
    let field = form.children().find(is_secret)?;
    Some(field.get_child("value", DATA_FORMS)?.text())
}

fn summary_of(form: &Filled<'_>) -> PushSummary {
    let text = |var| form.value(var).filter(|value| !value.is_empty()).map(str::to_owned);
    let count = |var| form.value(var).and_then(|value| value.trim().parse().ok());
    PushSummary {
        message_count: count("message-count"),
        pending_subscription_count: count("pending-subscription-count"),
        last_message_sender: text("last-message-sender"),
        last_message_body: text("last-message-body"),
    }
}

/// What is pushed is for the device alone: its nodes have the access model `whitelist` with nobody on the list (§3.1).
pub(crate) fn refuse_reader(_: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Err(BusError::ClosedNode.into())
}

/// Reads a question for identity and features.
pub(crate) fn parse_info(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::PushInfo { node: parts.node_if_given()? }))
}

/// Reads a question for what is there.
pub(crate) fn parse_items(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::PushItems { node: parts.node_if_given()? }))
}

impl ServerPush {
    /// About how many bytes it takes while it waits; for bounds.
    pub(crate) fn weight_bytes(&self) -> usize {
        let PushSummary { last_message_sender, last_message_body, .. } = &self.summary;
        [&self.secret, last_message_sender, last_message_body].into_iter().flatten().map(String::len).sum()
    }
}

impl Service {
    /// Takes a push; it is on disk when this returns.
    pub(crate) async fn take_push(&self, from: &Jid, push: &ServerPush) -> Result<(), Refusal> {
        let settings = self.settings.push.as_ref().ok_or(Refusal::NoSuchAddress)?;
        let ServerPush { inlet, secret, summary } = push;
        let (secret, alert) = (secret.as_deref(), &settings.alert);
        let incoming = IncomingPush { inlet: *inlet, from, secret, summary, alert };
        settings.pushes.push_in(incoming).await?;
        Ok(())
    }

    /// Writes what the address is (§4.2), or one of its commands.
    pub(crate) fn push_info(&self, actor: &Actor, node: Option<&str>, out: &mut Xml) -> Result<(), Refusal> {
        let settings = self.settings.push.as_ref().ok_or(Refusal::NoSuchAddress)?;
        if let Some(node) = node {
            return ad_hoc::encode_push_info(settings, actor, node, out);
        }
        out.start_in("query", DISCO_INFO);
        out.start("identity").attribute("category", "pubsub").attribute("type", "push");
        out.attribute("name", &self.settings.name).end();
        for feature in PUSH_SERVICE.features() {
            out.start("feature").attribute("var", &feature).end();
        }
        out.end();
        Ok(())
    }

    /// Writes the commands, where they are asked for; nodes are never listed.
    pub(crate) fn push_items(&self, actor: &Actor, node: Option<&str>, out: &mut Xml) -> Result<(), Refusal> {
        let settings = self.settings.push.as_ref().ok_or(Refusal::NoSuchAddress)?;
        if let Some(node) = node {
            return ad_hoc::encode_push_items(settings, actor, node, out);
        }
        out.start_in("query", DISCO_ITEMS).end();
        Ok(())
    }
}
