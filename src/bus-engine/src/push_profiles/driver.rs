//! Carries out what becomes of logs under profiles.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bus_domain::access::{self, Action};
use bus_domain::consumer::ConsumerId;
use bus_domain::push::PushProfile;
use bus_domain::{Actor, BusError, NodeFacts, NodeId, NodeName, Role};
use bus_store::{Claim, ProfileMove, StoreError};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::PushProfiles;
use super::fan_out::{FanOut, Step};
use super::reach::Look;
use super::watch::Wanted;
use crate::consumers::is_readable;

/// Profiles that are read at once.
const PROFILES_PAGE_MAX: u32 = 500;
/// Cursors that are read at once.
const CURSORS_MAX: u32 = 500;
/// Nodes that one pattern may have found by and by.
const NODES_MAX: usize = 100_000;
/// Nodes that are served at the same time.
const SERVED_MAX: usize = 8;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How soon what had to wait is looked at again: for word of somebody's presence, or for another instance.
const LATER: Duration = Duration::from_millis(250);
/// How long a claim lasts without another one.
const CLAIM_MS: i64 = 15_000;

/// A claim of a profile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    fence: u64,
    renewed_at_ms: i64,
}

/// What is left of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Later,
}

type Profiles = BTreeMap<ConsumerId, Arc<PushProfile>>;

