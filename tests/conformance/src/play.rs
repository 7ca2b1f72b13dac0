use std::collections::HashMap;
use std::future::Future;

use bus_xml::{Element, serialise};

use crate::matching::compare;
use crate::script::{Action, Case, Step};
use crate::shorthand::expand;
use crate::words::{Words, parse_stanza};

/// Where a case is played: accounts that send to a pubsub service and get what it sends.
pub trait Stage: Send {
    /// The address of the service.
    fn service(&self) -> &str;

    /// The full address of an actor.
    fn address(&self, actor: &str) -> String;

    /// Sends a stanza in the name of an actor.
    fn send(&mut self, actor: &str, stanza: String) -> impl Future<Output = ()> + Send;

    /// The next stanza for an actor; `None` when none has come for long.
    fn receive(&mut self, actor: &str) -> impl Future<Output = Option<String>> + Send;
}

/// Who may create a node at the end of each case, to see that nothing else comes.
const WATCHER: &str = "alice";

/// A case that went otherwise.
#[derive(Debug, thiserror::Error)]
#[error("{script}, line {line}, \"{title}\": {problem}")]
pub struct Failure {
    script: String,
    title: String,
    line: usize,
    problem: String,
}

impl Case {
    /// Plays it. `node_suffix` comes behind the names of all nodes. At the end nobody may have got anything else.
    pub async fn play(&self, stage: &mut impl Stage, node_suffix: &str) -> Result<(), Failure> {
        let mut words = Words::new(node_suffix.to_owned());
        words.set("service", stage.service().to_owned());
        for actor in self.actors().into_iter().chain([WATCHER]) {
            let address = stage.address(actor);
            let bare = address.split('/').next().unwrap_or_default().to_owned();
            words.set(actor, address);
            words.set(&format!("{actor}.bare"), bare);
        }
        let mut play = Play { stage, words, mailboxes: HashMap::new(), requests: 0, sentinels: 0 };
        for step in &self.steps {
            play.step(step).await.map_err(|problem| self.failure(step.line, problem))?;
        }
        let last = self.steps.last().map_or(0, |step| step.line);
        for actor in self.actors() {
            play.gets_nothing(actor).await.map_err(|problem| self.failure(last, problem))?;
        }
        Ok(())
    }

    fn failure(&self, line: usize, problem: String) -> Failure {
        Failure { script: self.script.clone(), title: self.title.clone(), line, problem }
    }
}

struct Play<'a, S> {
    stage: &'a mut S,
    words: Words,
    mailboxes: HashMap<String, Mailbox>,
    requests: u64,
    sentinels: u64,
}

#[derive(Default)]
struct Mailbox {
    waiting: Vec<Element>,
    /// The id of what its owner has sent last.
    last_id: String,
}

impl<S: Stage> Play<'_, S> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let actor = step.actor.as_str();
        match &step.action {
            Action::Sends(stanza) => self.send(actor, stanza).await,
            Action::Gets { stanza, is_next, .. } => self.expect(actor, stanza, *is_next).await,
            Action::GetsNothing { .. } => self.gets_nothing(actor).await,
            Action::Owns(node) => self.ask(actor, &format!("<create node='{node}'/>")).await,
        }
    }

    /// Whatever it does not say, a stanza goes to the service and has an id of its own.
    async fn send(&mut self, actor: &str, stanza: &str) -> Result<(), String> {
        self.requests += 1;
        let filled = self.words.fill(&expand(stanza)?);
        let element = parse_stanza(&filled)?;
        let id = element.attr("id").map_or_else(|| format!("{actor}-{}", self.requests), str::to_owned);
        let stanza = with_defaults(&filled, &element, [("id", &id), ("to", self.stage.service())]);
        self.mailboxes.entry(actor.to_owned()).or_default().last_id = id;
        self.stage.send(actor, stanza).await;
        Ok(())
    }

    /// Unless it is the next one, the stanza may stand behind others: what is of different requests comes in any order.
    async fn expect(&mut self, actor: &str, stanza: &str, is_next: bool) -> Result<(), String> {
        let expected = parse_stanza(&self.words.fill(&expand(stanza)?))?;
        let mut reasons = Vec::new();
        let mut mailbox = self.mailboxes.remove(actor).unwrap_or_default();
        let mut looked_at = 0;
        let outcome = loop {
            let candidates = if is_next { mailbox.waiting.len().min(1) } else { mailbox.waiting.len() };
            while looked_at < candidates {
                let actual = &mailbox.waiting[looked_at];
                let compared = if answers(&expected, actual, &mailbox.last_id) {
                    compare(&expected, actual, &mut self.words)
                } else {
                    Err("it answers something else".to_owned())
                };
                match compared {
                    Ok(()) => break,
                    Err(reason) => reasons.push(format!("{reason}\n  {}", serialise(actual))),
                }
                looked_at += 1;
            }
            if looked_at < candidates {
                mailbox.waiting.remove(looked_at);
                break Ok(());
            }
            let received = if is_next && candidates > 0 { None } else { self.stage.receive(actor).await };
            match received {
                Some(text) => mailbox.waiting.push(parse_stanza(&text)?),
                None => {
                    break Err(format!(
                        "{actor} does not get {}\n{}",
                        serialise(&expected),
                        reasons.join("\n")
                    ));
                }
            }
        };
        self.mailboxes.insert(actor.to_owned(), mailbox);
        outcome
    }

    /// One node is done after the other, and the last one of them is an own one here: when its event has come,
    /// everything before has.
    async fn gets_nothing(&mut self, actor: &str) -> Result<(), String> {
        const NODE: &str = "sentinel";
        self.sentinels += 1;
        let item = self.sentinels;
        if item == 1 {
            self.ask(WATCHER, &format!("<create node='{NODE}'/>")).await?;
        }
        self.ask(actor, &format!("<subscribe node='{NODE}' jid='{{{actor}}}'/>")).await?;
        let publish =
            format!("<publish node='{NODE}'><item id='{item}'><done xmlns='urn:done'/></item></publish>");
        self.ask(WATCHER, &publish).await?;
        let items = format!("<items node='{NODE}'><item id='{item}'><done xmlns='urn:done'/></item></items>");
        self.expect(actor, &format!("event {items}"), false).await?;
        self.ask(actor, &format!("<unsubscribe node='{NODE}' jid='{{{actor}}}'/>")).await?;
        let mailbox = self.mailboxes.get(actor).map(|mailbox| &mailbox.waiting);
        match mailbox.and_then(|waiting| waiting.first()) {
            Some(unexpected) => Err(format!("{actor} gets besides: {}", serialise(unexpected))),
            None => Ok(()),
        }
    }

    /// A request whose answer is of no interest, as long as it is no error.
    async fn ask(&mut self, actor: &str, request: &str) -> Result<(), String> {
        self.send(actor, &format!("set pubsub {request}")).await?;
        self.expect(actor, "<iq type='result'>{more}</iq>", false).await
    }
}

/// An answer is one to what its receiver has sent last, unless the script names another.
fn answers(expected: &Element, actual: &Element, last_id: &str) -> bool {
    expected.name() != "iq" || expected.attr("id").is_some() || actual.attr("id") == Some(last_id)
}

/// The text of `element` with those of these attributes that it lacks.
fn with_defaults(text: &str, element: &Element, defaults: [(&str, &str); 2]) -> String {
    let lacking = defaults.into_iter().filter(|(name, _)| element.attr(*name).is_none());
    let start = format!("<{}", element.name());
    let more = lacking.fold(start.clone(), |start, (name, value)| format!("{start} {name}='{value}'"));
    text.replacen(&start, &more, 1)
}
