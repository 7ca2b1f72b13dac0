//! Ad-hoc commands (XEP-0050): what has no request of its own, as forms that any client shows.
//!
//! `table` holds the commands, each a file here; `sessions` remembers who has come how far; `answer` writes
//! `<command/>`. This file is the protocol between them. Commands use the engine as every other request does.

mod answer;
mod entity;
mod inspect_node;
mod list_nodes;
mod node_changes;
mod pending;
mod sessions;
mod subscribers;
mod table;

use bus_domain::{Actor, BusError};
use bus_engine::Engine;
use bus_xml::Element;

use crate::errors::{CommandProblem, Refusal};
use crate::form;
use crate::namespaces::COMMANDS;
use crate::parts::{Context, Parts, given};
use crate::request::Request;
use crate::xml::Xml;

use answer::{Answer, Status};
use sessions::Stage;
use table::{Ask, Entry, Found, Place, TABLE, Turn, Who};

pub(crate) use sessions::Sessions;

/// A request to a command.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    entry: &'static Entry,
    action: Action,
    session: Option<String>,
    /// The value of the field that the command asks for; `None` without a form. Clients send forms where none is asked for,
    /// so what is wrong with one counts only where one is.
    submitted: Option<Result<String, CommandProblem>>,
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
    let entry = find(node).ok_or(CommandProblem::NoSuchCommand)?;
    let session = given(command, "sessionid").map(str::to_owned);
    let form = form::form(command).zip(entry.ask.as_ref());
    let submitted = form.map(|(form, ask)| value(form, ask));
    Ok(Request::AdHoc(Execution { entry, action, session, submitted }))
}

/// What a form gives for the field that is asked for.
fn value(form: &Element, ask: &Ask) -> Result<String, CommandProblem> {
    if !matches!(form.attr("type"), Some("submit" | "cancel")) {
        return Err(CommandProblem::bad_payload("the form is not submitted"));
    }
    let filled = form::fields(form, ask.form_type);
    let filled = filled.map_err(|refusal| CommandProblem::bad_payload(refusal.to_string()))?;
    let value = filled.value(ask.var).filter(|value| !value.is_empty());
    value.map(str::to_owned).ok_or_else(|| CommandProblem::bad_payload(format!("{} has no value", ask.var)))
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
        self.session.iter().chain(submitted).map(String::len).sum()
    }
}

/// Carries a request to a command out, and writes what came of it.
pub(crate) async fn execute(
    engine: &Engine,
    sessions: &Sessions,
    actor: &Actor,
    execution: &Execution,
    answer_bytes_max: usize,
    out: &mut Xml,
) -> Result<(), Refusal> {
    let &Execution { entry, action, ref session, ref submitted } = execution;
    if !may(engine, actor, entry).await? {
        return Err(CommandProblem::Forbidden.into());
    }
    let now_ms = engine.now_ms();
    let Some(id) = session else {
        if action != Action::Execute {
            return Err(CommandProblem::BadSession.into());
        }
        let run = Run { engine, actor, entry, answer_bytes_max };
        let (answer, stage) = run.start().await?;
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
    let run = Run { engine, actor, entry, answer_bytes_max };
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

/// One request to a command by somebody who may.
struct Run<'a> {
    engine: &'a Engine,
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
    /// was asked for yet.
    async fn start(&self) -> Result<Step, Refusal> {
        let Some(ask) = &self.entry.ask else { return self.page(Place::first(String::new())).await };
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
        submitted: Option<Result<String, CommandProblem>>,
    ) -> Result<Step, Refusal> {
        match (stage, action) {
            (_, Action::Cancel) => Ok((Answer::only(Status::Canceled), None)),
            (Stage::Asked, Action::Execute | Action::Complete) => {
                let argument = submitted.ok_or_else(|| CommandProblem::bad_payload("there is no form"))??;
                self.page(Place::first(argument)).await
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
            actor: self.actor,
            argument: &place.argument,
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
        _ => false,
    }
}

async fn may(engine: &Engine, actor: &Actor, entry: &Entry) -> Result<bool, Refusal> {
    Ok(match entry.who {
        Who::Admins => actor.role() == bus_domain::Role::Admin,
        Who::Owners => engine.approves_somewhere(actor).await?,
    })
}

/// Whether disco questions about this node are about commands (§2.2), whatever nodes there are.
pub(crate) fn is_command_node(node: &str) -> bool {
    node == COMMANDS || find(node).is_some()
}

fn find(node: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.node == node)
}

/// Writes what disco says of the list of commands or of one of them (§2.1, §2.2).
pub(crate) async fn encode_info(
    engine: &Engine,
    actor: &Actor,
    node: &str,
    out: &mut Xml,
) -> Result<(), Refusal> {
    match find(node) {
        Some(entry) if may(engine, actor, entry).await? => answer::encode_command_info(entry, out),
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
    if find(node).is_none() {
        for entry in TABLE {
            if may(engine, actor, entry).await? {
                entries.push(entry);
            }
        }
    }
    answer::encode_list(service, node, &entries, out);
    Ok(())
}
