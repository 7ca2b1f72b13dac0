use async_trait::async_trait;
use bus_domain::consumer::ConsumerId;
use bus_domain::push::profile::Topic;
use bus_domain::push::{Device, DeviceId, ProfileConfig, ProfileName, PushJob, PushProfile};
use bus_domain::{BareJid, Epoch, NodeId, NodeName, Seq};

use crate::{CursorPlace, Head, StoreError};

/// Push profiles. A profile is a consumer that the bus itself reads: it has a row among theirs, with the same numbers, claims
/// ([`crate::ConsumerStore::claim_consumer`]) and cursors, which epochs set back and reaping removes. No service sees it there.
///
/// Retention keeps what a profile has not looked at as long as it does for subscriptions that lag.
#[async_trait]
pub trait PushProfileStore {
    /// Adds a profile with its cursors; `None` if its name is taken.
    async fn create_profile(&self, new: &NewProfile) -> Result<Option<ConsumerId>, StoreError>;

    /// The profile of this name.
    async fn find_profile(&self, name: &ProfileName) -> Result<Option<PushProfile>, StoreError>;

    /// A page of profiles in the order of their names, behind `after`.
    async fn list_profiles(
        &self,
        after: Option<&ProfileName>,
        profiles_max: u32,
    ) -> Result<Vec<PushProfile>, StoreError>;

    /// Gives a profile another configuration; false if it is gone. Cursors on nodes that are not among these are removed, those
    /// that are new are added, the others stay. Whoever has claimed the profile has lost it.
    async fn update_profile(
        &self,
        profile: ConsumerId,
        config: &ProfileConfig,
        cursors: &[CursorPlace],
    ) -> Result<bool, StoreError>;

    /// Removes a profile with its cursors; false if it is gone. The jobs that it has made stay.
    async fn delete_profile(&self, profile: ConsumerId) -> Result<bool, StoreError>;

    /// A profile's cursors on these nodes, in the order of their numbers.
    async fn profile_cursors(
        &self,
        profile: ConsumerId,
        nodes: &[NodeId],
    ) -> Result<Vec<ProfileCursor>, StoreError>;

    /// A page of the cursors of all profiles that are behind their logs, in the order of profiles and nodes, behind `after`.
    async fn profile_cursors_behind(
        &self,
        after: Option<(ConsumerId, NodeId)>,
        cursors_max: u32,
    ) -> Result<Vec<ProfileCursor>, StoreError>;

    /// Moves a cursor and adds the jobs that come of it, in one synced transaction. False if the fence has moved or the log has
    /// another life, and nothing happens then. A cursor never moves back.
    async fn move_profile(&self, moved: &ProfileMove) -> Result<bool, StoreError>;

    /// The devices of these addresses that their providers do not refuse, at most so many, in any order.
    async fn targets_of_owners(
        &self,
        owners: &[BareJid],
        devices_max: u32,
    ) -> Result<Vec<PushTarget>, StoreError>;

    /// A page of the devices under a topic that their providers do not refuse, in the order of their ids.
    async fn targets_of_topic(
        &self,
        topic: &Topic,
        after: Option<DeviceId>,
        devices_max: u32,
    ) -> Result<Vec<PushTarget>, StoreError>;

    /// Sets in which language a device is told, and under which topics. False if there is no such device.
    async fn set_device_preferences(
        &self,
        device: DeviceId,
        preferences: &DevicePreferences,
    ) -> Result<bool, StoreError>;
}

/// A profile to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProfile {
    /// Its name.
    pub name: ProfileName,
    /// Who makes it.
    pub owner: BareJid,
    /// Whether that is an admin.
    pub is_of_admin: bool,
    /// What it does.
    pub config: ProfileConfig,
    /// In milliseconds since 1970.
    pub created_at_ms: i64,
    /// Where it begins on the nodes that there are.
    pub cursors: Vec<CursorPlace>,
}

/// A profile's cursor on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileCursor {
    /// The profile.
    pub profile: ConsumerId,
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Where its log stands.
    pub head: Head,
    /// Everything up to here has its jobs.
    pub through_seq: Seq,
    /// Where the fan-out of the event behind it is, if it has begun.
    pub fan_out: Option<FanOutPlace>,
}

/// A place in the fan-out of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOutPlace {
    /// The life of the log that the event is of.
    pub epoch: Epoch,
    /// The event.
    pub seq: Seq,
    /// The last recipient that has its jobs, in the words of whoever has written it.
    pub after: String,
}

/// What has come of a stretch of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileMove {
    /// The profile.
    pub profile: ConsumerId,
    /// The claim under which that happened.
    pub fence: u64,
    /// The node.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// Everything up to here has its jobs now.
    pub through_seq: Seq,
    /// Where the fan-out of the event behind it is.
    pub fan_out: Option<FanOutPlace>,
    /// What is to be sent. An id that is there already is left as it is.
    pub jobs: Vec<ProfileJob>,
    /// Events for which there could be no push.
    pub failures: u64,
    /// Why there was none for the last of them.
    pub last_failure: Option<String>,
}

/// A push that comes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileJob {
    /// The job.
    pub job: PushJob,
    /// While a job of this name waits that was not claimed yet, it gets the message and the end of this one, and this one is
    /// not added. No two jobs of a move have the same.
    pub coalesced_as: Option<[u8; 16]>,
}

/// A device that a push may be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushTarget {
    /// The device.
    pub device: Device,
    /// The language in which it is told.
    pub locale: Option<String>,
}

/// What somebody wants of pushes to a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevicePreferences {
    /// The language in which it is told, as a tag in lower case.
    pub locale: Option<String>,
    /// What it is registered under.
    pub topics: Vec<Topic>,
}

impl FanOutPlace {
    /// As stores keep it.
    pub fn to_text(&self) -> String {
        format!("{:016x} {} {}", self.epoch.0, self.seq, self.after)
    }

    /// The inverse of [`Self::to_text`].
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let epoch = Epoch(u64::from_str_radix(parts.next()?, 16).ok()?);
        let seq = parts.next()?.parse().ok()?;
        Some(Self { epoch, seq, after: parts.next()?.to_owned() })
    }
}
