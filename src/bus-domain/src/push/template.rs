//! Templates: how an event becomes what a device is told.
//!
//! A text that names a field which the event does not have takes the placeholder's default. Without a default the whole
//! message cannot be made; then the template's [`Template::fallback`] is sent, and without one nothing is, which the profile
//! counts with the name of the field. Half a message is never sent.

mod field;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{MessageError, PushMessage};

pub use field::{Field, Fields};
pub use text::TemplateText;

/// How an event becomes a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// What people see whose language has no texts of its own.
    pub texts: Texts,
    /// What people see, by language tags in lower case (`de`, `de-at`). A device that wants `de-AT` gets `de-at`, else `de`,
    /// else [`Self::texts`].
    pub locales: BTreeMap<String, Texts>,
    /// For the app, in all languages.
    pub data: BTreeMap<String, TemplateText>,
    /// What people see when the event lacks a field that the rest needs. It needs none itself.
    pub fallback: Option<Texts>,
}

/// What people see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Texts {
    /// The first line.
    pub title: Option<TemplateText>,
    /// The text below it.
    pub body: Option<TemplateText>,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A text is too long.
    #[error("a text of a template has {} bytes at most, and not {bytes}", TemplateText::BYTES_MAX)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A text has too many placeholders.
    #[error(
        "a text of a template has {} placeholders at most, and not {placeholders}",
        TemplateText::PLACEHOLDERS_MAX
    )]
    TooManyPlaceholders {
        /// How many.
        placeholders: usize,
    },
    /// A brace without its partner.
    #[error("a brace has no partner in {text:?}; braces themselves are written {{{{ and }}}}")]
    Brace {
        /// The whole text.
        text: String,
    },
    /// A placeholder that names nothing.
    #[error("the placeholder {{{placeholder}}} {expected}")]
    Placeholder {
        /// What stands in it.
        placeholder: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A language tag is none.
    #[error("{locale:?} is no language tag in lower case, such as de or pt-br")]
    Locale {
        /// The tag.
        locale: String,
    },
    /// More languages than there may be.
    #[error("a template has texts for {} languages at most", Template::LOCALES_MAX)]
    TooManyLocales,
    /// More data than there may be.
    #[error("a template has {} entries of data at most", Template::DATA_MAX)]
    TooMuchData,
    /// Nothing would be sent.
    #[error("a template has a title, a body or data")]
    Empty,
    /// The fallback needs fields.
    #[error("the fallback must work for every event: its placeholders need defaults ({{event.subject|…}})")]
    FallbackMayMiss,
    /// What is made of it would not be a message.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// A field that the event does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the event has no {field}")]
pub struct MissingField {
    /// Its name, as in the placeholder.
    pub field: String,
}

/// Why there is no message for an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// It lacks a field.
    #[error(transparent)]
    Missing(#[from] MissingField),
    /// What is made of it is none, by its length.
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl Template {
    /// Languages with texts of their own.
    pub const LOCALES_MAX: usize = 64;
    /// Entries of data.
    pub const DATA_MAX: usize = 32;

    /// Checks what can be known before there is an event.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), TemplateError> {
        if self.locales.len() > Self::LOCALES_MAX {
            return Err(TemplateError::TooManyLocales);
        }
        if self.data.len() > Self::DATA_MAX {
            return Err(TemplateError::TooMuchData);
        }
        if let Some(locale) =
            self.locales.keys().find(|locale| normal_locale(locale).as_ref() != Some(*locale))
        {
            return Err(TemplateError::Locale { locale: locale.clone() });
        }
        if self.data.is_empty() && self.texts == Texts::default() && self.locales.is_empty() {
            return Err(TemplateError::Empty);
        }
        if self.fallback.as_ref().is_some_and(Texts::may_miss) {
            return Err(TemplateError::FallbackMayMiss);
        }
        // The keys of the data, and how long it is at least, whatever the fields.
        match self.with_texts(&self.texts, &Empty) {
            Ok(_) | Err(RenderError::Missing(_)) => Ok(()),
            Err(RenderError::Message(error)) => Err(error.into()),
        }
    }

    /// The message for an event, in the language of a device. Says whether it had to be the fallback.
    ///
    /// # Errors
    /// The field that is missing when there is no fallback; a text that becomes too long.
    pub fn render(&self, fields: &dyn Fields, locale: Option<&str>) -> Result<PushMessage, RenderError> {
        match (self.with_texts(self.texts_for(locale), fields), &self.fallback) {
            (Err(RenderError::Missing(_)), Some(fallback)) => {
                let (title, body) = fallback.render(fields)?;
                Ok(PushMessage { title, body, ..PushMessage::default() })
            }
            (rendered, _) => rendered,
        }
    }

    /// The key in [`Self::locales`] whose texts a device of this language gets: devices of one key get the same message.
    pub fn locale_for(&self, locale: Option<&str>) -> Option<&str> {
        let locale = normal_locale(locale?)?;
        let mut wanted = locale.as_str();
        loop {
            if let Some((found, _)) = self.locales.get_key_value(wanted) {
                return Some(found);
            }
            wanted = wanted.rsplit_once('-')?.0;
        }
    }

    fn texts_for(&self, locale: Option<&str>) -> &Texts {
        self.locale_for(locale).and_then(|locale| self.locales.get(locale)).unwrap_or(&self.texts)
    }

    fn with_texts(&self, texts: &Texts, fields: &dyn Fields) -> Result<PushMessage, RenderError> {
        let (title, body) = texts.render(fields)?;
        let data = self.data.iter().map(|(key, text)| Ok((key.clone(), text.render(fields)?)));
        let data = data.collect::<Result<_, MissingField>>()?;
        let message = PushMessage { title, body, data, ..PushMessage::default() };
        message.check()?;
        Ok(message)
    }
}

impl Texts {
    fn render(&self, fields: &dyn Fields) -> Result<(Option<String>, Option<String>), MissingField> {
        let render = |text: &Option<TemplateText>| text.as_ref().map(|text| text.render(fields)).transpose();
        Ok((render(&self.title)?, render(&self.body)?))
    }

    fn may_miss(&self) -> bool {
        [&self.title, &self.body].into_iter().flatten().any(TemplateText::may_miss)
    }
}

/// A language tag as templates have them (RFC 5646, in lower case); `None` if it is none.
pub fn normal_locale(locale: &str) -> Option<String> {
    let normal = locale.replace('_', "-").to_ascii_lowercase();
    let is_tag = normal.len() <= 35
        && normal.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    is_tag.then_some(normal)
}

/// Has every field, and nothing in it: what is too long with that is too long for every event.
struct Empty;

impl Fields for Empty {
    fn text(&self, _: &Field) -> Option<String> {
        Some(String::new())
    }
}

#[cfg(test)]
mod tests;
