use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Nodes that somebody has made and that are not deleted.
    Nodes,
    /// Subscriptions to all nodes, pending and parked ones too.
    Subscriptions,
    /// Bytes of payload in the logs of the nodes that somebody has made.
    StoredBytes,
    /// Items published, by when.
    Publishes,
}

/// Whose is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// One bare JID's.
    Jid,
    /// That of all addresses of one domain.
    Domain,
    /// Everybody's.
    Total,
}

/// One cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// What is counted.
    pub counted: Counted,
    /// Whose.
    pub scope: Scope,
}

/// The table of bounds. Each is configurable under `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Nodes that one bare JID may have made and not deleted.
    pub nodes_per_jid_max: u64,
    /// The same of all addresses of one domain together.
    pub nodes_per_domain_max: u64,
    /// Nodes in all.
    pub nodes_max: u64,
    /// Subscriptions of one bare JID to all nodes together (its resources count one each).
    pub subscriptions_per_jid_max: u64,
    /// The same of all addresses of one domain together.
    pub subscriptions_per_domain_max: u64,
    /// Subscriptions in all.
    pub subscriptions_max: u64,
    /// Bytes of payload in the logs of the nodes that one bare JID has made; above it, nothing more is published on these.
    /// Summed up again and again in the background: what is published in between comes on top.
    pub stored_bytes_per_jid_max: u64,
    /// The same of all addresses of one domain together.
    pub stored_bytes_per_domain_max: u64,
    /// Bytes of payload in all logs.
    pub stored_bytes_max: u64,
    /// Items that one bare JID may publish a second through one instance, in the mean.
    pub publishes_per_second_per_jid_max: u64,
    /// The same of all addresses of one domain together.
    pub publishes_per_second_per_domain_max: u64,
    /// Items that everybody together may publish a second through one instance, in the mean.
    pub publishes_per_second_max: u64,
    /// For how long such a rate may be saved up: so much of it may come at once.
    pub publish_burst_ms: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        Self {
            nodes_per_jid_max: 100_000,
            nodes_per_domain_max: 1_000_000,
            nodes_max: 10_000_000,
            subscriptions_per_jid_max: 10_000,
            subscriptions_per_domain_max: 10_000_000,
            subscriptions_max: 100_000_000,
            stored_bytes_per_jid_max: 100 * GIB,
            stored_bytes_per_domain_max: 1024 * GIB,
            stored_bytes_max: 16 * 1024 * GIB,
            publishes_per_second_per_jid_max: 50_000,
            publishes_per_second_per_domain_max: 200_000,
            publishes_per_second_max: 1_000_000,
            publish_burst_ms: 10_000,
        }
    }
}

impl Quotas {
    /// The bound of a cell; for [`Counted::Publishes`] items a second.
    pub fn bound(&self, quota: Quota) -> u64 {
        match (quota.counted, quota.scope) {
            (Counted::Nodes, Scope::Jid) => self.nodes_per_jid_max,
            (Counted::Nodes, Scope::Domain) => self.nodes_per_domain_max,
            (Counted::Nodes, Scope::Total) => self.nodes_max,
            (Counted::Subscriptions, Scope::Jid) => self.subscriptions_per_jid_max,
            (Counted::Subscriptions, Scope::Domain) => self.subscriptions_per_domain_max,
            (Counted::Subscriptions, Scope::Total) => self.subscriptions_max,
            (Counted::StoredBytes, Scope::Jid) => self.stored_bytes_per_jid_max,
            (Counted::StoredBytes, Scope::Domain) => self.stored_bytes_per_domain_max,
            (Counted::StoredBytes, Scope::Total) => self.stored_bytes_max,
            (Counted::Publishes, Scope::Jid) => self.publishes_per_second_per_jid_max,
            (Counted::Publishes, Scope::Domain) => self.publishes_per_second_per_domain_max,
            (Counted::Publishes, Scope::Total) => self.publishes_per_second_max,
        }
    }
}

impl Scope {
    /// All of them, from the narrowest on: the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Jid, Self::Domain, Self::Total];
}

