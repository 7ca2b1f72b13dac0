use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use iri_string::types::{UriReferenceStr, UriStr};

use crate::{AttributeProblem, Timestamp};

/// The types of the specification ("Type System").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// Text without control characters.
    String,
    /// Bytes.
    Binary,
    /// A URI with a scheme.
    Uri,
    /// A URI or a part of one.
    UriReference,
    /// A moment.
    Timestamp,
}

/// The value of an attribute, with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i32),
    /// Text.
    String(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A URI with a scheme.
    Uri(String),
    /// A URI or a part of one.
    UriReference(String),
    /// A moment.
    Timestamp(Timestamp),
}

/// Base64 as others write it, with its padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl AttributeValue {
    /// Reads the canonical text of a value (the specification's "string encoding").
    ///
    /// # Errors
    /// [`AttributeProblem::Invalid`] and [`AttributeProblem::Character`].
    pub fn parse(kind: AttributeType, text: &str) -> Result<Self, AttributeProblem> {
        let value = match kind {
            AttributeType::Boolean => text.parse().ok().map(Self::Boolean),
            // Rust would take a plus sign, JSON's numbers have none.
            AttributeType::Integer if text.starts_with('+') => None,
            AttributeType::Integer => text.parse().ok().map(Self::Integer),
            AttributeType::String => Some(Self::String(text.to_owned())),
            AttributeType::Binary => decode_base64(text).map(Self::Binary),
            AttributeType::Uri => Some(Self::Uri(text.to_owned())),
            AttributeType::UriReference => Some(Self::UriReference(text.to_owned())),
            AttributeType::Timestamp => Timestamp::parse(text).map(Self::Timestamp),
        };
        let value = value.ok_or(AttributeProblem::Invalid { expected: kind })?;
        value.check()?;
        Ok(value)
    }

    /// The type.
    pub fn kind(&self) -> AttributeType {
        match self {
            Self::Boolean(_) => AttributeType::Boolean,
            Self::Integer(_) => AttributeType::Integer,
            Self::String(_) => AttributeType::String,
            Self::Binary(_) => AttributeType::Binary,
            Self::Uri(_) => AttributeType::Uri,
            Self::UriReference(_) => AttributeType::UriReference,
            Self::Timestamp(_) => AttributeType::Timestamp,
        }
    }

    /// Whether the value is one of its type.
    pub(crate) fn check(&self) -> Result<(), AttributeProblem> {
        let is_one = match self {
            Self::Boolean(_) | Self::Integer(_) | Self::Binary(_) | Self::Timestamp(_) => true,
            Self::String(text) => return check_characters(text),
            // With a fragment, too: RFC 3986 §4.3 has none, but schemas are named with them everywhere.
            Self::Uri(text) => UriStr::new(text).is_ok(),
            Self::UriReference(text) => UriReferenceStr::new(text).is_ok(),
        };
        if is_one { Ok(()) } else { Err(AttributeProblem::Invalid { expected: self.kind() }) }
    }
}

/// The canonical text.
impl fmt::Display for AttributeValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(out),
            Self::Integer(value) => value.fmt(out),
            Self::String(text) | Self::Uri(text) | Self::UriReference(text) => out.write_str(text),
            Self::Binary(bytes) => out.write_str(&encode_base64(bytes)),
            Self::Timestamp(moment) => moment.fmt(out),
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Boolean => "boolean: true or false",
            Self::Integer => "whole number from -2147483648 to 2147483647",
            Self::String => "string",
            Self::Binary => "sequence of bytes in Base64 (RFC 4648)",
            Self::Uri => "URI with a scheme (RFC 3986)",
            Self::UriReference => "URI-reference (RFC 3986)",
            Self::Timestamp => "date and time such as 2018-04-05T17:31:00Z (RFC 3339)",
        })
    }
}

/// Whether an attribute may have this name: the specification's naming conventions, and a letter in front, because no
/// element of XML can begin with a digit.
pub(crate) fn check_name(name: &str) -> Result<(), AttributeProblem> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(AttributeProblem::Name);
    }
    if name == "data" { Err(AttributeProblem::ReservedName) } else { Ok(()) }
}

/// What strings must not hold: control characters, and code points that are no characters.
pub(crate) fn check_characters(text: &str) -> Result<(), AttributeProblem> {
    let is_forbidden = |it: &char| {
        let code = u32::from(*it);
        it.is_control() || matches!(code, 0xfdd0..=0xfdef) || code & 0xfffe == 0xfffe
    };
    match text.chars().find(is_forbidden) {
        Some(offender) => Err(AttributeProblem::Character { code_point: offender.into() }),
        None => Ok(()),
    }
}

pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}
