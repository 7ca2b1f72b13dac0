use bus_domain::{AccessModel, Actor, BusError, Feature, NodeName};
use bus_engine::Outcome;

use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::items::{self, ItemsRequest};
use crate::request::{Query, Work};
use crate::xml::Xml;
use crate::{
    Service, affiliations, configure, create, disco, owner_affiliations, owner_subscriptions, publish,
    subscribe, subscriptions, unsubscribe, version,
};

/// A request that is under way.
enum Begun<Changing> {
    Change { node: NodeName, outcome: Changing },
    Query { actor: Actor, query: Query },
}

impl Service {
    /// Carries a request out and says what came of it. A change has its place in the engine's queue when this returns:
    /// changes are made in the order of these calls, whenever their answers are awaited.
    /// The answer is never longer than `stanza_bytes_max`; it is empty where none is due.
    pub(crate) fn carry_out(
        &self,
        envelope: Envelope,
        work: Work,
        stanza_bytes_max: usize,
    ) -> impl Future<Output = String> + Send {
        let bytes_max = stanza_bytes_max.min(self.settings.answer_bytes_max);
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
                Begun::Change { node, outcome } => match outcome.await {
                    Ok(outcome) if is_partial(&outcome) => {
                        let about = |out: &mut Xml| encode_outcome(&node, &outcome, out);
                        let answer = envelope.error_about(about, &Refusal::DoneInPart);
                        let is_short = answer.len() <= bytes_max;
                        return if is_short { answer } else { envelope.error(&Refusal::DoneInPart) };
                    }
                    Ok(outcome) => {
                        encode_outcome(&node, &outcome, &mut out);
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                },
                Begun::Query { actor, query } => self.query(&actor, query, bytes_max, &mut out).await,
            };
            match done {
                _ if envelope.is_silent() => String::new(),
                Ok(()) => bounded(&envelope, out, bytes_max, is_change),
                Err(refusal) => envelope.error(&refusal),
            }
        }
    }

    async fn query(
        &self,
        actor: &Actor,
        query: Query,
        bytes_max: usize,
        out: &mut Xml,
    ) -> Result<(), Refusal> {
        let Self { engine, settings, features } = self;
        let service = settings.domain.as_str();
        match query {
            Query::Items { node, items } => {
                let found = items::find(engine, actor, &node, items).await?;
                items::encode(engine, &found, bytes_max, out);
            }
            Query::DiscoInfo { node: None } => disco::encode_service(&settings.name, features, out),
            Query::DiscoInfo { node: Some(node) } => {
                let view = engine.node(actor, &node).await?;
                // Those who wait for approval are counted too, and are nobody's business.
                let asks = view.facts.config.access_model == AccessModel::Authorize;
                let subscriptions =
                    if asks { None } else { Some(engine.count_subscriptions(&view.facts).await?) };
                disco::encode_node(&view.facts, subscriptions, out);
            }
            Query::Configuration { node } => {
                let config = engine.configuration(actor, &node).await?;
                configure::encode(&node, &config, engine.rosters_are_readable(), out);
            }
            Query::ConfigurationKept { node } => {
                engine.configuration(actor, &node).await?;
            }
            Query::NodeAffiliations { node, page } => {
                let found = owner_affiliations::find(engine, actor, &node, page).await?;
                owner_affiliations::encode(&node, &found, bytes_max, out);
            }
            Query::NodeSubscriptions { node, page } => {
                let found = owner_subscriptions::find(engine, actor, &node, page).await?;
                owner_subscriptions::encode(&node, &found, bytes_max, out);
            }
            Query::DefaultConfiguration => configure::encode_default(engine.rosters_are_readable(), out),
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
            Query::Subscriptions { node, page } => {
                let found = subscriptions::find(engine, actor, node.as_ref(), page).await?;
                subscriptions::encode(node.as_ref(), &found, bytes_max, out);
            }
            Query::Affiliations { node, page } => {
                let found = affiliations::find(engine, actor, node.as_ref(), page).await?;
                affiliations::encode(node.as_ref(), &found, bytes_max, out);
            }
            Query::Ping => {}
            Query::Version => version::encode(&settings.name, &settings.version, out),
        }
        Ok(())
    }
}

/// A change that is done gets a bare result where its answer would be too long.
fn bounded(envelope: &Envelope, out: Xml, bytes_max: usize, is_change: bool) -> String {
    let answer = out.finish();
    match (answer.len() <= bytes_max, is_change) {
        (true, _) => answer,
        (false, true) => envelope.result().finish(),
        (false, false) => envelope.error(&Refusal::AnswerTooLong { bytes_max }),
    }
}

/// Some of what was wanted cannot be: that is an error which says what (§8.8.2.4, §8.9.2.4).
fn is_partial(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Affiliated { rejected } => !rejected.is_empty(),
        Outcome::SubscriptionsManaged { rejected } => !rejected.is_empty(),
        _ => false,
    }
}

fn encode_outcome(node: &NodeName, outcome: &Outcome, out: &mut Xml) {
    match outcome {
        Outcome::Created(_) => create::encode(node, out),
        Outcome::Published(published) => publish::encode(node, published, out),
        Outcome::Subscribed(subscription) => subscribe::encode(node, subscription, out),
        Outcome::Unsubscribed(subscription) => unsubscribe::encode(node, subscription, out),
        Outcome::Affiliated { rejected } if !rejected.is_empty() => {
            owner_affiliations::encode_rejected(node, rejected, out);
        }
        Outcome::SubscriptionsManaged { rejected } if !rejected.is_empty() => {
            owner_subscriptions::encode_rejected(node, rejected, out);
        }
        Outcome::Affiliated { .. }
        | Outcome::SubscriptionsManaged { .. }
        | Outcome::Configured(_)
        | Outcome::Deleted
        | Outcome::Retracted
        | Outcome::Purged
        | Outcome::Parked(_) => {}
    }
}
