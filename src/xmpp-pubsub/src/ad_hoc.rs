//! Ad-hoc commands (XEP-0050): what has no request of its own, as forms that any client shows.
//!
//! `table` holds the commands, each a file here; `sessions` remembers who has come how far; `answer` writes
//! `<command/>`. Those of `push` stand at the address that servers push to, with a table of their own. This file is the protocol between them. Commands use the engine as every other request does.

mod answer;
mod entity;
mod inspect_node;
mod list_nodes;
mod node_changes;
mod pending;
mod push;
mod sessions;
mod subscribers;
mod table;

use bus_domain::{Actor, BusError};
use bus_engine::Engine;
use bus_xml::Element;

use crate::Service;
use crate::errors::{CommandProblem, ErrorKind, Refusal};
use crate::form;
use crate::namespaces::COMMANDS;
use crate::parts::{Context, Parts, given};
use crate::push_service::PushServiceSettings;
use crate::request::Request;
use crate::xml::Xml;

use answer::{Answer, Status};
use sessions::Stage;
use table::{Ask, Entry, Found, Given, Place, TABLE, Turn, Who};

pub(crate) use sessions::Sessions;

/// A request to a command.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    entry: &'static Entry,
    action: Action,
    session: Option<String>,
    /// What was given for the fields that the command asks for; `None` without a form. Clients send forms where none is asked for,
    /// so what is wrong with one counts only where one is.
    submitted: Option<Result<Given, CommandProblem>>,
}

/// What is wanted of a command (XEP-0050 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Execute,
    Cancel,
    Prev,
    Next,
    Complete,
}

/// Reads `<command/>`. A form that is cancelled is one that is submitted (§3.5).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    parse_of(TABLE, parts)
}

/// The same, at the address that servers push to.
pub(crate) fn parse_push(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    parse_of(push::TABLE, parts)
}

fn parse_of(entries: &'static [Entry], parts: &Parts<'_>) -> Result<Request, Refusal> {
    let command = parts.verb();
    let node = given(command, "node").ok_or_else(|| BusError::bad_request("the command has no node"))?;
    let action = match command.attr("action") {
        None | Some("execute") => Action::Execute,
        Some("cancel") => Action::Cancel,
        Some("prev") => Action::Prev,
        Some("next") => Action::Next,
        Some("complete") => Action::Complete,
        Some(_) => return Err(CommandProblem::MalformedAction.into()),
    };
    let entry = find(entries, node).ok_or(CommandProblem::NoSuchCommand)?;
    let session = given(command, "sessionid").map(str::to_owned);
    let form = form::form(command).zip(entry.ask.as_ref());
    let submitted = form.map(|(form, ask)| read_given(form, ask));
    Ok(Request::AdHoc(Execution { entry, action, session, submitted }))
}

/// What a form gives for the fields that are asked for.
fn read_given(form: &Element, ask: &Ask) -> Result<Given, CommandProblem> {
    if !matches!(form.attr("type"), Some("submit" | "cancel")) {
        return Err(CommandProblem::bad_payload("the form is not submitted"));
    }
    let filled = form::fields(form, ask.form_type);
    let filled = filled.map_err(|refusal| CommandProblem::bad_payload(refusal.to_string()))?;
    let value = |var| filled.value(var).filter(|value| !value.is_empty()).map(str::to_owned);
    let first =
        value(ask.var).ok_or_else(|| CommandProblem::bad_payload(format!("{} has no value", ask.var)))?;
    let more = ask.more.iter().filter_map(|field| Some((field.var, value(field.var)?))).collect();
    Ok(Given { first, more })
}

impl Execution {
    /// Writes what an error is about, as the examples of XEP-0050 have it: clients find their session by it.
    pub(crate) fn encode(&self, out: &mut Xml) {
        out.start_in("command", COMMANDS).attribute("node", self.entry.node);
        // One that is longer is none of ours, and an answer has to fit on the stream whatever it repeats.
        if let Some(session) = self.session.as_ref().filter(|id| id.len() <= sessions::ID_BYTES_MAX) {
            out.attribute("sessionid", session);
        }
        out.end();
    }

    /// About how many bytes it takes while it waits; for bounds.
    pub(crate) fn weight_bytes(&self) -> usize {
        let submitted = self.submitted.as_ref().and_then(|submitted| submitted.as_ref().ok());
        self.session.as_ref().map_or(0, String::len) + submitted.map_or(0, Given::len_bytes)
    }
}

