use async_trait::async_trait;
use bus_cloudevents::{AttributeValue, CloudEvent, CloudEventError, Data, Timestamp, node_uri, xml};
use bus_domain::publish::{NewItem, Request};
use bus_domain::{AccessModel, Actor, BareJid, BusError, ErrorClass, ItemId, NodeConfig, NodeName, Role};
use bus_engine::{Command, Engine, PushFact, PushFeedback, Verb, payload_from_text};
use serde_json::json;

/// Publishes what was found out about pushes for good, on a node of the operator's. It is as safe there as the node promises,
/// before it counts among devices and jobs.
pub(super) struct FeedbackNode {
    engine: Engine,
    service: BareJid,
    node: NodeName,
}

/// What the types of its events begin with.
const TYPE: &str = "org.stanzabus.push";

impl FeedbackNode {
    pub(super) fn new(engine: Engine, service: BareJid, node: NodeName) -> Self {
        Self { engine, service, node }
    }

    /// The bus itself.
    fn actor(&self) -> Actor {
        Actor::new(self.service.clone(), Role::Admin)
    }

    async fn publish(&self, facts: &[PushFact]) -> Result<(), BusError> {
        let items = facts.iter().map(|fact| self.item(fact)).collect::<Result<_, _>>()?;
        let verb = Verb::Publish(Request { items, ..Request::default() });
        self.engine.execute(Command { actor: self.actor(), node: self.node.clone(), verb }).await.map(drop)
    }

    /// A node for whom the operator lets in: the events name devices.
    async fn create(&self) -> Result<(), BusError> {
        let config = NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() };
        let command = Command { actor: self.actor(), node: self.node.clone(), verb: Verb::Create(config) };
        match self.engine.execute(command).await {
            Ok(_) | Err(BusError::NodeExists) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Of one job there is one item, however often it is told.
    fn item(&self, fact: &PushFact) -> Result<NewItem, BusError> {
        let id = ItemId::new(&fact.job.to_string()).map_err(|_| BusError::Internal)?;
        let event = self.event(fact).map_err(|error| {
            tracing::error!(%error, "what became of a push makes no event");
            BusError::Internal
        })?;
        let payload = payload_from_text(&xml::write(&event), &self.engine.settings().limits)?;
        Ok(NewItem { id: Some(id), payload: Some(payload) })
    }

    fn event(&self, fact: &PushFact) -> Result<CloudEvent, CloudEventError> {
        let source = node_uri(&self.service, self.node.as_str());
        let kind = format!("{TYPE}.{}", fact.kind.as_str());
        let mut event = CloudEvent::new(&fact.job.to_string(), &source, &kind)?;
        event.set("subject", AttributeValue::String(fact.device.to_string()))?;
        event.set("time", AttributeValue::Timestamp(Timestamp::from_ms(fact.at_ms)))?;
        event.set("datacontenttype", AttributeValue::String("application/json".to_owned()))?;
        let data = json!({
            "job_id": fact.job.to_string(),
            "device_id": fact.device.to_string(),
            "provider": fact.lane.provider.as_str(),
            "account": fact.lane.account.as_str(),
            "reason": fact.reason,
            "registered_at_ms": fact.registered_at_ms,
        });
        event.set_data(Data::Text(data.to_string()));
        Ok(event)
    }
}

#[async_trait]
impl PushFeedback for FeedbackNode {
    async fn tell(&self, facts: &[PushFact]) -> Result<(), BusError> {
        let items_max = self.engine.settings().limits.request_items_max.max(1);
        for facts in facts.chunks(items_max) {
            let mut published = self.publish(facts).await;
            if matches!(published, Err(BusError::NodeNotFound)) {
                self.create().await?;
                published = self.publish(facts).await;
            }
            match published {
                Ok(()) => {}
                Err(error) if error.class() == ErrorClass::Wait => return Err(error),
                // Pushes must not stand still for a node that its owner has made unfit for this.
                Err(error) => {
                    tracing::error!(%error, node = %self.node, facts = facts.len(), "what became of pushes is not published");
                }
            }
        }
        Ok(())
    }
}
