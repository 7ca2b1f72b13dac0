use std::collections::HashSet;

use bus_domain::{Actor, BareJid, BusError, Jid, Role};
use bus_engine::{Command, Engine};
use bus_xml::{Element, RejectReason};

use crate::ad_hoc::Sessions;
use crate::authorization;
use crate::caps::Caps;
use crate::contacts::Contacts;
use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::parts::Context;
use crate::presence;
use crate::push_service::PushServiceSettings;
use crate::request::{self, IqKind, Request, Table, Work};

/// The pubsub service at one domain: a stanza in, its answer out.
///
/// It answers at its bare domain, and at the address for pushes if it has one. Whoever asks another address of the stream's (a user, a resource, another
/// domain that the server routes here) hears that nobody is there.
#[derive(Debug)]
pub struct Service {
    pub(crate) engine: Engine,
    pub(crate) settings: ServiceSettings,
    pub(crate) features: Vec<String>,
    pub(crate) caps: Caps,
    pub(crate) sessions: Sessions,
}

/// What a service is started with.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// Its address: the component's domain.
    pub domain: BareJid,
    /// Who counts as an owner of every node.
    pub admins: HashSet<BareJid>,
    /// The domains whose users may create nodes.
    pub create_domains: Vec<BareJid>,
    /// Whom to ask about it.
    pub contacts: Contacts,
    /// Its name for people and for XEP-0092.
    pub name: String,
    /// Its version, for XEP-0092.
    pub version: String,
    /// With it, servers push to an address beside its own.
    pub push: Option<PushServiceSettings>,
    /// The longest answer. Over its own limit the server would close the stream, so this is at most the link's.
    pub answer_bytes_max: usize,
}

/// What is to be done about a stanza.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Who sent it, as the server wrote it; its answers leave in order.
    pub(crate) sender: String,
    /// What to do.
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Send this, in its order.
    Answer(Vec<String>),
    /// Carry this out and answer it.
    Work(Envelope, Box<Work>),
}

impl Service {
    /// A service over an engine.
    pub fn new(engine: Engine, settings: ServiceSettings) -> Self {
        let features = request::features();
        let caps = Caps::of(&settings.name, &features, &settings.contacts);
        let sessions = Sessions::new(engine.ids());
        Self { engine, settings, features, caps, sessions }
    }

    /// Answers one stanza: every IQ request gets exactly one answer, IQ results and errors and messages get none,
    /// presence gets one where RFC 6121 wants it. Stanzas that claim to come from our own domain are dropped. A query of an
    /// archive also gets messages, which leave in front of the answer.
    pub async fn handle(&self, stanza: &Element) -> Vec<String> {
        match self.prepare(stanza).map(|prepared| prepared.task) {
            None => Vec::new(),
            Some(Task::Answer(answer)) => answer,
            Some(Task::Work(envelope, work)) => self.carry_out(envelope, *work, usize::MAX).await,
        }
    }

    /// Answers a stanza that broke a cap of the stream and of which only the head is left.
    pub fn reject(&self, head: &Element, reason: RejectReason) -> Option<String> {
        self.prepare_rejection(head, reason).map(|(_, answer)| answer)
    }

    /// The sender of a stanza that broke a cap, and the answer.
    pub(crate) fn prepare_rejection(&self, head: &Element, reason: RejectReason) -> Option<(String, String)> {
        let Origin { sender, asked, .. } = self.origin(head)?;
        if head.name() != "iq" || matches!(head.attr("type"), Some("result" | "error")) {
            return None;
        }
        let envelope = Envelope::answering(head, sender, asked);
        Some((sender.to_owned(), envelope.error(&Refusal::OverLimit(reason))))
    }

    /// For whom a request counts, if not for its sender.
    pub(crate) fn lane_of(&self, work: &Work) -> Option<String> {
        let Work::Push { from, push } = work else { return None };
        self.settings.push.as_ref()?.lane(from, push)
    }

    /// Understands a stanza, without waiting for anything.
    pub(crate) fn prepare(&self, stanza: &Element) -> Option<Prepared> {
        let origin = self.origin(stanza)?;
        let sender = origin.sender.to_owned();
        let task = match stanza.name() {
            "iq" => self.prepare_iq(stanza, origin)?,
            "presence" => {
                let (from, asked) = (origin.jid?, Jid::new(&origin.asked).ok()?);
                let (kind, service) = (stanza.attr("type"), &self.settings.domain);
                let answer = presence::answer(kind, &from, &asked, service, &self.caps);
                if answer.is_empty() {
                    return None;
                }
                Task::Answer(answer)
            }
            _ => self.prepare_message(stanza, origin)?,
        };
        Some(Prepared { sender, task })
    }

