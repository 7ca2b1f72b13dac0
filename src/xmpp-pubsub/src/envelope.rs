use bus_xml::Element;

use crate::errors::{self, Refusal};
use crate::xml::Xml;

/// How an IQ request is answered: from the address asked, to whoever asked, under the same id (RFC 6120 §8.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The requester, as the server wrote it.
    requester: String,
    /// The address asked.
    asked: String,
    /// Whether nobody waits for an answer.
    is_silent: bool,
    /// The request's id; `None` if it had none that can be repeated.
    id: Option<String>,
}

impl Envelope {
    /// The longest id that is repeated, in bytes. RFC 6120 §13.12 lets a server cut stanzas at 10,000 bytes, so
    /// nobody can count on a longer one; and an answer has to fit on the stream whatever it repeats.
    const ID_BYTES_MAX: usize = 10_000;

    /// The envelope for answers to `stanza`, which was asked at `asked`.
    pub(crate) fn answering(stanza: &Element, requester: &str, asked: String) -> Self {
        let id = stanza.attr("id").filter(|id| id.len() <= Self::ID_BYTES_MAX).map(str::to_owned);
        Self { requester: requester.to_owned(), asked, is_silent: false, id }
    }

    /// For what comes as a message: nobody hears what becomes of it.
    pub(crate) fn silent(requester: &str, asked: String) -> Self {
        Self { requester: requester.to_owned(), asked, is_silent: true, id: None }
    }

    /// Whether nobody waits for an answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// The address asked.
    pub(crate) fn asked(&self) -> &str {
        &self.asked
    }

    /// Whether the request has an id that an answer can repeat.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// A result, open for its content.
    pub(crate) fn result(&self) -> Xml {
        self.open("result")
    }

    /// A message that goes the same way in front of the answer, open for its content.
    pub(crate) fn message(&self) -> Xml {
        let mut out = Xml::default();
        out.start("message").attribute("from", &self.asked).attribute("to", &self.requester);
        out
    }

    /// An error.
    pub(crate) fn error(&self, refusal: &Refusal) -> String {
        self.error_about(|_| {}, refusal)
    }

    /// An error behind what it is about. Empty if nobody waits for it.
    pub(crate) fn error_about(&self, about: impl FnOnce(&mut Xml), refusal: &Refusal) -> String {
        if self.is_silent {
            return String::new();
        }
        let mut out = self.open("error");
        about(&mut out);
        errors::encode(refusal, &mut out);
        out.finish()
    }

    fn open(&self, kind: &str) -> Xml {
        let mut out = Xml::default();
        out.start("iq")
            .attribute("type", kind)
            .attribute("from", &self.asked)
            .attribute("to", &self.requester);
        if let Some(id) = &self.id {
            out.attribute("id", id);
        }
        out
    }
}
