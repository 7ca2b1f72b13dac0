use std::sync::Arc;

use bus_domain::access::{self, Action};
use bus_domain::consumer::start::Start;
use bus_domain::push::{ProfileConfig, ProfileError, ProfileName, PushProfile};
use bus_domain::{Actor, BusError, NodeFacts, Role};
use bus_store::{CursorPlace, NewProfile};

use super::{PushProfileError, PushProfiles};
use crate::consumers::is_readable;

/// A page of profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileList {
    /// In the order of their names.
    pub profiles: Vec<PushProfile>,
    /// Where the next page starts; `None` after the last.
    pub next_after: Option<ProfileName>,
}

/// Profiles that there may be. Each commit on a node that they are about is looked at by all of them.
const PROFILES_MAX: usize = 1_000;
/// Profiles of a page.
const PAGE_MAX: u32 = 500;

impl PushProfiles {
    /// Makes a profile. What is published from now on is pushed, and on nodes that come later all of it.
    ///
    /// # Errors
    /// [`ProfileError`]; refusals of a node that it names and the actor does not own.
    pub async fn create(
        &self,
        actor: &Actor,
        name: ProfileName,
        config: ProfileConfig,
    ) -> Result<PushProfile, PushProfileError> {
        let cursors = self.check(actor, &config).await?;
        let limit = u32::try_from(PROFILES_MAX).unwrap_or(u32::MAX);
        let there = self.push_store().list_profiles(None, limit).await;
        if there.map_err(|error| self.engine().unavailable(&error))?.len() >= PROFILES_MAX {
            return Err(ProfileError::TooMany { profiles_max: PROFILES_MAX }.into());
        }
        let new = NewProfile {
            name,
            owner: actor.bare().clone(),
            is_of_admin: actor.role() == Role::Admin,
            config,
            created_at_ms: self.engine().now_ms(),
            cursors,
        };
        let created = self.push_store().create_profile(&new).await;
        let id = created.map_err(|error| self.engine().unavailable(&error))?.ok_or(ProfileError::Exists)?;
        self.tell();
        let NewProfile { name, owner, is_of_admin, config, created_at_ms, .. } = new;
        let (failures, last_failure) = (0, None);
        Ok(PushProfile { id, name, owner, is_of_admin, config, created_at_ms, failures, last_failure })
    }

    /// A profile, as who has made it or an admin may see it.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`].
    pub async fn get(&self, actor: &Actor, name: &ProfileName) -> Result<PushProfile, PushProfileError> {
        let found = self.push_store().find_profile(name).await;
        let profile =
            found.map_err(|error| self.engine().unavailable(&error))?.ok_or(ProfileError::NotFound)?;
        profile.check_use(actor)?;
        Ok(profile)
    }

    /// A page of the profiles that the actor may see; 500 at most, and fewer where others are between them.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        actor: &Actor,
        after: Option<&ProfileName>,
        profiles_max: u32,
    ) -> Result<ProfileList, PushProfileError> {
        let profiles_max = profiles_max.clamp(1, PAGE_MAX);
        let page = self.push_store().list_profiles(after, profiles_max + 1).await;
        let mut profiles = page.map_err(|error| self.engine().unavailable(&error))?;
        let has_more = profiles.len() > profiles_max as usize;
        profiles.truncate(profiles_max as usize);
        let next_after = profiles.last().filter(|_| has_more).map(|last| last.name.clone());
        profiles.retain(|profile| profile.check_use(actor).is_ok());
        Ok(ProfileList { profiles, next_after })
    }

    /// Gives a profile another configuration. On nodes that it was about before it goes on where it is; on others it begins
    /// now.
    ///
    /// # Errors
    /// As [`Self::create`], and [`ProfileError::NotFound`].
    pub async fn update(
        &self,
        actor: &Actor,
        name: &ProfileName,
        config: ProfileConfig,
    ) -> Result<PushProfile, PushProfileError> {
        let profile = self.get(actor, name).await?;
        if !profile.is_of_admin && !config.is_for_owners() {
            return Err(ProfileError::Forbidden.into());
        }
        let cursors = self.check(actor, &config).await?;
        let updated = self.push_store().update_profile(profile.id, &config, &cursors).await;
        if !updated.map_err(|error| self.engine().unavailable(&error))? {
            return Err(ProfileError::NotFound.into());
        }
        self.tell();
        Ok(PushProfile { config, ..profile })
    }

    /// Removes a profile. What it has enqueued is still sent.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`].
    pub async fn delete(&self, actor: &Actor, name: &ProfileName) -> Result<(), PushProfileError> {
        let profile = self.get(actor, name).await?;
        let deleted = self.push_store().delete_profile(profile.id).await;
        if !deleted.map_err(|error| self.engine().unavailable(&error))? {
            return Err(ProfileError::NotFound.into());
        }
        self.tell();
        Ok(())
    }

    /// Whether the actor may have such a profile; where it begins on the nodes that there are.
    async fn check(
        &self,
        actor: &Actor,
        config: &ProfileConfig,
    ) -> Result<Vec<CursorPlace>, PushProfileError> {
        config.check()?;
        let is_admin = actor.role() == Role::Admin;
        if !is_admin && !config.is_for_owners() {
            return Err(ProfileError::Forbidden.into());
        }
        let nodes_max = self.engine().settings().limits.consumer_nodes_max as usize;
        let mut nodes: Vec<Arc<NodeFacts>> = Vec::new();
        for pattern in &config.nodes {
            let is_named = pattern.exact().is_some();
            for name in self.engine().nodes_of(pattern, nodes_max).await? {
                let facts = match self.engine().facts(&name).await {
                    Ok(facts) => facts,
                    Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) if !is_named || is_admin => {
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                if !is_admin {
                    access::may(&facts, actor, Action::Configure)?;
                }
                if is_named && !is_readable(&facts) {
                    let reason = format!(
                        "{} keeps no log on disk: it is a node in memory, or a collection",
                        name.as_str()
                    );
                    return Err(ProfileError::Invalid { reason }.into());
                }
                if is_readable(&facts) && nodes.iter().all(|node| node.id != facts.id) {
                    nodes.push(facts);
                }
            }
        }
        if nodes.len() > nodes_max {
            let reason = format!("its patterns stand for more than {nodes_max} nodes");
            return Err(ProfileError::Invalid { reason }.into());
        }
        Ok(self.engine().places(&nodes, Start::Latest).await?)
    }

    /// Has it looked at anew which profiles there are, on this instance and on others.
    fn tell(&self) {
        self.engine().shared().push_profiles.look_again();
        self.engine().shared().committed.notify_one();
    }
}
