use std::collections::VecDeque;

use bus_domain::push::PushProvider;
use serde::Deserialize;

/// How requests fail that would else be taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whose requests; without it, everybody's.
    #[serde(default)]
    pub provider: Option<PushProvider>,
    /// For which device: a token, or the last part of an endpoint. Without it, for all. `token` of FCM stands for whoever gives
    /// out access tokens.
    #[serde(default)]
    pub target: Option<String>,
    /// How many such requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// Only each n-th of them fails.
    #[serde(default = "one")]
    pub every: u64,
    /// How often; the rule goes then. Without it, until the script is cleared.
    #[serde(default)]
    pub times: Option<u64>,
    /// How.
    pub fault: Fault,
}

/// A way to fail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Refuses with a status, in the provider's own form.
    Answer {
        /// The status of HTTP.
        status: u16,
        /// The provider's word for it.
        #[serde(default)]
        reason: String,
        /// The header `Retry-After`.
        #[serde(default)]
        retry_after: Option<String>,
        /// Since when the device is gone, in milliseconds since 1970 (APNs).
        #[serde(default)]
        timestamp_ms: Option<i64>,
    },
    /// Takes the request, and no more on its connection (GOAWAY).
    GoAway,
    /// Closes the connection in the middle of everything, without taking the request.
    Cut,
    /// Takes the request and closes the connection before it answers.
    CutAfterTaking,
    /// Resets the stream without taking the request.
    Reset,
    /// Takes the request, but answers late.
    Slow {
        /// So much later, in milliseconds.
        ms: u64,
    },
    /// Says that the sender's token is expired.
    ExpiredToken,
}

/// Rules in their order, each with how many requests it has seen.
#[derive(Debug, Default)]
pub(super) struct Script(VecDeque<(Rule, u64)>);

impl Rule {
    /// One that makes the next request of a provider fail.
    pub fn once(provider: PushProvider, fault: Fault) -> Self {
        Self { provider: Some(provider), target: None, skip: 0, every: 1, times: Some(1), fault }
    }

    /// One that makes each n-th request of a provider fail.
    pub fn every(provider: PushProvider, every: u64, fault: Fault) -> Self {
        Self { provider: Some(provider), target: None, skip: 0, every, times: None, fault }
    }
}

impl Script {
    pub(super) fn extend(&mut self, rules: impl IntoIterator<Item = Rule>) {
        self.0.extend(rules.into_iter().map(|rule| (rule, 0)));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of the first rule that is due; the others do not see the request.
    pub(super) fn next(&mut self, provider: PushProvider, target: &str) -> Option<Fault> {
        self.next_of(|rule| {
            rule.provider.is_none_or(|of| of == provider)
                && rule.target.as_ref().is_none_or(|of| of == target)
        })
    }

    /// As [`Self::next`], of the rules that name this provider and this target.
    pub(super) fn next_for_only(&mut self, provider: PushProvider, target: &str) -> Option<Fault> {
        self.next_of(|rule| rule.provider == Some(provider) && rule.target.as_deref() == Some(target))
    }

    fn next_of(&mut self, concerns: impl Fn(&Rule) -> bool) -> Option<Fault> {
        let mut due = None;
        for (index, (rule, seen)) in self.0.iter_mut().enumerate() {
            if !concerns(rule) {
                continue;
            }
            *seen += 1;
            if *seen > rule.skip && (*seen - rule.skip).is_multiple_of(rule.every.max(1)) {
                due = Some((index, rule.fault.clone()));
                break;
            }
        }
        let (index, fault) = due?;
        if let Some(times) = &mut self.0[index].0.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.0.remove(index);
            }
        }
        Some(fault)
    }
}

fn one() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_fire_when_they_are_due_and_as_often_as_they_say() {
        let mut script = Script::default();
        let rule = Rule { skip: 1, every: 2, times: Some(2), ..Rule::once(PushProvider::Fcm, Fault::Reset) };
        script.extend([rule]);
        let fired: Vec<_> = (0..8).map(|_| script.next(PushProvider::Fcm, "t").is_some()).collect();
        assert_eq!(fired, [false, false, true, false, true, false, false, false]);
    }

    #[test]
    fn rules_concern_their_provider_and_target() {
        let mut script = Script::default();
        script.extend([Rule { target: Some("a".to_owned()), ..Rule::once(PushProvider::Apns, Fault::Cut) }]);
        assert_eq!(script.next(PushProvider::Fcm, "a"), None);
        assert_eq!(script.next(PushProvider::Apns, "b"), None);
        assert_eq!(script.next(PushProvider::Apns, "a"), Some(Fault::Cut));
        assert_eq!(script.next(PushProvider::Apns, "a"), None);
    }

    #[test]
    fn a_rule_is_read_from_json() {
        let text = r#"{"provider":"apns","fault":{"answer":{"status":410,"reason":"Unregistered","timestamp_ms":5}}}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        let fault = Fault::Answer {
            status: 410,
            reason: "Unregistered".to_owned(),
            retry_after: None,
            timestamp_ms: Some(5),
        };
        assert_eq!(rule, Rule { times: None, ..Rule::once(PushProvider::Apns, fault) });
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"explode"}"#).is_err());
    }
}