impl Service {
    /// Carries a request to a command out, and writes what came of it.
    pub(crate) async fn execute(
        &self,
        actor: &Actor,
        execution: &Execution,
        answer_bytes_max: usize,
        out: &mut Xml,
    ) -> Result<(), Refusal> {
        let &Execution { entry, action, ref session, ref submitted } = execution;
        let Self { engine, sessions, .. } = self;
        let push = self.settings.push.as_ref();
        if !may(engine, push, actor, entry).await? {
            return Err(CommandProblem::Forbidden.into());
        }
        let now_ms = engine.now_ms();
        let run = Run { engine, push, actor, entry, answer_bytes_max };
        let Some(id) = session else {
            if action != Action::Execute && !(entry.is_direct && action == Action::Complete) {
                return Err(CommandProblem::BadSession.into());
            }
            let (answer, stage) = run.start(submitted.as_ref()).await?;
            // What does not fit begins no session.
            run.encode(&answer, &"0".repeat(sessions::ID_BYTES_MAX), out)?;
            let id = match stage {
                Some(stage) => sessions.open(actor, entry, stage, now_ms)?,
                None => sessions.unused_id(),
            };
            out.raw(&run.encode(&answer, &id, out)?);
            return Ok(());
        };
        let mut session = sessions.take(id, actor, entry, now_ms)?;
        let step = run.go_on(session.stage.clone(), action, submitted.clone()).await;
        match step.and_then(|(answer, stage)| Ok((run.encode(&answer, id, out)?, stage))) {
            Ok((markup, stage)) => {
                if let Some(stage) = stage {
                    session.stage = stage;
                    sessions.put_back(id, session, now_ms);
                }
                out.raw(&markup);
                Ok(())
            }
            // What was wrong with the request can be mended, and where an answer does not fit, another way be taken.
            Err(refusal) => {
                sessions.put_back(id, session, now_ms);
                Err(refusal)
            }
        }
    }
}

/// One request to a command by somebody who may.
struct Run<'a> {
    engine: &'a Engine,
    push: Option<&'a PushServiceSettings>,
    actor: &'a Actor,
    entry: &'static Entry,
    answer_bytes_max: usize,
}

/// What is answered, and where the session stands then; without one it is over.
type Step = (Answer, Option<Stage>);

impl Run<'_> {
    /// The answer as it is to be appended to what there is, if it fits.
    fn encode(&self, answer: &Answer, session: &str, out: &Xml) -> Result<String, Refusal> {
        const ENDS_BYTES: usize = ">".len() + "</iq>".len();
        let mut markup = Xml::default();
        answer.encode(self.entry, session, &mut markup);
        let (markup, bytes_max) = (markup.finish(), self.answer_bytes_max);
        let fits = out.len() + markup.len() + ENDS_BYTES <= bytes_max;
        if fits { Ok(markup) } else { Err(Refusal::AnswerTooLong { bytes_max }) }
    }

    /// The first request: a form, or the first page of what needs none. What it carries is not looked at, because nothing
    /// was asked for yet; but a direct command takes it.
    async fn start(&self, submitted: Option<&Result<Given, CommandProblem>>) -> Result<Step, Refusal> {
        let Some(ask) = &self.entry.ask else { return self.page(Place::first(Given::default())).await };
        if let Some(submitted) = submitted.filter(|_| self.entry.is_direct) {
            return self.page(Place::first(submitted.clone()?)).await;
        }
        let Some(find_options) = ask.options else {
            return Ok((Answer::asking(ask, None), Some(Stage::Asked)));
        };
        let options = find_options(self.engine, self.actor).await?;
        if options.values.is_empty() {
            return Ok((Answer::note(options.none), None));
        }
        Ok((Answer::asking(ask, Some(&options)), Some(Stage::Asked)))
    }

    async fn go_on(
        &self,
        stage: Stage,
        action: Action,
        submitted: Option<Result<Given, CommandProblem>>,
    ) -> Result<Step, Refusal> {
        match (stage, action) {
            (_, Action::Cancel) => Ok((Answer::only(Status::Canceled), None)),
            (Stage::Asked, Action::Execute | Action::Complete) => {
                let given = submitted.ok_or_else(|| CommandProblem::bad_payload("there is no form"))??;
                self.page(Place::first(given)).await
            }
            (Stage::Page(place), Action::Execute | Action::Next) => self.page(place.next()).await,
            (Stage::Page(place), Action::Prev) => {
                self.page(place.previous().ok_or(CommandProblem::BadAction)?).await
            }
            (Stage::Page(_), Action::Complete) => Ok((Answer::only(Status::Completed), None)),
            (Stage::Asked, Action::Prev | Action::Next) => Err(CommandProblem::BadAction.into()),
        }
    }

    /// What the command does, or a page of what it lists. What the bus refuses for good completes it (§3.6), unless
    /// the XEP of the command says otherwise.
    async fn page(&self, place: Place) -> Result<Step, Refusal> {
        let turn = Turn {
            engine: self.engine,
            push: self.push,
            actor: self.actor,
            argument: &place.given.first,
            more: &place.given.more,
            after: place.after.as_deref(),
        };
        let found = match (self.entry.run)(turn).await {
            Ok(found) => found,
            Err(refusal) if self.entry.tells_of_failure && is_final(&refusal) => Found::failure(&refusal),
            Err(refusal) => return Err(refusal),
        };
        Ok(Answer::found(found, place, self.answer_bytes_max))
    }
}

