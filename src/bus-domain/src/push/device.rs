use std::fmt;
use std::str::FromStr;

use jid::BareJid;
use thiserror::Error;

use super::{AccountName, PushAddress, PushMessage, PushProvider};

/// A device's name: random, so that nobody guesses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub [u8; 16]);

/// A push job's name: random, or given by whoever enqueues it, who may then do so again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub [u8; 16]);

/// A text that names no device and no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id has 32 hexadecimal digits")]
pub struct NotAnId;

/// Where somebody can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// Whose it is.
    pub owner: BareJid,
    /// Where it is.
    pub address: PushAddress,
    /// Through which of our accounts at its provider it is reached.
    pub account: AccountName,
    /// When it registered last with this address, in milliseconds since 1970. What a provider says of before does not count.
    pub registered_at_ms: i64,
    /// When its app has shown itself last, in milliseconds since 1970.
    pub seen_at_ms: i64,
    /// Why its provider refuses it, if it does: it gets nothing until it registers anew.
    pub quarantined: Option<String>,
}

/// A message on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushJob {
    /// Its name.
    pub id: JobId,
    /// For whom.
    pub device: DeviceId,
    /// Through whom.
    pub provider: PushProvider,
    /// With which credentials.
    pub account: AccountName,
    /// What.
    pub message: PushMessage,
    /// When it was taken, in milliseconds since 1970.
    pub enqueued_at_ms: i64,
    /// When it is tried next, in milliseconds since 1970.
    pub due_at_ms: i64,
    /// When it is of no use any more, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It is tried when it is due.
    Waiting,
    /// Its provider has taken it.
    Delivered,
    /// It was given up.
    Dead,
}

impl JobState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, formatter)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, formatter)
    }
}

impl FromStr for DeviceId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        read_hex(text).map(Self)
    }
}

impl FromStr for JobId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        read_hex(text).map(Self)
    }
}

pub(super) fn write_hex(id: [u8; 16], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(formatter, "{:032x}", u128::from_be_bytes(id))
}

pub(super) fn read_hex(text: &str) -> Result<[u8; 16], NotAnId> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok().filter(|_| is_hex).ok_or(NotAnId)?;
    Ok(id.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_and_read_as_digits() {
        let id = DeviceId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("000102030405060708090A0B0C0D0EFF".parse(), Ok(JobId(id.0)));
        assert_eq!(JobId(id.0).to_string(), id.to_string());
        for text in ["", "0", "+00102030405060708090a0b0c0d0eff", "000102030405060708090a0b0c0d0eff0"] {
            assert_eq!(text.parse::<DeviceId>(), Err(NotAnId), "{text}");
        }
    }

    /// Stores hold these words.
    #[test]
    fn a_job_waits_is_delivered_or_dead() {
        let states = [JobState::Waiting, JobState::Delivered, JobState::Dead];
        assert_eq!(states.map(JobState::as_str), ["waiting", "delivered", "dead"]);
    }
}
