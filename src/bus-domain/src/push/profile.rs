//! Push profiles: which events become pushes, for whom, when, and how they read.

mod quiet;

use std::collections::BTreeSet;

use jid::BareJid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::template::{RenderError, Template, TemplateError, TemplateText};
use super::{Fields, PushMessage, Urgency};
use crate::consumer::{ConsumerId, ConsumerName, NodePattern};
use crate::{Actor, NodeName, Role};

pub use quiet::{QuietHours, QuietThen};

/// A profile's name: the rules of a consumer's, because a profile is one that the bus itself reads.
pub type ProfileName = ConsumerName;

/// Which events become pushes, and how. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// The nodes whose published items are pushed: names, or patterns of them.
    pub nodes: Vec<NodePattern>,
    /// For whom.
    pub audience: Audience,
    /// When.
    pub when: When,
    /// How they read.
    pub template: Template,
    /// A later push of the same key takes the place of one that has not arrived. What it becomes for an event is shortened to a
    /// hash where providers would not take it. Without it, nothing takes another's place.
    pub collapse_key: Option<TemplateText>,
    /// How long an event is worth a push, in seconds from its commit; the provider keeps it for a device that is away for what
    /// is left. 0 tries once. Four weeks at most.
    pub ttl_s: u32,
    /// How soon they have to be there.
    pub urgency: Urgency,
    /// When nothing is pushed.
    pub quiet_hours: Option<QuietHours>,
    /// How long a push waits for later ones of its collapse key (of the profile and the device, without one), in milliseconds;
    /// the last one is sent. 0 sends each. An hour at most.
    pub coalesce_ms: u32,
}

/// For whom events are pushed. Whoever may not read the node is passed over, each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// For the subscribers of the node, on all their devices.
    Subscribers,
    /// For these addresses, on all their devices.
    List(BTreeSet<BareJid>),
    /// For the devices that are registered under a topic.
    Topic(Topic),
}

/// What devices are registered under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(String);

/// When events are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Always.
    Always,
    /// To whom they would not reach otherwise: who has no available XMPP resource and reads the node over no stream of gRPC or
    /// HTTP at this moment.
    #[default]
    Away,
}

/// Whether somebody is there, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is.
    Online,
    /// It is not, or does not let us see.
    Offline,
    /// Nobody could say.
    Unknown,
}

/// A profile as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushProfile {
    /// Its number, among those of consumers.
    pub id: ConsumerId,
    /// Its name.
    pub name: ProfileName,
    /// Who has made it.
    pub owner: BareJid,
    /// Whether an admin has, for whom no node has to be owned.
    pub is_of_admin: bool,
    /// What it does.
    pub config: ProfileConfig,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Events for which there could be no push.
    pub failures: u64,
    /// Why there was none for the last of them.
    pub last_failure: Option<String>,
}

/// What is wrong with a request about a profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// There is none of this name, or it is somebody else's.
    #[error("there is no such push profile")]
    NotFound,
    /// The name is taken.
    #[error("a push profile of this name exists already")]
    Exists,
    /// Only an admin may have it.
    #[error(
        "only admins may make push profiles with patterns, lists or topics; the owner of a node may make one for the \
         subscribers of nodes that it names"
    )]
    Forbidden,
    /// There are as many as may be.
    #[error("there are {profiles_max} push profiles, which is the most; delete one first")]
    TooMany {
        /// How many.
        profiles_max: usize,
    },
    /// It cannot be like this.
    #[error("the push profile cannot be like this: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

/// When the push of an event leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It is tried from one moment to another, both in milliseconds since 1970.
    Send {
        /// The first moment.
        due_at_ms: i64,
        /// The last one.
        expires_at_ms: i64,
    },
    /// It is too late for it.
    TooLate,
    /// It falls into hours in which nothing is sent.
    Quiet,
}

/// Patterns of one profile.
const PATTERNS_MAX: usize = 64;
/// Addresses in a list.
const LIST_MAX: usize = 10_000;
/// The longest wait for later events: one hour.
const COALESCE_MS_MAX: u32 = 3_600_000;
/// How long a push that is tried once may wait for that, in milliseconds.
const ONCE_MS: i64 = 30_000;