    /// An owner's answer to a request for approval; no other message says anything to us.
    fn prepare_message(&self, stanza: &Element, origin: Origin<'_>) -> Option<Task> {
        let jid = origin.jid.filter(|_| origin.asked == self.settings.domain.as_str())?;
        let (node, verb) = authorization::parse(stanza)?;
        let role = self.role(&jid);
        let command = Command { actor: Actor::new(jid, role), node, verb };
        let envelope = Envelope::silent(origin.sender, origin.asked);
        Some(Task::Work(envelope, Box::new(Work::Command(Box::new(command)))))
    }

    fn prepare_iq(&self, stanza: &Element, origin: Origin<'_>) -> Option<Task> {
        let kind = match stanza.attr("type") {
            Some("result" | "error") => return None,
            Some("get") => Some(IqKind::Get),
            Some("set") => Some(IqKind::Set),
            _ => None,
        };
        let envelope = Envelope::answering(stanza, origin.sender, origin.asked);
        Some(match self.understand(stanza, origin.jid, kind, &envelope) {
            Ok(work) => Task::Work(envelope, Box::new(work)),
            Err(refusal) => Task::Answer(vec![envelope.error(&refusal)]),
        })
    }

    /// The rules of RFC 6120 §8.2.3 for requests, then the table.
    fn understand(
        &self,
        stanza: &Element,
        sender: Option<Jid>,
        kind: Option<IqKind>,
        envelope: &Envelope,
    ) -> Result<Work, Refusal> {
        let sender = sender.ok_or(Refusal::SenderMalformed)?;
        let table = self.table_at(envelope.asked()).ok_or(Refusal::NoSuchAddress)?;
        let kind = kind.ok_or_else(|| BusError::bad_request("the type of an IQ request is get or set"))?;
        if !envelope.has_id() {
            return Err(
                BusError::bad_request("an IQ has an id, and not one of many thousand characters").into()
            );
        }
        let mut children = stanza.children();
        let (Some(child), None) = (children.next(), children.next()) else {
            return Err(BusError::bad_request("an IQ request has exactly one child").into());
        };
        let context = Context { limits: &self.engine.settings().limits, ids: self.engine.ids() };
        let request = table.parse(kind, child, &context)?;
        let role = self.role(&sender);
        let actor = Actor::new(sender, role);
        Ok(match request {
            Request::Change { node, verb } => Work::Command(Box::new(Command { actor, node, verb: *verb })),
            Request::Query(query) => Work::Query { actor, query },
            Request::AdHoc(execution) => Work::AdHoc { actor, execution },
            Request::Push(push) => Work::Push { from: actor.jid().clone(), push },
        })
    }

    /// What is understood at an address.
    fn table_at(&self, address: &str) -> Option<Table> {
        let ServiceSettings { domain, push, .. } = &self.settings;
        if domain.as_str() == address {
            return Some(request::SERVICE);
        }
        push.as_ref().filter(|push| push.address.as_str() == address).map(|_| request::PUSH_SERVICE)
    }

    fn role(&self, jid: &Jid) -> Role {
        if self.settings.admins.contains(&jid.to_bare()) {
            return Role::Admin;
        }
        let mut creators = self.settings.create_domains.iter();
        if creators.any(|creators| creators.domain() == jid.domain()) { Role::Creator } else { Role::User }
    }

    /// Whom a stanza is from and whom it is for; `None` if it is to be dropped.
    fn origin<'a>(&self, stanza: &'a Element) -> Option<Origin<'a>> {
        let domain = &self.settings.domain;
        let sender = stanza.attr("from")?;
        let jid = Jid::new(sender).ok();
        if jid.as_ref().is_some_and(|jid| jid.domain() == domain.domain()) {
            tracing::debug!("a stanza that claims to come from our own domain is dropped");
            return None;
        }
        let asked = stanza.attr("to").and_then(|to| Jid::new(to).ok());
        let asked = asked.map_or_else(|| domain.to_string(), |asked| asked.to_string());
        Some(Origin { sender, jid, asked })
    }
}

/// Whom a stanza is from and whom it is for.
struct Origin<'a> {
    /// The sender, as the server wrote it: answers go there, whatever we think of its form.
    sender: &'a str,
    /// The sender, normalised.
    jid: Option<Jid>,
    /// The address asked, normalised.
    asked: String,
}
