use std::collections::BTreeMap;

use super::{InletId, PushMessage, Urgency};

/// What a server tells of those messages that a push is about (XEP-0357, `urn:xmpp:push:summary`): as much as its operator
/// and the user let it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushSummary {
    /// How many messages wait.
    pub message_count: Option<u64>,
    /// How many requests for presence wait.
    pub pending_subscription_count: Option<u64>,
    /// Whose message is the newest.
    pub last_message_sender: Option<String>,
    /// What it says.
    pub last_message_body: Option<String>,
}

/// What people see of a push of an XMPP server; without anything, the app is woken and shows what it finds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushAlert {
    /// The first line.
    pub title: Option<String>,
    /// The text below it.
    pub body: Option<String>,
}

/// How long such a push is of use: whoever was away for a week opens the app anyway.
const TTL_S: u32 = 7 * 24 * 3_600;
/// Of texts, so that the whole fits into what every provider takes.
const TEXT_BYTES_MAX: usize = 800;

impl PushSummary {
    /// The message for the device. A newer one takes the place of one that has not arrived: an app that is woken fetches everything.
    pub fn message(&self, inlet: InletId, alert: &PushAlert) -> PushMessage {
        let count = |count: Option<u64>| count.map(|count| count.to_string());
        let entries = [
            // An app with several accounts knows by it which one is meant.
            ("node", Some(inlet.to_string())),
            ("message-count", count(self.message_count)),
            ("pending-subscription-count", count(self.pending_subscription_count)),
            // An address that is cut is another one.
            ("last-message-sender", self.last_message_sender.clone().filter(|it| it.len() <= TEXT_BYTES_MAX)),
            ("last-message-body", self.last_message_body.as_deref().map(cut)),
        ];
        let entries = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        PushMessage {
            title: alert.title.clone(),
            body: alert.body.clone(),
            data: entries.filter(|(_, value)| !value.is_empty()).collect::<BTreeMap<_, _>>(),
            collapse_key: Some("xmpp".to_owned()),
            ttl_s: TTL_S,
            urgency: Urgency::High,
            ..PushMessage::default()
        }
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_goes_to_the_app_and_what_people_see_is_the_operators() {
        let summary = PushSummary {
            message_count: Some(3),
            last_message_sender: Some("b@example.net".to_owned()),
            last_message_body: Some("é".repeat(TEXT_BYTES_MAX)),
            ..PushSummary::default()
        };
        let alert = PushAlert { title: Some("Chat".to_owned()), body: Some("New message".to_owned()) };
        let message = summary.message(InletId([1; 16]), &alert);
        assert_eq!(message.check(), Ok(()));
        assert_eq!((message.title.as_deref(), message.body.as_deref()), (Some("Chat"), Some("New message")));
        let keys: Vec<_> = message.data.keys().map(String::as_str).collect();
        assert_eq!(keys, ["last-message-body", "last-message-sender", "message-count", "node"]);
        assert_eq!(message.data["last-message-body"], "é".repeat(TEXT_BYTES_MAX / 2));
        let silent = PushSummary::default().message(InletId([1; 16]), &PushAlert::default());
        assert!(!silent.is_visible() && silent.data.len() == 1);
    }

    #[test]
    fn an_app_is_woken_soon_once_and_within_a_week_whatever_is_told() {
        let told = PushSummary { message_count: Some(1), ..PushSummary::default() };
        for summary in [PushSummary::default(), told] {
            let message = summary.message(InletId([1; 16]), &PushAlert::default());
            assert_eq!((message.urgency, message.ttl_s), (Urgency::High, 604_800));
            assert_eq!(message.collapse_key.as_deref(), Some("xmpp"), "a newer one takes its place");
        }
    }
}
