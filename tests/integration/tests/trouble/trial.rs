//! A daemon under load between an XMPP server and a store, and the verdict on what it promised.
//!
//! Four publishers over both legs write to two nodes; users and addresses of a second component are subscribed all the
//! time and must see everything; visitors come, go and are banned, and must see nothing that is not theirs.

mod churn;
mod grpc;
mod ledger;
mod proxy;
mod publishers;
mod session;
mod sessions;
mod sightings;
mod stanzas;
mod under_test;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use harness::{Daemon, ServerKind, XmppServer, http_get, wait_until};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use churn::{Lobby, Visitor, VisitorState};
pub(crate) use grpc::Owner;
pub(crate) use ledger::{Counts, Fate, Ledger};
use proxy::Proxy;
use publishers::{Bench, Publishers, Way};
pub(crate) use session::{Gone, Session};
use sessions::Sessions;
pub(crate) use sightings::{Sightings, Standing};
pub(crate) use under_test::{StoreKind, StoreUnderTest};

/// The daemon's component.
pub(crate) const DOMAIN: &str = "events.localhost";
/// The component whose addresses subscribe.
pub(crate) const CROWD: &str = "crowd.localhost";
/// The nodes.
pub(crate) const NODES: [&str; 2] = ["readings", "alarms"];

/// Publishes that each of the four publishers has under way at a time.
const WINDOW: usize = 24;
/// Addresses of the crowd that are subscribed to everything all the time: enough to keep delivery behind publishing.
const REGULARS: usize = 6;
const VISITORS: usize = 8;
/// How long anything may take before the run is called stuck.
const PATIENCE: Duration = Duration::from_mins(2);

/// A run.
pub(crate) struct Trial {
    pub(crate) server: XmppServer,
    pub(crate) proxy: Proxy,
    pub(crate) store: StoreUnderTest,
    pub(crate) daemon: Daemon,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sightings: Arc<Sightings>,
    pub(crate) sessions: Sessions,
    owner: Owner,
    lives: watch::Sender<u64>,
    publishers: Option<Publishers>,
    visitors: Vec<Visitor>,
    steps: JoinSet<Visitor>,
}

/// What a kill has hit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) unanswered_publishes: u64,
    /// Committed, and not seen by everybody.
    pub(crate) undelivered_events: u64,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) counts: Counts,
    pub(crate) repeats: u64,
    pub(crate) holes: u64,
    pub(crate) violations: Vec<String>,
}

impl Trial {
    /// Starts everything and waits until everybody who is to see everything is subscribed.
    pub(crate) async fn start(server: ServerKind, store: StoreKind) -> Self {
        Self::start_with(server, store, async |_| {}).await
    }

    /// As [`Self::start`], with something about the daemon arranged before it starts.
    pub(crate) async fn start_with(
        server: ServerKind,
        store: StoreKind,
        arrange: impl AsyncFnOnce(&mut Daemon),
    ) -> Self {
        let server = under_test::start_server(server).await;
        let store = StoreUnderTest::start(store).await;
        let proxy = Proxy::start(server.component_port()).await;
        let mut daemon = store.daemon(proxy.port()).await;
        arrange(&mut daemon).await;
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        for node in NODES {
            // The verdict wants the whole log, whatever the clock says of its age.
            let create =
                ["node", "create", node, "--publish-model", "open", "--history-age-seconds-max", "0"];
            daemon.cli(create).await.expect("a node");
        }
        let ledger = Arc::new(Ledger::default());
        let sightings = Arc::new(Sightings::new(Arc::clone(&ledger)));
        let sessions = Sessions::open(&server, &sightings).await;
        let regulars = (1..=REGULARS).map(|number| format!("regular{number}@{CROWD}"));
        let regulars: Vec<_> = regulars.collect();
        sessions.subscribe_all(&regulars, &sightings).await;
        let visitors = (0..VISITORS).map(|number| Visitor {
            jid: format!("visitor{number}@{CROWD}"),
            node: NODES[number % NODES.len()].to_owned(),
            ends_banned: number % 4 < 2,
            state: VisitorState::Outside,
        });
        Self {
            owner: Owner::new(&daemon),
            visitors: visitors.collect(),
            publishers: None,
            steps: JoinSet::new(),
            lives: watch::Sender::new(1),
            server,
            proxy,
            store,
            daemon,
            ledger,
            sightings,
            sessions,
        }
    }

    /// Lets the publishers begin: over each leg one for each node.
    pub(crate) fn publish(&mut self) {
        let bench = Bench { ledger: Arc::clone(&self.ledger), lives: self.lives.subscribe() };
        let mut publishers = Publishers::new();
        for (at, node) in NODES.into_iter().enumerate() {
            publishers.add(&format!("grpc{at}"), &Way::Grpc(self.owner.clone()), node, WINDOW, &bench);
            publishers.add(
                &format!("xmpp{at}"),
                &Way::Xmpp(self.sessions.publisher(at)),
                node,
                WINDOW,
                &bench,
            );
        }
        self.publishers = Some(publishers);
    }

    /// Waits until so many more publishes are acknowledged.
    pub(crate) async fn acknowledged(&mut self, more: u64) {
        let target = self.ledger.counts().acknowledged + more;
        let reached = wait_until("more acknowledgements", PATIENCE, async || {
            (self.ledger.counts().acknowledged >= target).then_some(())
        });
        if let Err(error) = reached.await {
            panic!("{error:#}: {:?}\n{}", self.ledger.counts(), self.daemon_log());
        }
    }

