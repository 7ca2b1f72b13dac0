use bus_domain::{Actor, Jid, NodeName};
use bus_engine::Outcome;

use crate::ad_hoc::Execution;
use crate::disco::Listed;
use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::notify::encode_last_item;
use crate::push_service::ServerPush;
use crate::request::{Query, Work};
use crate::xml::Xml;
use crate::{
    Service, affiliations, archive, configure, create, disco, items, options, owner_affiliations,
    owner_subscriptions, publish, subscribe, subscriptions, time, unsubscribe, version,
};

/// A request that is under way.
enum Begun<Changing> {
    Change { node: NodeName, outcome: Changing },
    Query { actor: Actor, query: Query },
    AdHoc { actor: Actor, execution: Execution },
    Push { from: Jid, push: Box<ServerPush> },
}

impl Service {
    /// Carries a request out and says what came of it. A change has its place in the engine's queue when this returns:
    /// changes are made in the order of these calls, whenever their answers are awaited.
    /// The answer is what stands in front of it, itself and what follows it, in the order in which they are to leave; nothing where none is
    /// due. No stanza is longer than `stanza_bytes_max`.
    pub(crate) fn carry_out(
        &self,
        envelope: Envelope,
        work: Work,
        stanza_bytes_max: usize,
    ) -> impl Future<Output = Vec<String>> + Send {
        let bytes_max = stanza_bytes_max.min(self.settings.answer_bytes_max);
        let begun = match work {
            Work::Command(command) => {
                Begun::Change { node: command.node.clone(), outcome: self.engine.submit(*command) }
            }
            Work::Query { actor, query } => Begun::Query { actor, query },
            Work::AdHoc { actor, execution } => Begun::AdHoc { actor, execution },
            Work::Push { from, push } => Begun::Push { from, push },
        };
        async move {
            let (mut messages, mut out) = (Vec::new(), envelope.result());
            let mut behind = None;
            let is_change = matches!(begun, Begun::Change { .. });
            let done = match begun {
                Begun::Change { node, outcome } => match outcome.await {
                    Ok(outcome) if is_partial(&outcome) => {
                        let about = |out: &mut Xml| encode_outcome(&node, &outcome, out);
                        let answer = envelope.error_about(about, &Refusal::DoneInPart);
                        let is_short = answer.len() <= bytes_max;
                        return vec![if is_short { answer } else { envelope.error(&Refusal::DoneInPart) }];
                    }
                    Ok(outcome) => {
                        encode_outcome(&node, &outcome, &mut out);
                        behind = self.message_behind(&outcome);
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                },
                Begun::Query { actor, query } => {
                    let done = self.query(&actor, query, &envelope, bytes_max, &mut out).await;
                    done.map(|in_front| messages = in_front)
                }
                Begun::AdHoc { actor, execution } => {
                    match self.execute(&actor, &execution, bytes_max, &mut out).await {
                        Err(refusal) => {
                            return vec![envelope.error_about(|out| execution.encode(out), &refusal)];
                        }
                        done => done,
                    }
                }
                Begun::Push { from, push } => self.take_push(&from, &push).await,
            };
            match done {
                _ if envelope.is_silent() => return Vec::new(),
                Ok(()) => messages.push(bounded(&envelope, out, bytes_max, is_change)),
                Err(refusal) => messages.push(envelope.error(&refusal)),
            }
            messages.extend(behind.filter(|message: &String| message.len() <= bytes_max));
            messages
        }
    }

    /// What follows an answer: who has subscribed knows that before the newest item comes.
    fn message_behind(&self, outcome: &Outcome) -> Option<String> {
        let Outcome::Subscribed { last_item: Some(last_item), .. } = outcome else { return None };
        let Self { engine, settings, .. } = self;
        Some(encode_last_item(&settings.domain, engine.event_ids(), engine.ids(), last_item))
    }

    /// Writes the answer to a question, and says which messages leave in front of it.
    async fn query(
        &self,
        actor: &Actor,
        query: Query,
        envelope: &Envelope,
        bytes_max: usize,
        out: &mut Xml,
    ) -> Result<Vec<String>, Refusal> {
        let Self { engine, settings, .. } = self;
        match query {
            Query::Items { node, items, order, sub_id } => {
                engine.check_sub_id(actor, &node, &sub_id).await?;
                let found = items::find(engine, actor, &node, items, order).await?;
                items::encode(engine, &found, bytes_max, out);
            }
            Query::Archive { node, request } => {
                let found = archive::find(engine, &settings.domain, actor, &node, &request).await?;
                return Ok(archive::encode(engine, envelope, &request, &found, bytes_max, out));
            }
            Query::ArchiveForm { node } => {
                if let Some(node) = &node {
                    engine.check_archive(actor, node).await?;
                }
                archive::encode_form(node.as_ref(), out);
            }
            Query::ArchiveEnds { node } => {
                archive::encode_ends(engine, &engine.archive_ends(actor, &node).await?, out);
            }
            Query::DiscoInfo { node } => self.disco_info(actor, node.as_ref(), out).await?,
            Query::Configuration { node } => {
                configure::answer(engine, actor, &node, out).await?;
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
            Query::Options { node, jid, sub_id } => {
                let (node, subscription) = engine.subscription(actor, &node, &jid, &sub_id).await?;
                options::encode(&node, &subscription, out);
            }
            Query::DefaultOptions { node } => {
                options::answer_default(engine, actor, node.as_ref(), out).await?;
            }
            Query::DefaultConfiguration { node_type } => {
                configure::encode_default(node_type, engine.rosters_are_readable(), out);
            }
            Query::DiscoItems { node: Some(node), page, .. } => {
                self.disco_items(actor, &node, page, bytes_max, out).await?;
            }
            Query::DiscoItems { node: None, types, page } => {
                let found = disco::find_nodes(engine, actor, Listed::OfTypes(types), page).await?;
                disco::encode_nodes(settings.domain.as_str(), None, &found, bytes_max, out);
            }
            Query::Subscriptions { node, page } => {
                let found = subscriptions::find(engine, actor, node.as_ref(), page).await?;
                subscriptions::encode(node.as_ref(), &found, bytes_max, out);
            }
            Query::Affiliations { node, page } => {
                let found = affiliations::find(engine, actor, node.as_ref(), page).await?;
                affiliations::encode(node.as_ref(), &found, bytes_max, out);
            }
            Query::PushInfo { node } => self.push_info(actor, node.as_ref().map(NodeName::as_str), out)?,
            Query::PushItems { node } => self.push_items(actor, node.as_ref().map(NodeName::as_str), out)?,
            Query::Ping => {}
            Query::Time => time::encode(engine.now_ms(), out),
            Query::Version => version::encode(&settings.name, &settings.version, out),
        }
        Ok(Vec::new())
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
        Outcome::Subscribed { subscription, .. } => subscribe::encode(node, subscription, out),
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
        | Outcome::Placed
        | Outcome::Forwarded
        | Outcome::Deleted
        | Outcome::Retracted
        | Outcome::Purged
        | Outcome::OptionsSet
        | Outcome::Parked(_)
        | Outcome::Expired(_) => {}
    }
}