impl Quota {
    /// All cells of the table.
    pub const ALL: [Self; 12] = {
        let mut all = [Self { counted: Counted::Nodes, scope: Scope::Jid }; 12];
        let mut index = 0;
        while index < all.len() {
            all[index] = Self { counted: Counted::ALL[index / 3], scope: Scope::ALL[index % 3] };
            index += 1;
        }
        all
    };

    /// A short name, for metrics and programs.
    pub fn as_str(self) -> &'static str {
        match (self.counted, self.scope) {
            (Counted::Nodes, Scope::Jid) => "nodes_per_jid",
            (Counted::Nodes, Scope::Domain) => "nodes_per_domain",
            (Counted::Nodes, Scope::Total) => "nodes",
            (Counted::Subscriptions, Scope::Jid) => "subscriptions_per_jid",
            (Counted::Subscriptions, Scope::Domain) => "subscriptions_per_domain",
            (Counted::Subscriptions, Scope::Total) => "subscriptions",
            (Counted::StoredBytes, Scope::Jid) => "stored_bytes_per_jid",
            (Counted::StoredBytes, Scope::Domain) => "stored_bytes_per_domain",
            (Counted::StoredBytes, Scope::Total) => "stored_bytes",
            (Counted::Publishes, Scope::Jid) => "publishes_per_jid",
            (Counted::Publishes, Scope::Domain) => "publishes_per_domain",
            (Counted::Publishes, Scope::Total) => "publishes",
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self.counted as usize * Scope::ALL.len() + self.scope as usize
    }
}

impl std::fmt::Display for Quota {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.counted {
            Counted::Nodes => "nodes",
            Counted::Subscriptions => "subscriptions",
            Counted::StoredBytes => "stored bytes",
            Counted::Publishes => "items published in a time",
        };
        let whose = match (self.counted, self.scope) {
            (_, Scope::Total) => "in all",
            (Counted::StoredBytes, Scope::Jid) => "of the creator of this node",
            (Counted::StoredBytes, Scope::Domain) => "of the domain of this node's creator",
            (_, Scope::Jid) => "of one address",
            (_, Scope::Domain) => "of one domain",
        };
        write!(out, "{what} {whose}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_cell_has_its_place_its_name_and_its_bound() {
        let names: HashSet<_> = Quota::ALL.iter().map(|quota| quota.as_str()).collect();
        assert_eq!(names.len(), Quota::ALL.len());
        let texts: HashSet<_> = Quota::ALL.iter().map(Quota::to_string).collect();
        assert_eq!(texts.len(), Quota::ALL.len());
        for (index, quota) in Quota::ALL.into_iter().enumerate() {
            assert_eq!(quota.index(), index);
            assert!(Quotas::default().bound(quota) > 0, "{quota}");
        }
    }

    #[test]
    fn a_wider_scope_allows_no_less() {
        let quotas = Quotas::default();
        for cells in Quota::ALL.chunks(Scope::ALL.len()) {
            assert!(cells.is_sorted_by_key(|quota| quotas.bound(*quota)), "{}", cells[0]);
        }
    }

    #[test]
    fn each_key_of_the_configuration_is_the_bound_of_one_cell() {
        let numbered: serde_json::Map<_, _> = [
            "nodes_per_jid_max",
            "nodes_per_domain_max",
            "nodes_max",
            "subscriptions_per_jid_max",
            "subscriptions_per_domain_max",
            "subscriptions_max",
            "stored_bytes_per_jid_max",
            "stored_bytes_per_domain_max",
            "stored_bytes_max",
            "publishes_per_second_per_jid_max",
            "publishes_per_second_per_domain_max",
            "publishes_per_second_max",
        ]
        .into_iter()
        .zip(1_u64..)
        .map(|(key, number)| (key.to_owned(), number.into()))
        .collect();
        let quotas: Quotas = serde_json::from_value(numbered.into()).unwrap();
        let bounds = Quota::ALL.map(|quota| quotas.bound(quota));
        assert_eq!(bounds, std::array::from_fn(|index| index as u64 + 1));
    }
}
