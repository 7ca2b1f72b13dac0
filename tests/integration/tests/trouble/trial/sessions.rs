use std::sync::Arc;

use harness::{RawStream, XmppServer};
use tokio::sync::watch;

use super::stanzas::attribute;
use super::{CROWD, DOMAIN, NODES, PING, Session, Sightings, under_test};

/// Users who publish.
const PUBLISHERS: [&str; 2] = ["carol", "dave"];
/// Users who are subscribed all the time.
const READERS: [&str; 2] = ["alice", "bob"];

/// Everybody's streams to the XMPP server.
pub(crate) struct Sessions {
    crowd: Session,
    publishers: Vec<watch::Sender<Session>>,
    readers: Vec<Session>,
}

impl Sessions {
    /// Logs everybody in.
    pub(crate) async fn open(server: &XmppServer, sightings: &Arc<Sightings>) -> Self {
        let mut publishers = Vec::new();
        for name in PUBLISHERS {
            publishers.push(watch::Sender::new(log_in(server, name, sightings).await));
        }
        let mut readers = Vec::new();
        for name in READERS {
            readers.push(log_in(server, name, sightings).await);
        }
        Self { crowd: attach_crowd(server, sightings).await, publishers, readers }
    }

    /// Comes back after the server was away. What it had for the readers may be lost.
    pub(crate) async fn reopen(&mut self, server: &XmppServer, sightings: &Arc<Sightings>) {
        self.crowd = attach_crowd(server, sightings).await;
        for (name, publisher) in PUBLISHERS.into_iter().zip(&self.publishers) {
            publisher.send_replace(log_in(server, name, sightings).await);
        }
        for (name, reader) in READERS.into_iter().zip(&mut self.readers) {
            *reader = log_in(server, name, sightings).await;
        }
    }

    /// Subscribes the readers and these addresses of the crowd to every node.
    pub(crate) async fn subscribe_all(&self, regulars: &[String], sightings: &Sightings) {
        for node in NODES {
            for (name, reader) in READERS.into_iter().zip(&self.readers) {
                subscribe(reader, "", &format!("{name}@localhost"), node, sightings).await;
            }
            for jid in regulars {
                subscribe(&self.crowd, &format!("from='{jid}'"), jid, node, sightings).await;
            }
        }
    }

    /// The session of the crowd.
    pub(crate) fn crowd(&self) -> Session {
        self.crowd.clone()
    }

    /// The session, now and later, of a user who publishes.
    pub(crate) fn publisher(&self, at: usize) -> watch::Receiver<Session> {
        self.publishers[at].subscribe()
    }

    /// Waits until the bus has answered everything that the publishers have sent.
    pub(crate) async fn publishers_are_answered(&self) {
        for publisher in &self.publishers {
            let session = publisher.borrow().clone();
            session.ask(&format!("type='get' to='{DOMAIN}'"), PING).await.expect("an answer");
        }
    }

    /// Waits until everybody has what the server had for them.
    pub(crate) async fn flush(&self) {
        self.crowd.ask(&format!("type='get' from='{CROWD}' to='localhost'"), PING).await.expect("an answer");
        for reader in &self.readers {
            reader.ask("type='get' to='localhost'", PING).await.expect("an answer");
        }
    }
}

async fn log_in(server: &XmppServer, name: &str, sightings: &Arc<Sightings>) -> Session {
    let session = Session::start(under_test::log_in(server, name).await, inbox(sightings));
    session.send("<presence/>").await.expect("the server listens");
    session
}

async fn attach_crowd(server: &XmppServer, sightings: &Arc<Sightings>) -> Session {
    let stream: RawStream = under_test::attach_crowd(server).await;
    Session::start(stream, inbox(sightings))
}

fn inbox(sightings: &Arc<Sightings>) -> impl Fn(&str) + Send + 'static {
    let sightings = Arc::clone(sightings);
    move |stanza| sightings.take(stanza)
}

async fn subscribe(session: &Session, from: &str, jid: &str, node: &str, sightings: &Sightings) {
    sightings.expect_all(jid, node);
    let request = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='{node}' jid='{jid}'/></pubsub>"
    );
    let answer = session.ask(&format!("type='set' {from} to='{DOMAIN}'"), &request).await;
    let answer = answer.expect("an answer");
    assert_eq!(attribute(&answer, "type"), Some("result"), "{answer}");
}
