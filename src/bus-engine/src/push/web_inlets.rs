use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus_domain::publish::{NewItem, Request};
use bus_domain::push::{Inlet, InletId, InletTarget, PushMessage, WebPush};
use bus_domain::{
    About, AccessModel, Actor, BareJid, BusError, ItemId, Jid, NodeConfig, NodeName, Payload, Role,
};
use bus_store::FoundInlet;

use super::{PushError, Pushes};
use crate::{Command, Engine, Outcome, Verb, payload_from_text};

/// The namespace of the payloads that web pushes become.
const NAMESPACE: &str = "urn:stanzabus:web-push:1";
/// Items kept: pushes that the owner has not seen yet.
const ITEMS_MAX: u32 = 100;
/// Digits of an inlet's name, and of its secret.
const DIGITS: usize = 32;

impl Pushes {
    /// An inlet for application servers (RFC 8030), with a node of its own, which nobody reads but the actor, who is subscribed.
    /// Its title says what it is for. With a key, who pushes must sign with it (RFC 8292).
    ///
    /// # Errors
    /// [`PushError::TooManyInlets`], and what the bus says of the node.
    pub async fn open_web_inlet(
        &self,
        engine: &Engine,
        actor: &Actor,
        title: &str,
        sender_key: Option<Vec<u8>>,
    ) -> Result<Inlet, PushError> {
        if sender_key.as_ref().is_some_and(|key| key.len() != 65 || key[0] != 4) {
            return Err(PushError::SenderKey);
        }
        let owner = actor.bare().clone();
        // Not the inlet's own name, which is a part of what must be known to push.
        let name = format!("push-{:032x}", u128::from_be_bytes(self.0.ids.random_bytes()));
        let node = NodeName::new(&name).map_err(|_| BusError::Internal)?;
        let inlet =
            self.new_inlet(owner.clone(), InletTarget::Node { node: node.clone(), sender_key }).await?;
        execute(engine, &owner, &node, Verb::Create(config(title))).await?;
        let opened = self.finish_web_inlet(engine, &node, &inlet).await;
        if opened.is_err() {
            // What is left of it would count among what the owner has.
            let _ = self.remove_web_node(engine, &inlet).await;
        }
        opened
    }

    async fn finish_web_inlet(
        &self,
        engine: &Engine,
        node: &NodeName,
        inlet: &Inlet,
    ) -> Result<Inlet, PushError> {
        let subscribe = Verb::Subscribe(Jid::from(inlet.owner.clone()).into());
        execute(engine, &inlet.owner, node, subscribe).await?;
        self.0.store.put_inlet(inlet).await?.ok_or(PushError::NoSuchInlet)
    }

    /// Removes the node of an inlet, if it leads to one.
    pub(super) async fn remove_web_node(&self, engine: &Engine, inlet: &Inlet) -> Result<(), PushError> {
        let InletTarget::Node { node, .. } = &inlet.target else { return Ok(()) };
        match execute(engine, &inlet.owner, node, Verb::Delete(None)).await {
            // It is its owner's, who may have done so, or given it away.
            Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. } | BusError::Forbidden) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The inlet that an application server has the address of: its name and its secret, one behind the other.
    ///
    /// # Errors
    /// [`PushError::NoSuchInlet`], whichever of the two is wrong.
    pub async fn web_inlet(&self, token: &str) -> Result<Inlet, PushError> {
        let found = self.find_web_inlet(token).await;
        if let Err(error) = &found {
            self.0.counts.add_in("web", error.word());
        }
        found
    }

    async fn find_web_inlet(&self, token: &str) -> Result<Inlet, PushError> {
        let (id, secret) = token.split_at_checked(DIGITS).ok_or(PushError::NoSuchInlet)?;
        let id: InletId = id.parse().map_err(|_| PushError::NoSuchInlet)?;
        let FoundInlet { inlet, .. } = self.0.store.find_inlet(id).await?.ok_or(PushError::NoSuchInlet)?;
        let is_web = matches!(inlet.target, InletTarget::Node { .. });
        if is_web && inlet.secret.is(secret) { Ok(inlet) } else { Err(PushError::NoSuchInlet) }
    }

