//! The fields of a subscription's options: the one table between XEP-0060 §16.4.2 and bus-domain. What the bus does not do
//! is not in it.

use bus_domain::{BusError, OptionSetting, Show, ShowValues, SubscriptionOptions, SubscriptionType};
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{self, Field, Kind, Submission, Unknown};

/// XEP-0060 §16.4.2.
pub(crate) const SUBSCRIBE_OPTIONS: &str = "http://jabber.org/protocol/pubsub#subscribe_options";

/// Every field.
pub(crate) const TABLE: &[Field<SubscriptionOptions, OptionSetting>] = &[
    Field {
        var: "pubsub#deliver",
        label: "Whether events are sent at all",
        kind: Kind::Boolean { get: |it| it.deliver, set: OptionSetting::Deliver },
    },
    Field {
        var: "pubsub#subscription_type",
        label: "What of the nodes of a collection is sent",
        kind: Kind::Choice {
            options: &["items", "nodes", "all"],
            get: |it| it.subscription_type.as_str(),
            set: |value| {
                let found = SubscriptionType::ALL.into_iter().find(|choice| choice.as_str() == value);
                let wrong = || BusError::invalid_config("pubsub#subscription_type has no such option");
                Ok(Some(OptionSetting::Type(found.ok_or_else(wrong)?)))
            },
        },
    },
    Field {
        var: "pubsub#subscription_depth",
        label: "How many levels below a collection, or all",
        kind: Kind::Level { get: |it| it.depth, set: OptionSetting::Depth },
    },
    Field {
        var: "pubsub#digest",
        label: "Whether events are put together into digests",
        kind: Kind::Boolean { get: |it| it.digest, set: OptionSetting::Digest },
    },
    Field {
        var: "pubsub#digest_frequency",
        label: "Milliseconds between two digests, at least",
        kind: Kind::Number {
            none: "",
            get: |it| it.digest_frequency_ms,
            set: |ms| Some(OptionSetting::DigestFrequencyMs(ms)),
        },
    },
    Field {
        var: "pubsub#expire",
        label: "When the subscription ends by itself, in UTC, or presence: when its subscriber goes",
        kind: Kind::Expire { get: SubscriptionOptions::expire, set: OptionSetting::Expire },
    },
    Field {
        var: "pubsub#show-values",
        label: "What a resource has to show for events to be sent",
        kind: Kind::Choices {
            options: &["away", "chat", "dnd", "online", "xa"],
            get: |it| it.show_values.iter().map(Show::as_str).collect(),
            set: |values| {
                let values: Option<ShowValues> = values.iter().map(|value| Show::parse(value)).collect();
                values.map(OptionSetting::ShowValues)
            },
        },
    },
];

/// The fields of a subscription to a collection, or to a leaf, of which nothing is below (XEP-0248 §6.1).
pub(crate) fn shown(
    is_to_collection: bool,
) -> impl Iterator<Item = &'static Field<SubscriptionOptions, OptionSetting>> {
    const OF_COLLECTIONS: [&str; 2] = ["pubsub#subscription_type", "pubsub#subscription_depth"];
    TABLE.iter().filter(move |field| is_to_collection || !OF_COLLECTIONS.contains(&field.var))
}

/// Reads a form with options. What it cannot be has an error of its own (§6.3.6.2); fields that are not known are passed
/// over, and a form that is cancelled changes nothing.
pub(crate) fn read(form: &Element) -> Result<Vec<OptionSetting>, Refusal> {
    match form::read(form, SUBSCRIBE_OPTIONS)? {
        Submission::Cancelled => Ok(Vec::new()),
        Submission::Filled(filled) => filled.settings(TABLE, Unknown::Ignored).map_err(|refusal| {
            if let Refusal::Bus(BusError::InvalidConfig { .. }) = refusal {
                BusError::InvalidOptions { reason: "a value that this field cannot have" }.into()
            } else {
                refusal
            }
        }),
    }
}
