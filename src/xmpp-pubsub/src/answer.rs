use bus_domain::{Actor, BusError, Feature, NodeName};
use bus_engine::Outcome;

use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::items::{self, ItemsRequest};
use crate::request::{Query, Work};
use crate::xml::Xml;
use crate::{Service, create, disco, publish, subscribe, unsubscribe, version};

/// A request that is under way.
enum Begun<Changing> {
    Change { node: NodeName, outcome: Changing },
    Query { actor: Actor, query: Query },
}

impl Service {
    /// Carries a request out and says what came of it. A change has its place in the engine's queue when this returns:
    /// changes are made in the order of these calls, whenever their answers are awaited.
    pub(crate) fn carry_out(&self, envelope: Envelope, work: Work) -> impl Future<Output = String> + Send {
        let begun = match work {
            Work::Command(command) => {
                Begun::Change { node: command.node.clone(), outcome: self.engine.submit(command) }
            }
            Work::Query { actor, query } => Begun::Query { actor, query },
        };
        async move {
            let mut out = envelope.result();
            let is_change = matches!(begun, Begun::Change { .. });
            let done = match begun {
                Begun::Change { node, outcome } => outcome
                    .await
                    .map(|outcome| encode_outcome(&node, &outcome, &mut out))
                    .map_err(Refusal::from),
                Begun::Query { actor, query } => self.query(&actor, query, &mut out).await,
            };
            match done {
                Ok(()) => self.bounded(&envelope, out, is_change),
                Err(refusal) => envelope.error(&refusal),
            }
        }
    }

    /// The answer is never longer than the stream may take: a change that is done then gets a bare result.
    fn bounded(&self, envelope: &Envelope, out: Xml, is_change: bool) -> String {
        let answer = out.finish();
        let bytes_max = self.settings.answer_bytes_max;
        match (answer.len() <= bytes_max, is_change) {
            (true, _) => answer,
            (false, true) => envelope.result().finish(),
            (false, false) => envelope.error(&Refusal::AnswerTooLong { bytes_max }),
        }
    }

    async fn query(&self, actor: &Actor, query: Query, out: &mut Xml) -> Result<(), Refusal> {
        let Self { engine, settings, features } = self;
        let (service, bytes_max) = (settings.domain.as_str(), settings.answer_bytes_max);
        match query {
            Query::Items { node, items } => {
                let found = items::find(engine, actor, &node, items).await?;
                items::encode(engine, &found, bytes_max, out);
            }
            Query::DiscoInfo { node: None } => disco::encode_service(&settings.name, features, out),
            Query::DiscoInfo { node: Some(node) } => {
                engine.node(actor, &node).await?;
                disco::encode_node(&node, out);
            }
            Query::DiscoItems { node: None, page } => {
                let found = disco::find_nodes(engine, actor, page).await?;
                disco::encode_nodes(service, &found, bytes_max, out);
            }
            Query::DiscoItems { node: Some(node), page } => {
                let items = page.map_or(ItemsRequest::Newest(None), ItemsRequest::Page);
                match items::find(engine, actor, &node, items).await {
                    // An answer like that of a node without items: nothing is asked that it does not do.
                    Err(Refusal::Bus(BusError::Unsupported(Feature::PersistentItems))) => {
                        disco::encode_no_items(&node, out);
                    }
                    found => disco::encode_items(engine, service, &node, &found?, bytes_max, out),
                }
            }
            Query::Ping => {}
            Query::Version => version::encode(&settings.name, &settings.version, out),
        }
        Ok(())
    }
}

fn encode_outcome(node: &NodeName, outcome: &Outcome, out: &mut Xml) {
    match outcome {
        Outcome::Created(_) => create::encode(node, out),
        Outcome::Published(published) => publish::encode(node, published, out),
        Outcome::Subscribed(subscription) => subscribe::encode(node, subscription, out),
        Outcome::Unsubscribed(subscription) => unsubscribe::encode(node, subscription, out),
        Outcome::Deleted
        | Outcome::Retracted
        | Outcome::Purged
        | Outcome::Affiliated
        | Outcome::Parked(_) => {}
    }
}
