use bus_domain::consumer::destination::Secret;
use bus_domain::consumer::{ConsumerName, Standing};
use bus_domain::source::{Source, SourceError, SourceId, check_node, may_use};
use bus_domain::{Actor, BusError, NodeName, Role};

use crate::Engine;

/// A source to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSource {
    /// Its name.
    pub name: ConsumerName,
    /// Where its events are published.
    pub node: NodeName,
    /// Where it is; that it may be called there is checked by who calls it.
    pub uri: String,
    /// What it is shown.
    pub bearer_token: Option<Secret>,
}

/// A page of sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceList {
    /// In the order of their names.
    pub sources: Vec<Source>,
    /// Where the next page starts; `None` after the last.
    pub next_after: Option<ConsumerName>,
}

impl Engine {
    /// Makes a source.
    ///
    /// # Errors
    /// [`SourceError`], refusals of the access table, [`BusError::NodeNotFound`], and who must not name addresses.
    pub async fn create_source(&self, actor: &Actor, new: NewSource) -> Result<Source, BusError> {
        self.check_outbound(actor)?;
        check_node(&*self.facts(&new.node).await?, actor)?;
        let unavailable = |error| self.unavailable(&error);
        let sources_max = self.settings().limits.consumers_per_jid_max;
        let has_already = self.store().count_sources(actor.bare()).await.map_err(unavailable)?;
        if has_already >= sources_max && actor.role() != Role::Admin {
            return Err(SourceError::TooMany { sources_max }.into());
        }
        let NewSource { name, node, uri, bearer_token } = new;
        let source = Source {
            id: SourceId(0),
            name,
            owner: actor.bare().clone(),
            node,
            uri,
            bearer_token,
            created_at_ms: self.now_ms(),
            resume_token: Vec::new(),
            standing: None,
        };
        let id = self.store().create_source(&source).await.map_err(unavailable)?;
        let id = id.ok_or(SourceError::Exists)?;
        self.sources_changed();
        Ok(Source { id, ..source })
    }

    /// A source, as its owner or an admin may see it.
    pub async fn source(&self, actor: &Actor, name: &ConsumerName) -> Result<Source, BusError> {
        let found = self.store().find_source(name).await.map_err(|error| self.unavailable(&error))?;
        let source = found.ok_or(SourceError::NotFound)?;
        may_use(&source.owner, actor)?;
        Ok(source)
    }

    /// A page of the actor's sources; of everybody's, for an admin.
    pub async fn sources(
        &self,
        actor: &Actor,
        after: Option<&ConsumerName>,
        sources_max: u32,
    ) -> Result<SourceList, BusError> {
        let sources_max = sources_max.clamp(1, self.settings().limits.page_items_max);
        let owner = (actor.role() != Role::Admin).then(|| actor.bare());
        let page = self.store().list_sources(owner, after, sources_max + 1).await;
        let mut sources = page.map_err(|error| self.unavailable(&error))?;
        let has_more = sources.len() > sources_max as usize;
        sources.truncate(sources_max as usize);
        let next_after = sources.last().filter(|_| has_more).map(|last| last.name.clone());
        Ok(SourceList { sources, next_after })
    }

    /// Removes a source. What is under way of it is published or not; its token goes with it.
    pub async fn delete_source(&self, actor: &Actor, name: &ConsumerName) -> Result<(), BusError> {
        let source = self.source(actor, name).await?;
        let deleted =
            self.store().delete_source(source.id).await.map_err(|error| self.unavailable(&error))?;
        self.sources_changed();
        if deleted { Ok(()) } else { Err(SourceError::NotFound.into()) }
    }

    /// Has who reads sources look which there are.
    fn sources_changed(&self) {
        self.shared().sources.send_modify(|changes| *changes += 1);
    }

    /// Notes how a source stands, if that has changed.
    pub(super) async fn note_source(&self, source: &Source, fence: u64, standing: Standing) {
        let Standing { state, reason, .. } = &standing;
        tracing::info!(source = %source.name, ?state, reason, "a source");
        let about = crate::AdvisoryAbout::Source {
            source: source.name.clone(),
            state: *state,
            reason: reason.clone(),
        };
        self.advise(about);
        let noted = self.store().set_source_standing(source.id, fence, &standing).await;
        if let Err(error) = noted {
            tracing::debug!(%error, source = %source.name, "how a source stands could not be noted");
        }
    }
}
