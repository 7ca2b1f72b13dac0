use std::sync::Arc;

use tokio::sync::watch;

use super::stanzas::attribute;
use super::{DOMAIN, Ledger, Owner, Session, Sightings, Standing};

/// Somebody who subscribes, leaves, is banned and let in again.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) jid: String,
    pub(crate) node: String,
    /// Whether it is thrown out, or leaves by itself.
    pub(crate) ends_banned: bool,
    pub(crate) state: VisitorState,
}

/// Where a visitor stands as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VisitorState {
    Outside,
    Inside,
    Banned,
    /// An answer got lost: it makes sure with its next step.
    Unsure,
}

/// What visitors share.
#[derive(Clone)]
pub(crate) struct Lobby {
    pub(crate) crowd: Session,
    pub(crate) owner: Owner,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sightings: Arc<Sightings>,
    pub(crate) lives: watch::Receiver<u64>,
}

impl Visitor {
    /// Takes the next step of its round: in, banned, in again, out. One step between two moments at which nothing is
    /// on its way, so that what it sees can be told apart.
    pub(crate) async fn step(mut self, lobby: Lobby) -> Self {
        let mut lives = lobby.lives.clone();
        let life = *lives.borrow_and_update();
        lobby.sightings.allow(&self.jid, &self.node, self.standing_during_step(&lobby));
        let answered = tokio::select! {
            answered = self.ask(&lobby) => answered,
            _ = lives.wait_for(|now| *now > life) => None,
        };
        let Some(state) = answered else {
            lobby.sightings.allow(&self.jid, &self.node, Standing::Unknown);
            self.state = VisitorState::Unsure;
            return self;
        };
        self.state = state;
        if state != VisitorState::Inside {
            let number = lobby.ledger.counts().made;
            lobby.sightings.allow(&self.jid, &self.node, Standing::Before(number));
        }
        self
    }

    fn standing_during_step(&self, lobby: &Lobby) -> Standing {
        match self.state {
            VisitorState::Outside => Standing::Above(lobby.ledger.acknowledged_through(&self.node)),
            _ => Standing::Unknown,
        }
    }

    /// `None` when the answer is lost or a refusal.
    async fn ask(&self, lobby: &Lobby) -> Option<VisitorState> {
        match self.state {
            VisitorState::Outside => {
                self.subscription(lobby, "subscribe").await.map(|()| VisitorState::Inside)
            }
            VisitorState::Inside if self.ends_banned => {
                self.ban(lobby, true).await.map(|()| VisitorState::Banned)
            }
            VisitorState::Inside => {
                self.subscription(lobby, "unsubscribe").await.map(|()| VisitorState::Outside)
            }
            VisitorState::Banned | VisitorState::Unsure => {
                self.subscription(lobby, "unsubscribe").await?;
                self.ban(lobby, false).await.map(|()| VisitorState::Outside)
            }
        }
    }

    /// Not being subscribed any more is as good as leaving.
    async fn subscription(&self, lobby: &Lobby, verb: &str) -> Option<()> {
        let Self { jid, node, .. } = self;
        let request = format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><{verb} node='{node}' jid='{jid}'/></pubsub>"
        );
        let answer =
            lobby.crowd.ask(&format!("type='set' from='{jid}' to='{DOMAIN}'"), &request).await.ok()?;
        (attribute(&answer, "type") == Some("result") || answer.contains("not-subscribed")).then_some(())
    }

    async fn ban(&self, lobby: &Lobby, is_banned: bool) -> Option<()> {
        lobby.owner.ban(&self.node, &self.jid, is_banned).await.ok()
    }
}
