//! The scripts of `tests/conformance` behind real servers, several at a time, each case with accounts of its own.

use std::collections::{HashMap, VecDeque};

use bus_xml::{Element, serialise};
use conformance::{Case, Stage, script};
use futures::StreamExt as _;
use harness::{Daemon, RawStream, ServerKind, XmppServer};

use crate::peers::{
    DOMAIN, PASSWORD, PATIENCE, SECRET, behind_each_server, impatient, init, server, stanzas,
};

/// Cases at a time.
const AT_ONCE: usize = 6;
/// Who is from elsewhere: on a domain of its own, which the test plays.
const STRANGER: &str = "mallory";

behind_each_server!(every_case_goes_as_it_is_written);

async fn every_case_goes_as_it_is_written(kind: ServerKind) {
    let cases: Vec<(usize, Case)> = script::all().into_iter().enumerate().collect();
    let mut server =
        cases.iter().fold(server(kind), |server, (number, case)| with_accounts(server, *number, case));
    server.start().await.expect("the server starts");
    let _daemon = daemon(server.component_port(), cases.len()).await;
    let play = async |(number, case): &(usize, Case)| {
        let mut stage = BehindServer::new(&server, *number);
        case.play(&mut stage, &format!("-{number}")).await.err().map(|failure| failure.to_string())
    };
    let played = futures::stream::iter(&cases).map(play).buffer_unordered(AT_ONCE);
    let failures: Vec<String> = played.filter_map(async |failure| failure).collect().await;
    assert!(failures.is_empty(), "{}\n{} of {} cases", failures.join("\n\n"), failures.len(), cases.len());
}

/// A daemon with an admin for each case, and with somebody to ask.
async fn daemon(component_port: u16, cases: usize) -> Daemon {
    let mut daemon = init(component_port).await;
    impatient(&mut daemon);
    let admins = (0..cases).map(|number| format!("{}@{}", account("admin", number), XmppServer::HOST));
    daemon.set_env("STANZABUS_XMPP__ADMINS", admins.collect::<Vec<_>>().join(","));
    daemon.set_env("STANZABUS_CONTACTS__ADMIN", "mailto:admin@example.org");
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    daemon
}

fn with_accounts(server: XmppServer, number: usize, case: &Case) -> XmppServer {
    let actors = case.actors().into_iter().chain(["alice"]);
    actors.fold(server, |server, actor| match actor {
        STRANGER => server.component(&remote(number), SECRET),
        actor => server.user(&account(actor, number), PASSWORD),
    })
}

fn account(actor: &str, number: usize) -> String {
    format!("{actor}{number}")
}

fn remote(number: usize) -> String {
    format!("remote-{number}.localhost")
}

/// The accounts of one case, each logged in when it is first heard of.
struct BehindServer {
    client_port: u16,
    component_port: u16,
    number: usize,
    actors: HashMap<String, Connected>,
}

struct Connected {
    stream: RawStream,
    waiting: VecDeque<String>,
}

impl BehindServer {
    fn new(server: &XmppServer, number: usize) -> Self {
        let (client_port, component_port) = (server.client_port(), server.component_port());
        Self { client_port, component_port, number, actors: HashMap::new() }
    }

    async fn connected(&mut self, actor: &str) -> &mut Connected {
        if !self.actors.contains_key(actor) {
            let stream = self.connect(actor).await;
            self.actors.insert(actor.to_owned(), Connected { stream, waiting: VecDeque::new() });
        }
        self.actors.get_mut(actor).expect("it was just put there")
    }

    async fn connect(&self, actor: &str) -> RawStream {
        if actor == STRANGER {
            let attached = RawStream::attach(self.component_port, &remote(self.number), SECRET).await;
            return attached.expect("it attaches");
        }
        let name = account(actor, self.number);
        let login = RawStream::login(self.client_port, XmppServer::HOST, &name, PASSWORD, "here").await;
        let mut stream = login.expect("it may log in");
        // Who has not asked for the roster hears nothing of requests to see somebody's presence.
        let roster = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>";
        stream.send(format!("{roster}<presence/>")).await.expect("the server listens");
        stream
    }
}

impl Stage for BehindServer {
    fn service(&self) -> &str {
        DOMAIN
    }

    fn address(&self, actor: &str) -> String {
        match actor {
            STRANGER => format!("{STRANGER}@{}/here", remote(self.number)),
            actor => format!("{}@{}/here", account(actor, self.number), XmppServer::HOST),
        }
    }

    async fn send(&mut self, actor: &str, stanza: String) {
        let from = self.address(actor);
        let connected = self.connected(actor).await;
        let stanza = match actor {
            STRANGER => stanza.replacen(' ', &format!(" from='{from}' "), 1),
            _ => stanza,
        };
        connected.stream.send(stanza).await.expect("the server listens");
    }

    async fn receive(&mut self, actor: &str) -> Option<String> {
        let connected = self.connected(actor).await;
        while connected.waiting.is_empty() {
            let is_something = |text: &str| stanzas(text).is_some_and(|stanzas| !stanzas.is_empty());
            let text = connected.stream.read_until(PATIENCE, is_something).await.ok()?;
            let received = stanzas(&text).expect("it was just read");
            connected.waiting.extend(received.iter().filter(|stanza| is_of_service(stanza)).map(serialise));
        }
        connected.waiting.pop_front()
    }
}

/// What the server itself has to say is no part of a case. The service also answers at addresses where nobody is.
fn is_of_service(stanza: &Element) -> bool {
    let bare = stanza.attr("from").and_then(|from| from.split('/').next());
    bare.and_then(|bare| bare.rsplit('@').next()) == Some(DOMAIN)
}
