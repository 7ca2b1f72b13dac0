use jid::Jid;
use serde::{Deserialize, Serialize};

use crate::{BusError, check_text};

/// What a node is about: the part of its configuration that changes nothing (XEP-0060 §5.4, §16.4.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// A short name for people (`pubsub#title`).
    pub title: Option<String>,
    /// What it is for (`pubsub#description`).
    pub description: Option<String>,
    /// The language of its items, as in `xml:lang` (`pubsub#language`).
    pub language: Option<String>,
    /// What its payloads mean, usually a namespace (`pubsub#type`). It is not enforced: profiles carry payloads of other
    /// namespaces than the one that they are named by.
    pub payload_type: Option<String>,
    /// Whom to ask about it (`pubsub#contact`).
    pub contacts: Vec<Jid>,
}

impl About {
    /// Bytes that each text may have.
    pub const TEXT_BYTES_MAX: usize = 4_096;
    /// Contacts that a node may have.
    pub const CONTACTS_MAX: usize = 16;

    /// About how many bytes it takes; for bounds.
    pub fn weight_bytes(&self) -> usize {
        let Self { title, description, language, payload_type, contacts } = self;
        let texts = [title, description, language, payload_type].into_iter().flatten();
        texts.map(String::len).chain(contacts.iter().map(|contact| contact.as_str().len())).sum()
    }

    /// Checks that it is bounded, and of characters that XML can carry.
    pub(crate) fn check(&self) -> Result<(), BusError> {
        let Self { title, description, language, payload_type, contacts } = self;
        let texts =
            [("title", title), ("description", description), ("language", language), ("type", payload_type)];
        for (name, text) in texts {
            let checked = text.as_deref().map_or(Ok(()), |text| check_text(text, Self::TEXT_BYTES_MAX));
            checked.map_err(|error| BusError::invalid_config(format!("the {name} {error}")))?;
        }
        if contacts.len() > Self::CONTACTS_MAX {
            let max = Self::CONTACTS_MAX;
            return Err(BusError::invalid_config(format!("a node has at most {max} contacts")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_can_be_written_as_xml() {
        let titled = |title: &str| About { title: Some(title.to_owned()), ..About::default() }.check();
        assert_eq!(titled("Prices, in \u{20ac}"), Ok(()));
        for wrong in ["\u{1}", &"a".repeat(About::TEXT_BYTES_MAX + 1)] {
            assert!(matches!(titled(wrong), Err(BusError::InvalidConfig { .. })), "{wrong:.10}");
        }
    }

    #[test]
    fn contacts_are_few() {
        let contact = Jid::new("a@example.org").unwrap();
        let with = |count| About { contacts: vec![contact.clone(); count], ..About::default() }.check();
        assert_eq!(with(About::CONTACTS_MAX), Ok(()));
        assert!(matches!(with(About::CONTACTS_MAX + 1), Err(BusError::InvalidConfig { .. })));
    }
}