    /// Publishes a push on the node of an inlet, and returns its item once it is on disk.
    ///
    /// # Errors
    /// [`PushError::TooFast`], and what the bus says: [`BusError::NodeNotFound`] means that the owner wants no more.
    pub async fn web_push_in(
        &self,
        engine: &Engine,
        inlet: &Inlet,
        push: &WebPush,
    ) -> Result<ItemId, PushError> {
        let published = self.publish_web_push(engine, inlet, push).await;
        self.0.counts.add_in("web", published.as_ref().map_or_else(PushError::word, |_| "accepted"));
        published
    }

    /// Counts a push of whom the inlet does not want.
    pub fn count_foreign_web_push(&self) {
        self.0.counts.add_in("web", "foreign");
    }

    async fn publish_web_push(
        &self,
        engine: &Engine,
        inlet: &Inlet,
        push: &WebPush,
    ) -> Result<ItemId, PushError> {
        let InletTarget::Node { node, .. } = &inlet.target else { return Err(PushError::NoSuchInlet) };
        self.admit_rate(inlet.id)?;
        let id = match &push.topic {
            Some(topic) => format!("topic-{topic}"),
            None => format!("{:032x}", u128::from_be_bytes(self.0.ids.random_bytes())),
        };
        let id = ItemId::new(&id).map_err(|_| BusError::Internal)?;
        let payload = payload(push, self.now_ms(), engine)?;
        let items = vec![NewItem { id: Some(id.clone()), payload: Some(payload) }];
        let publish = Verb::Publish(Request { items, ..Request::default() });
        let published = match engine.facts(node).await {
            Ok(facts) if inlet.leads_to(&facts) => {
                execute(engine, &inlet.owner, node, publish).await.map(drop)
            }
            Ok(_) => Err(BusError::NodeNotFound),
            Err(error) => Err(error),
        };
        if let Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) = published {
            // Its owner wants no more, and it counts among the owner's no longer.
            self.0.store.remove_inlet(inlet.id).await?;
        }
        published?;
        Ok(id)
    }
}

/// In the owner's name: the node is theirs, and counts among what they have.
async fn execute(engine: &Engine, owner: &BareJid, node: &NodeName, verb: Verb) -> Result<Outcome, BusError> {
    let actor = Actor::new(owner.clone(), Role::Creator);
    engine.execute(Command { actor, node: node.clone(), verb }).await
}

fn config(title: &str) -> NodeConfig {
    NodeConfig {
        access_model: AccessModel::Whitelist,
        items_max: ITEMS_MAX,
        // No push is of use for longer.
        item_expire_seconds: Some(PushMessage::TTL_S_MAX),
        about: About {
            title: Some(title.to_owned()),
            payload_type: Some(NAMESPACE.to_owned()),
            ..About::default()
        },
        ..NodeConfig::default()
    }
}

/// What subscribers get: the body as it came, and what was said beside it. Words are checked ones, so nothing has to be escaped.
fn payload(push: &WebPush, now_ms: i64, engine: &Engine) -> Result<Payload, BusError> {
    let expires_at_ms = now_ms.saturating_add(i64::from(push.ttl_s) * 1_000);
    let encoding = push.content_encoding.as_ref().map(|word| format!(" content-encoding='{word}'"));
    let topic = push.topic.as_ref().map(|topic| format!(" topic='{topic}'"));
    let text = format!(
        "<push xmlns='{NAMESPACE}' expires-at-ms='{expires_at_ms}' urgency='{}'{}{}>{}</push>",
        push.urgency.as_str(),
        topic.unwrap_or_default(),
        encoding.unwrap_or_default(),
        STANDARD.encode(&push.body),
    );
    payload_from_text(&text, &engine.settings().limits)
}
