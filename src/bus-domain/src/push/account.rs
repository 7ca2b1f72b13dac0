use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::PushProvider;

/// The name of one of our accounts at a provider: a team of Apple's, a project of Firebase's, a VAPID key. A device is
/// reached through the one that its app was built for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// A text that names no account.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not the name of an account: it has 1 to 32 characters of a-z, 0-9, '-', '_'")]
pub struct NotAnAccountName(String);

/// A queue of jobs with a sender of its own: what one account has to do for one provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushLane {
    /// Through whom.
    pub provider: PushProvider,
    /// With which credentials.
    pub account: AccountName,
}

const NAME_BYTES_MAX: usize = 32;

impl AccountName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AccountName {
    /// That of an account for which nobody has chosen a name.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for AccountName {
    type Err = NotAnAccountName;

    fn from_str(text: &str) -> Result<Self, NotAnAccountName> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnAccountName(text.to_owned()))
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for PushLane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.provider.as_str(), self.account)
    }
}

impl From<PushProvider> for PushLane {
    /// That of the account without a name of its own.
    fn from(provider: PushProvider) -> Self {
        Self { provider, account: AccountName::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_of_metrics_and_parts_of_logs() {
        for name in ["default", "a", "team-7_b", &"a".repeat(32)] {
            assert_eq!(name.parse::<AccountName>().unwrap().as_str(), name);
        }
        for name in ["", "A", "a b", "a/b", "é", &"a".repeat(33)] {
            assert_eq!(name.parse::<AccountName>(), Err(NotAnAccountName(name.to_owned())));
        }
        assert_eq!(PushLane::from(PushProvider::Apns).to_string(), "apns/default");
    }
}