impl PushProfiles {
    /// Makes pushes of what is published until it is told to stop.
    pub async fn run(&self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.serve_all()).await;
        self.give_claims_back().await;
    }

    /// So that another instance goes on at once. What is still being written is fenced.
    async fn give_claims_back(&self) {
        let claims: Vec<_> = self.claims().drain().map(|(profile, held)| (profile, held.fence)).collect();
        let store = self.engine().store();
        if !claims.is_empty()
            && store.is_shared()
            && let Err(error) = store.renew_claims(&claims, 0).await
        {
            tracing::debug!(%error, "other instances take push profiles over after a while");
        }
    }

    async fn serve_all(&self) {
        let watch = &self.engine().shared().push_profiles;
        let mut profiles = Profiles::new();
        let mut later = BTreeMap::new();
        watch.look_again();
        loop {
            let mut wanted = tokio::select! {
                wanted = watch.take() => wanted,
                () = tokio::time::sleep(LATER), if !later.is_empty() => Wanted::default(),
            };
            wanted.nodes.append(&mut later);
            if wanted.look_again {
                match self.look_at_all(&mut profiles).await {
                    Ok(behind) => wanted.nodes.extend(behind),
                    Err(error) => {
                        self.pause(&error, wanted).await;
                        continue;
                    }
                }
            }
            let served = self.serve_nodes(&profiles, std::mem::take(&mut wanted.nodes)).await;
            later = served.later;
            if let Some(error) = served.error {
                self.pause(&error, Wanted { look_again: false, nodes: served.failed }).await;
            }
        }
    }

    async fn pause(&self, error: &BusError, wanted: Wanted) {
        tracing::debug!(%error, "push profiles wait");
        tokio::time::sleep(STORE_PAUSE).await;
        self.engine().shared().push_profiles.put_back(wanted);
    }

    /// Reads which profiles there are, and which nodes they are behind on, or know nothing of.
    async fn look_at_all(&self, profiles: &mut Profiles) -> Result<BTreeMap<NodeId, NodeName>, BusError> {
        *profiles = self.all_profiles().await.map_err(|error| self.engine().unavailable(&error))?;
        let patterns = profiles.values().flat_map(|it| it.config.nodes.iter().cloned()).collect::<Vec<_>>();
        // Before the reads, so that what is committed from now on is noticed.
        self.engine().shared().push_profiles.set_patterns(patterns);
        let mut found = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.push_store().profile_cursors_behind(after, CURSORS_MAX).await;
            let page = page.map_err(|error| self.engine().unavailable(&error))?;
            after = page.last().map(|cursor| (cursor.profile, cursor.node));
            let is_last = page.len() < CURSORS_MAX as usize;
            found.extend(page.into_iter().map(|cursor| (cursor.node, cursor.name)));
            if is_last {
                break;
            }
        }
        for profile in profiles.values() {
            found.extend(self.unknown_nodes(profile).await?);
        }
        Ok(found)
    }

    async fn all_profiles(&self) -> Result<Profiles, StoreError> {
        let mut profiles = Profiles::new();
        let mut after = None;
        loop {
            let page = self.push_store().list_profiles(after.as_ref(), PROFILES_PAGE_MAX).await?;
            after = page.last().map(|profile| profile.name.clone());
            let is_last = page.len() < PROFILES_PAGE_MAX as usize;
            profiles.extend(page.into_iter().map(|profile| (profile.id, Arc::new(profile))));
            if is_last {
                return Ok(profiles);
            }
        }
    }

    /// Nodes that a profile is about and has no cursor on: they have come after it.
    async fn unknown_nodes(&self, profile: &PushProfile) -> Result<Vec<(NodeId, NodeName)>, BusError> {
        let mut unknown = Vec::new();
        for pattern in &profile.config.nodes {
            let names = self.engine().nodes_of(pattern, NODES_MAX).await?;
            let mut nodes = BTreeMap::new();
            for name in names.into_iter().take(NODES_MAX) {
                match self.engine().facts(&name).await {
                    Ok(facts) if is_readable(&facts) => {
                        nodes.insert(facts.id, name);
                    }
                    Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            let ids: Vec<_> = nodes.keys().copied().collect();
            let known = self.push_store().profile_cursors(profile.id, &ids).await;
            for cursor in known.map_err(|error| self.engine().unavailable(&error))? {
                nodes.remove(&cursor.node);
            }
            unknown.extend(nodes);
        }
        Ok(unknown)
    }

    /// Serves nodes, some at the same time. One that cannot be served is in nobody's way.
    async fn serve_nodes(&self, profiles: &Profiles, nodes: BTreeMap<NodeId, NodeName>) -> Served {
        let covering = |name: &NodeName| {
            profiles.values().filter(|profile| profile.config.covers(name)).cloned().collect::<Vec<_>>()
        };
        let serving = futures::stream::iter(nodes).map(|(node, name)| {
            let profiles = covering(&name);
            async move {
                let mut left = Ok(Left::Nothing);
                for profile in profiles {
                    match self.serve(&profile, node, &name).await {
                        Ok(Left::Nothing) => {}
                        Ok(Left::Later) => left = left.and(Ok(Left::Later)),
                        Err(error) => left = Err(error),
                    }
                }
                (node, name, left)
            }
        });
        let mut serving = serving.buffer_unordered(SERVED_MAX);
        let mut served = Served::default();
        while let Some((node, name, left)) = serving.next().await {
            match left {
                Ok(Left::Nothing) => {}
                Ok(Left::Later) => {
                    served.later.insert(node, name);
                }
                Err(error) => {
                    served.failed.insert(node, name);
                    served.error = Some(error);
                }
            }
        }
        served
    }

    /// Brings a profile to the end of a node's log.
    async fn serve(
        &self,
        profile: &Arc<PushProfile>,
        node: NodeId,
        name: &NodeName,
    ) -> Result<Left, BusError> {
        let facts = match self.engine().facts(name).await {
            Ok(facts) if facts.id == node && is_readable(&facts) => facts,
            // What was not pushed of a node before its end is not any more.
            Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => return Ok(Left::Nothing),
            Err(error) => return Err(error),
        };
        let cursors = self.push_store().profile_cursors(profile.id, &[node]).await;
        let cursor = cursors.map_err(|error| self.engine().unavailable(&error))?.into_iter().next();
        if cursor.as_ref().is_some_and(|cursor| cursor.through_seq >= cursor.head.seq) {
            return Ok(Left::Nothing);
        }
        let Some(fence) = self.claim(profile).await? else { return Ok(Left::Later) };
        let place = cursor.map_or((0, None), |cursor| (cursor.through_seq, cursor.fan_out));
        let fan_out =
            FanOut::new(Arc::clone(profile), fence, Arc::clone(&facts), self.service().clone(), place);
        self.fan_out(profile, &facts, fan_out).await
    }

    async fn fan_out(
        &self,
        profile: &PushProfile,
        facts: &Arc<NodeFacts>,
        mut fan_out: FanOut,
    ) -> Result<Left, BusError> {
        let is_owners = is_of_owner(profile, facts);
        loop {
            match fan_out.next(self.engine().now_ms()) {
                Step::Read(after_seq) => match self.engine().page_behind(facts.id, after_seq).await {
                    Ok((events, gone_through_seq)) => fan_out.take_events(events, gone_through_seq),
                    Err(BusError::NodeNotFound) => return Ok(Left::Nothing),
                    Err(error) => return Err(error),
                },
                Step::Reach(event, _) if !is_owners => fan_out.refuse(&event),
                Step::Reach(event, after) => {
                    match self.reach(&profile.config, facts, &event, after.as_deref()).await? {
                        Look::Found(reached) => fan_out.take_reached(reached, self.engine().now_ms()),
                        Look::Later => return self.write_before_rest(fan_out).await,
                    }
                }
                Step::Write(moved) => {
                    if !self.write(&moved).await? {
                        return Ok(Left::Later);
                    }
                    fan_out.written();
                }
                Step::Rest => return Ok(Left::Nothing),
            }
        }
    }

    /// Writes what there is, because what comes next has to wait.
    async fn write_before_rest(&self, fan_out: FanOut) -> Result<Left, BusError> {
        if let Some(moved) = fan_out.unwritten() {
            self.write(&moved).await?;
        }
        Ok(Left::Later)
    }

    /// False if the profile is not what it was, or not ours any more: it is looked at anew.
    async fn write(&self, moved: &ProfileMove) -> Result<bool, BusError> {
        let statistics = self.engine().statistics();
        let written = self.push_store().move_profile(moved).await;
        let is_written = written.map_err(|error| self.engine().unavailable(&error))?;
        if is_written {
            statistics.push_profile_moves.add(1);
            statistics.push_profile_jobs.add(moved.jobs.len() as u64);
            statistics.push_profile_failures.add(moved.failures);
            if let Some(reason) = &moved.last_failure {
                tracing::warn!(profile = moved.profile.0, reason, "events could not be pushed");
            }
            if !moved.jobs.is_empty() {
                self.pushes().has_enqueued();
            }
        } else {
            self.claims().remove(&moved.profile);
            self.engine().shared().push_profiles.look_again();
        }
        Ok(is_written)
    }

    /// Claims a profile, or renews the claim; `None` if another instance has it, or it is not what it was.
    async fn claim(&self, profile: &PushProfile) -> Result<Option<u64>, BusError> {
        let now_ms = self.engine().now_ms();
        let held = self.claims().get(&profile.id).copied();
        let fence = match held {
            Some(held) if now_ms - held.renewed_at_ms < CLAIM_MS / 3 => return Ok(Some(held.fence)),
            // Those that write under this fence at the moment keep it.
            Some(held) => {
                let until_ms = now_ms.saturating_add(CLAIM_MS);
                let renewed = self.engine().store().renew_claims(&[(profile.id, held.fence)], until_ms).await;
                let renewed = renewed.map_err(|error| self.engine().unavailable(&error))?;
                renewed.first().map(|_| held.fence)
            }
            None => self.claim_anew(profile, now_ms).await?,
        };
        let mut claims = self.claims();
        if let Some(fence) = fence {
            claims.insert(profile.id, Held { fence, renewed_at_ms: now_ms });
        } else {
            claims.remove(&profile.id);
        }
        Ok(fence)
    }

    async fn claim_anew(&self, profile: &PushProfile, now_ms: i64) -> Result<Option<u64>, BusError> {
        let unavailable = |error| self.engine().unavailable(&error);
        let store = self.engine().store();
        // Nobody else can have what is in a store of one process, whatever the last one has left.
        let claims_at_ms = if store.is_shared() { now_ms } else { i64::MAX };
        let until_ms = now_ms.saturating_add(CLAIM_MS);
        let claim = Claim { instance: self.0.instance, now_ms: claims_at_ms, until_ms };
        let fence = store.claim_consumer(profile.id, &claim).await.map_err(unavailable)?;
        // Read anew, because it may have changed before the claim.
        let found = self.push_store().find_profile(&profile.name).await.map_err(unavailable)?;
        if found.is_some_and(|found| found.id == profile.id && found.config == profile.config) {
            return Ok(fence);
        }
        self.engine().shared().push_profiles.look_again();
        Ok(None)
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<ConsumerId, Held>> {
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of serving nodes.
#[derive(Debug, Default)]
struct Served {
    later: BTreeMap<NodeId, NodeName>,
    failed: BTreeMap<NodeId, NodeName>,
    error: Option<BusError>,
}

/// Whether a profile that no admin has made is still of an owner of the node.
fn is_of_owner(profile: &PushProfile, facts: &NodeFacts) -> bool {
    let owner = Actor::new(profile.owner.clone(), Role::User);
    profile.is_of_admin || access::may(facts, &owner, Action::Configure).is_ok()
}
