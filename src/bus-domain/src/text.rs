use thiserror::Error;

/// Why a string cannot be a node id, an item id or anything else that reaches XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// No characters at all.
    #[error("must not be empty")]
    Empty,
    /// More bytes of UTF-8 than allowed.
    #[error("is longer than {bytes_max} bytes")]
    TooLong {
        /// The bound.
        bytes_max: usize,
    },
    /// A character outside `Char` of XML 1.0 §2.2: it could never be written to an XMPP stream.
    #[error("holds the character U+{code_point:04X}, which XML 1.0 does not allow")]
    ForbiddenCharacter {
        /// The offender.
        code_point: u32,
    },
}

/// Checks a string that will stand in XML as an attribute or as text.
pub fn check_text(text: &str, bytes_max: usize) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > bytes_max {
        return Err(TextError::TooLong { bytes_max });
    }
    match text.chars().find(|&character| !is_xml_character(character)) {
        Some(character) => Err(TextError::ForbiddenCharacter { code_point: character.into() }),
        None => Ok(()),
    }
}

/// `Char` of XML 1.0 §2.2; surrogates cannot occur in a `char`.
fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_of_xml_pass() {
        for good in ["a", "Grüße ✓ 💡", "tab\tline\ncr\r", "\u{fffd}\u{e000}\u{85}"] {
            assert_eq!(check_text(good, 100), Ok(()), "{good:?}");
        }
        for (bad, code_point) in
            [("a\0", 0), ("\u{b}", 0xb), ("\u{1f}", 0x1f), ("\u{fffe}", 0xfffe), ("\u{ffff}", 0xffff)]
        {
            assert_eq!(check_text(bad, 100), Err(TextError::ForbiddenCharacter { code_point }), "{bad:?}");
        }
    }

    #[test]
    fn the_length_counts_bytes() {
        assert_eq!(check_text("", 4), Err(TextError::Empty));
        assert_eq!(check_text("äö", 4), Ok(()));
        assert_eq!(check_text("äöx", 4), Err(TextError::TooLong { bytes_max: 4 }));
    }
}
