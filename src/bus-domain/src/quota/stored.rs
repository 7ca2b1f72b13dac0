use std::collections::{BTreeMap, HashSet};

use jid::BareJid;

use super::{Counted, Quota, Quotas, Scope};
use crate::{BusError, LimitKind};

/// Bytes of payload in the logs of nodes, summed up node by node.
#[derive(Debug, Default)]
pub struct StoredBytes {
    jids: BTreeMap<BareJid, u64>,
    domains: BTreeMap<String, u64>,
    total: u64,
}

/// Who has so much that nothing more is published on his nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredFull {
    jids: HashSet<BareJid>,
    domains: HashSet<String>,
    total: bool,
}

impl StoredBytes {
    /// Adds a node's.
    pub fn add(&mut self, creator: &BareJid, bytes: u64) {
        match self.jids.get_mut(creator) {
            Some(sum) => *sum += bytes,
            None => drop(self.jids.insert(creator.clone(), bytes)),
        }
        match self.domains.get_mut(creator.domain().as_str()) {
            Some(sum) => *sum += bytes,
            None => drop(self.domains.insert(creator.domain().as_str().to_owned(), bytes)),
        }
        self.total += bytes;
    }

    /// Of all nodes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Compares the sums with the table.
    pub fn full(&self, quotas: &Quotas) -> StoredFull {
        let is_full = |scope, bytes| bytes >= quotas.bound(Quota { counted: Counted::StoredBytes, scope });
        let jids = self.jids.iter().filter(|(_, bytes)| is_full(Scope::Jid, **bytes));
        let domains = self.domains.iter().filter(|(_, bytes)| is_full(Scope::Domain, **bytes));
        StoredFull {
            jids: jids.map(|(jid, _)| jid.clone()).collect(),
            domains: domains.map(|(domain, _)| domain.clone()).collect(),
            total: is_full(Scope::Total, self.total),
        }
    }
}

impl StoredFull {
    /// Whether something may be published on a node of this creator.
    pub fn check(&self, creator: &BareJid) -> Result<(), BusError> {
        let full = if self.jids.contains(creator) {
            Scope::Jid
        } else if self.domains.contains(creator.domain().as_str()) {
            Scope::Domain
        } else if self.total {
            Scope::Total
        } else {
            return Ok(());
        };
        let quota = Quota { counted: Counted::StoredBytes, scope: full };
        Err(BusError::LimitReached(LimitKind::Quota(quota)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_reached_a_bound_gets_no_more_until_something_goes() {
        let quotas = Quotas {
            stored_bytes_per_jid_max: 10,
            stored_bytes_per_domain_max: 15,
            stored_bytes_max: 30,
            ..Quotas::default()
        };
        let refused = |nodes: &[(&str, u64)], creator: &str| {
            let mut sums = StoredBytes::default();
            for (creator, bytes) in nodes {
                sums.add(&BareJid::new(creator).unwrap(), *bytes);
            }
            let refusal = sums.full(&quotas).check(&BareJid::new(creator).unwrap()).err()?;
            match refusal {
                BusError::LimitReached(LimitKind::Quota(quota)) => Some(quota.scope),
                other => panic!("{other}"),
            }
        };
        assert_eq!(refused(&[], "a@x"), None);
        assert_eq!(refused(&[("a@x", 5), ("a@x", 4)], "a@x"), None);
        assert_eq!(refused(&[("a@x", 5), ("a@x", 5)], "a@x"), Some(Scope::Jid));
        assert_eq!(refused(&[("a@x", 5), ("a@x", 5)], "b@x"), None);
        assert_eq!(refused(&[("a@x", 9), ("b@x", 6)], "c@x"), Some(Scope::Domain));
        assert_eq!(refused(&[("a@x", 14), ("b@y", 14)], "a@z"), None);
        assert_eq!(refused(&[("a@x", 14), ("b@y", 16)], "a@z"), Some(Scope::Total));
    }
}
