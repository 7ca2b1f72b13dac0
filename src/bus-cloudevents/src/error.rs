use thiserror::Error;

use crate::AttributeType;

/// Why something is no CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloudEventError {
    /// An attribute is missing, or cannot be what it is.
    #[error("the attribute {attribute:?} {problem}")]
    Attribute {
        /// Its name, as it was given.
        attribute: String,
        /// What is wrong with it.
        problem: AttributeProblem,
    },
    /// The data cannot be what they are.
    #[error("the data {0}")]
    Data(String),
    /// What was given is not an event in this format at all.
    #[error("{0}")]
    Document(String),
}

/// What is wrong with an attribute. Goes on where its name ends.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AttributeProblem {
    /// There is none, and there must be.
    #[error("is required")]
    Missing,
    /// It is there twice.
    #[error("is given more than once")]
    Repeated,
    /// It has no characters, and must have.
    #[error("must not be empty")]
    Empty,
    /// Its name breaks the rules of the specification, or those of XML.
    #[error("has a name that is not allowed: lower-case letters a-z and digits, with a letter in front")]
    Name,
    /// The name stands for something else.
    #[error("has a name that is kept for something else")]
    ReservedName,
    /// A protobuf message without a value.
    #[error("has no value")]
    Unset,
    /// Another version of the specification.
    #[error("must be \"1.0\"")]
    SpecVersion,
    /// Not what its type says.
    #[error("is not a valid {expected}")]
    Invalid {
        /// What it must be.
        expected: AttributeType,
    },
    /// A type that is none of the specification's.
    #[error(
        "is of no type that there is: a string, a whole number from -2147483648 to 2147483647, a boolean …"
    )]
    UnknownType,
    /// Not a media type (RFC 2046).
    #[error("is not a media type such as application/json")]
    MediaType,
    /// A character that attributes must not hold.
    #[error("holds the character U+{code_point:04X}, which attributes must not hold")]
    Character {
        /// The offender.
        code_point: u32,
    },
}

/// Why something is no batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// It is no batch in this format at all.
    #[error("{0}")]
    Document(String),
    /// It has more events than are taken at once.
    #[error("the batch has more than {events_max} events")]
    TooMany {
        /// The bound.
        events_max: usize,
    },
    /// One of its events is none.
    #[error("event {index} of the batch: {error}")]
    Event {
        /// Which one, counted from 0.
        index: usize,
        /// Why.
        #[source]
        error: CloudEventError,
    },
}

impl CloudEventError {
    pub(crate) fn attribute(name: &str, problem: AttributeProblem) -> Self {
        Self::Attribute { attribute: name.to_owned(), problem }
    }
}