    /// Sends every visitor one step on.
    pub(crate) fn start_steps(&mut self) {
        let lobby = Lobby {
            crowd: self.sessions.crowd(),
            owner: self.owner.clone(),
            ledger: Arc::clone(&self.ledger),
            sightings: Arc::clone(&self.sightings),
            lives: self.lives.subscribe(),
        };
        for visitor in self.visitors.drain(..) {
            self.steps.spawn(visitor.step(lobby.clone()));
        }
    }

    /// Waits for the steps.
    pub(crate) async fn finish_steps(&mut self) {
        while let Some(visitor) = self.steps.join_next().await {
            self.visitors.push(visitor.expect("a visitor does not panic"));
        }
    }

    /// What the daemon was asked before will not be answered any more.
    pub(crate) fn a_new_life(&self) {
        self.lives.send_modify(|life| *life += 1);
    }

    /// Waits until the server has dealt with all that the daemon, which is gone, had sent, and everybody has it.
    async fn settle_without_daemon(&self) {
        let crowd = self.sessions.crowd();
        let gone = wait_until("the server to see the daemon gone", PATIENCE, async || {
            let addresses = format!("type='get' from='{CROWD}' to='{DOMAIN}'");
            // A question that the server still gave to the daemon is not answered at all.
            let answer = timeout(Duration::from_secs(1), crowd.ask(&addresses, PING)).await.ok()?.ok()?;
            answer.contains("type='error'").then_some(())
        });
        gone.await.expect("the server answers for a component that is away");
        self.sessions.flush().await;
    }

    /// Kills the daemon, starts it again, and says what the kill has hit.
    pub(crate) async fn kill_and_restart_daemon(&mut self) -> Hit {
        let before = self.ledger.counts();
        self.daemon.kill9().await.expect("the daemon lives until it is killed");
        let after = self.ledger.counts();
        self.settle_without_daemon().await;
        let mut undelivered_events = 0;
        for node in NODES {
            let head = self.store.head(&self.daemon, node).await;
            undelivered_events += head - self.sightings.seen_by_all_through(node);
        }
        // The steps whose answers went with the daemon are given up before anything can be on its way again.
        self.a_new_life();
        self.finish_steps().await;
        self.sightings.nothing_is_on_its_way();
        self.daemon.start().expect("the daemon starts again");
        self.daemon.wait_ready().await.expect("the daemon attaches again");
        self.a_new_life();
        Hit { unanswered_publishes: after.waiting + after.unknown - before.unknown, undelivered_events }
    }

    /// Waits until so many more publishes were refused by the bus.
    pub(crate) async fn refused(&self, more: u64) {
        let target = self.ledger.counts().refused + more;
        let reached =
            wait_until("refusals", PATIENCE, async || (self.ledger.counts().refused >= target).then_some(()));
        reached
            .await
            .unwrap_or_else(|error| panic!("{error:#}: {:?}\n{}", self.ledger.counts(), self.daemon_log()));
    }

    /// Everybody comes back after the server was away.
    pub(crate) async fn reopen_sessions(&mut self) {
        self.sessions.reopen(&self.server, &self.sightings).await;
    }

    /// The value of a metric; the name ends in a space or has its labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let body = http_get(self.daemon.http_port(), "/metrics").await.expect("the daemon lives").body;
        let value = body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{body}"))
    }

    /// Stops publishing, waits for the last event to be handed over, and judges.
    pub(crate) async fn finish(&mut self) -> Verdict {
        self.finish_steps().await;
        self.publishers.take().expect("publishing has begun").stop().await;
        // Publishes that were given up may still be under way, and a sender's requests are answered in order.
        self.sessions.publishers_are_answered().await;
        let mut logs = HashMap::new();
        for node in NODES {
            logs.insert(node.to_owned(), self.owner.log(node).await.expect("the log can be read"));
        }
        let all_seen = async || {
            NODES.into_iter().all(|node| self.sightings.seen_by_all_through(node) >= logs[node].len() as u64)
        };
        // What is missing for good is a matter of the verdict.
        let _ = wait_until("everything to be handed over", PATIENCE, async || all_seen().await.then_some(()))
            .await;
        Verdict {
            counts: self.ledger.counts(),
            repeats: self.sightings.repeats(),
            holes: self.sightings.holes(),
            violations: self.violations(&logs),
        }
    }

    fn violations(&self, logs: &HashMap<String, Vec<String>>) -> Vec<String> {
        let mut violations = self.sightings.violations(logs);
        let mut positions: HashMap<&str, (u64, &str)> = HashMap::new();
        for (node, log) in logs {
            for (seq, item) in (1..).zip(log) {
                if positions.insert(item, (seq, node)).is_some() {
                    violations.push(format!("{item} is in the log twice"));
                }
            }
        }
        for (item, attempt) in self.ledger.attempts() {
            let Fate::Acknowledged(seq) = attempt.fate else { continue };
            match positions.get(item.as_str()) {
                None => violations.push(format!("{item} was acknowledged and is missing")),
                Some((at, node)) if seq.is_some_and(|seq| seq != *at) || *node != attempt.node => {
                    violations.push(format!("{item} was acknowledged at {seq:?} and is at {at} of {node}"));
                }
                Some(_) => {}
            }
        }
        violations
    }

    /// The end of what the daemon printed, for a message.
    pub(crate) fn daemon_log(&self) -> String {
        let log = std::fs::read_to_string(self.daemon.log_path()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Verdict {
    /// Nothing went against the promises.
    pub(crate) fn assert_kept(&self, trial: &Trial) {
        let shown = &self.violations[..self.violations.len().min(20)];
        let log = trial.daemon_log();
        assert!(shown.is_empty(), "{} broken promises, the first: {shown:#?}\n{log}", self.violations.len());
    }
}

pub(crate) const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