/// Whether the same request would fail again.
fn is_final(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Bus(error) => {
            matches!(error.class(), bus_domain::ErrorClass::Request | bus_domain::ErrorClass::Denied)
        }
        Refusal::Push { error, .. } => error.kind != ErrorKind::Wait,
        _ => false,
    }
}

async fn may(
    engine: &Engine,
    push: Option<&PushServiceSettings>,
    actor: &Actor,
    entry: &Entry,
) -> Result<bool, Refusal> {
    Ok(match entry.who {
        Who::PushUsers => push.is_some_and(|push| push.is_open_to(actor)),
        Who::Admins => actor.role() == bus_domain::Role::Admin,
        Who::Owners => engine.approves_somewhere(actor).await?,
    })
}

/// Whether disco questions about this node are about commands (§2.2), whatever nodes there are.
pub(crate) fn is_command_node(node: &str) -> bool {
    node == COMMANDS || find(TABLE, node).is_some()
}

fn find(entries: &'static [Entry], node: &str) -> Option<&'static Entry> {
    entries.iter().find(|entry| entry.node == node)
}

/// Writes what disco says of the list of commands or of one of them (§2.1, §2.2).
pub(crate) async fn encode_info(
    engine: &Engine,
    actor: &Actor,
    node: &str,
    out: &mut Xml,
) -> Result<(), Refusal> {
    match find(TABLE, node) {
        Some(entry) if may(engine, None, actor, entry).await? => answer::encode_command_info(entry, out),
        Some(_) => return Err(CommandProblem::Forbidden.into()),
        None => answer::encode_list_info(out),
    }
    Ok(())
}

/// Writes the commands that the actor may use (§2.2); there is nothing below one.
pub(crate) async fn encode_items(
    engine: &Engine,
    service: &str,
    actor: &Actor,
    node: &str,
    out: &mut Xml,
) -> Result<(), Refusal> {
    let mut entries = Vec::new();
    if find(TABLE, node).is_none() {
        for entry in TABLE {
            if may(engine, None, actor, entry).await? {
                entries.push(entry);
            }
        }
    }
    answer::encode_list(service, node, &entries, out);
    Ok(())
}

/// The same as [`encode_info`], at the address that servers push to.
pub(crate) fn encode_push_info(
    settings: &PushServiceSettings,
    actor: &Actor,
    node: &str,
    out: &mut Xml,
) -> Result<(), Refusal> {
    match find(push::TABLE, node) {
        Some(_) if !settings.is_open_to(actor) => return Err(CommandProblem::Forbidden.into()),
        Some(entry) => answer::encode_command_info(entry, out),
        None if node == COMMANDS => answer::encode_list_info(out),
        None => return Err(bus_domain::BusError::NodeNotFound.into()),
    }
    Ok(())
}

/// The same as [`encode_items`], at the address that servers push to.
pub(crate) fn encode_push_items(
    settings: &PushServiceSettings,
    actor: &Actor,
    node: &str,
    out: &mut Xml,
) -> Result<(), Refusal> {
    let is_list = node == COMMANDS;
    if !is_list && find(push::TABLE, node).is_none() {
        return Err(bus_domain::BusError::NodeNotFound.into());
    }
    let is_open = is_list && settings.is_open_to(actor);
    let entries = push::TABLE.iter().filter(|entry| is_open && push::is_offered(entry, settings));
    answer::encode_list(settings.address.as_str(), node, &entries.collect::<Vec<_>>(), out);
    Ok(())
}
