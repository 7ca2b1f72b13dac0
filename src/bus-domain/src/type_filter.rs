use crate::About;

/// Which nodes a list is of, by the type of their payloads (`pubsub#type`; XEP-0462). The empty type is that of nodes
/// without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeFilter {
    types: Vec<String>,
    is_inclusive: bool,
}

impl TypeFilter {
    /// Types that one list may name: several times what anybody reads.
    pub const TYPES_MAX: usize = 64;

    /// Nodes of these types only.
    pub fn only(types: Vec<String>) -> Self {
        Self { types, is_inclusive: true }
    }

    /// All nodes but those of these types.
    pub fn all_but(types: Vec<String>) -> Self {
        Self { types, is_inclusive: false }
    }

    /// The types that are named.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// Whether nodes of these types are listed, and not the others.
    pub fn is_inclusive(&self) -> bool {
        self.is_inclusive
    }

    /// Whether a node that is about this is listed.
    pub fn takes(&self, about: &About) -> bool {
        let own = about.payload_type.as_deref().unwrap_or_default();
        self.types.iter().any(|named| named == own) == self.is_inclusive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_without_a_type_have_the_empty_one() {
        let typed = |payload_type: Option<&str>| About {
            payload_type: payload_type.map(str::to_owned),
            ..About::default()
        };
        let taken = |filter: &TypeFilter| {
            [Some("urn:a"), Some("urn:b"), None].map(|payload_type| filter.takes(&typed(payload_type)))
        };
        let named = || vec!["urn:a".to_owned(), String::new()];
        assert_eq!(taken(&TypeFilter::only(named())), [true, false, true]);
        assert_eq!(taken(&TypeFilter::all_but(named())), [false, true, false]);
        assert_eq!(taken(&TypeFilter::only(Vec::new())), [false; 3]);
    }
}
