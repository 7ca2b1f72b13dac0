use bus_domain::Actor;
use bus_engine::{Command, Outcome};

use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::items::{self, ItemsRequest};
use crate::request::{Query, Work};
use crate::xml::Xml;
use crate::{Service, create, disco, publish, subscribe, unsubscribe, version};

impl Service {
    /// Carries a request out and says what came of it. The answer is never longer than the stream may take: a
    /// change that is done then gets a bare result.
    pub(crate) async fn carry_out(&self, envelope: &Envelope, work: Work) -> String {
        let is_change = matches!(work, Work::Command(_));
        let mut out = envelope.result();
        let done = match work {
            Work::Command(command) => self.change(command, &mut out).await,
            Work::Query { actor, query } => self.query(&actor, query, &mut out).await,
        };
        if let Err(refusal) = done {
            return envelope.error(&refusal);
        }
        let answer = out.finish();
        let bytes_max = self.settings.answer_bytes_max;
        match (answer.len() <= bytes_max, is_change) {
            (true, _) => answer,
            (false, true) => envelope.result().finish(),
            (false, false) => envelope.error(&Refusal::AnswerTooLong { bytes_max }),
        }
    }

    async fn change(&self, command: Command, out: &mut Xml) -> Result<(), Refusal> {
        let node = command.node.clone();
        match self.engine.execute(command).await? {
            Outcome::Created(_) => create::encode(&node, out),
            Outcome::Published(published) => publish::encode(&node, &published, out),
            Outcome::Subscribed(subscription) => subscribe::encode(&node, &subscription, out),
            Outcome::Unsubscribed(subscription) => unsubscribe::encode(&node, &subscription, out),
            Outcome::Deleted | Outcome::Retracted | Outcome::Affiliated => {}
        }
        Ok(())
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
                let found = items::find(engine, actor, &node, items).await?;
                disco::encode_items(engine, service, &node, &found, bytes_max, out);
            }
            Query::Ping => {}
            Query::Version => version::encode(&settings.name, &settings.version, out),
        }
        Ok(())
    }
}