impl ProfileConfig {
    /// Checks all of it that can be known before there are events.
    ///
    /// # Errors
    /// [`ProfileError::Invalid`] with the first thing that is wrong.
    pub fn check(&self) -> Result<(), ProfileError> {
        let invalid = |reason: String| Err(ProfileError::Invalid { reason });
        if self.nodes.is_empty() || self.nodes.len() > PATTERNS_MAX {
            return invalid(format!("it must name 1 to {PATTERNS_MAX} nodes or patterns"));
        }
        if let Audience::List(list) = &self.audience
            && (list.is_empty() || list.len() > LIST_MAX)
        {
            return invalid(format!("its list must have 1 to {LIST_MAX} addresses"));
        }
        if self.ttl_s > PushMessage::TTL_S_MAX {
            return invalid(format!("ttl is {} seconds at most (four weeks)", PushMessage::TTL_S_MAX));
        }
        if self.coalesce_ms > COALESCE_MS_MAX {
            return invalid("the window in which pushes are put together lasts an hour at most".to_owned());
        }
        if let Some(problem) = self.quiet_hours.and_then(QuietHours::problem) {
            return invalid(problem.to_owned());
        }
        self.template
            .check()
            .map_err(|error: TemplateError| ProfileError::Invalid { reason: error.to_string() })
    }

    /// Whether a node of this name is meant.
    pub fn covers(&self, node: &NodeName) -> bool {
        self.nodes.iter().any(|pattern| pattern.matches(node))
    }

    /// Whether who owns the nodes may have it without being an admin: it names them, and tells only those who have asked.
    pub fn is_for_owners(&self) -> bool {
        self.audience == Audience::Subscribers && self.nodes.iter().all(|pattern| pattern.exact().is_some())
    }

    /// The message for an event in the language of a device; with the collapse key as it was rendered, whatever providers
    /// take.
    ///
    /// # Errors
    /// See [`Template::render`]. A collapse key without its field is none, and that is no error: each push stands for itself.
    pub fn message(&self, fields: &dyn Fields, locale: Option<&str>) -> Result<PushMessage, RenderError> {
        let message = self.template.render(fields, locale)?;
        let collapse_key = self.collapse_key.as_ref().and_then(|key| key.render(fields).ok());
        let collapse_key = collapse_key.filter(|key| !key.is_empty());
        Ok(PushMessage { collapse_key, ttl_s: self.ttl_s, urgency: self.urgency, ..message })
    }

    /// When the push of an event leaves that was committed and is looked at now, both in milliseconds since 1970.
    pub fn timing(&self, published_at_ms: i64, now_ms: i64) -> Timing {
        let ttl_ms = i64::from(self.ttl_s) * 1_000;
        let mut due_at_ms = now_ms.saturating_add(self.coalesce_ms.into());
        // A clock that was set must not make an event live longer.
        let mut since_ms = published_at_ms.min(now_ms).saturating_add(self.coalesce_ms.into());
        if let Some((quiet, end_ms)) = self.quiet_hours.and_then(|it| Some((it, it.end_ms(due_at_ms)?))) {
            if quiet.then == QuietThen::Drop {
                return Timing::Quiet;
            }
            (due_at_ms, since_ms) = (end_ms, end_ms);
        }
        let expires_at_ms = match self.ttl_s {
            0 => due_at_ms.saturating_add(ONCE_MS),
            _ => since_ms.saturating_add(ttl_ms),
        };
        if expires_at_ms <= due_at_ms { Timing::TooLate } else { Timing::Send { due_at_ms, expires_at_ms } }
    }
}

impl When {
    /// Whether somebody is pushed to. Nobody who may be away goes without.
    pub fn pushes(self, seen: Seen, reads_stream: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Away => seen != Seen::Online && !reads_stream,
        }
    }
}

impl PushProfile {
    /// Whether an actor may see, change and delete it: who has made it may, and the operator's admins. To everybody else it
    /// is not there.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`].
    pub fn check_use(&self, actor: &Actor) -> Result<(), ProfileError> {
        let may = actor.role() == Role::Admin || *actor.bare() == self.owner && !self.is_of_admin;
        if may { Ok(()) } else { Err(ProfileError::NotFound) }
    }
}

impl Topic {
    /// The longest topic, in bytes.
    pub const BYTES_MAX: usize = 255;

    /// Checks length and characters: printable ASCII without spaces.
    ///
    /// # Errors
    /// [`ProfileError::Invalid`].
    pub fn new(text: &str) -> Result<Self, ProfileError> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        let reason = "a topic has 1 to 255 bytes of printable ASCII without spaces".to_owned();
        Err(ProfileError::Invalid { reason })
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Topic {
    type Error = ProfileError;

    fn try_from(text: String) -> Result<Self, ProfileError> {
        Self::new(&text)
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0
    }
}

#[cfg(test)]
mod tests;
