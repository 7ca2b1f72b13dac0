use std::collections::BTreeMap;

use jid::BareJid;

use super::{Counted, Quota, Quotas, Scope};

/// Names one number that is kept of what somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsageKey {
    /// What is counted.
    pub counted: Counted,
    /// Whose is counted together.
    pub scope: Scope,
    /// A bare JID, a domain, or nothing.
    pub owner: String,
}

/// Somebody has more or less than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageChange {
    /// What is counted.
    pub counted: Counted,
    /// Who has it.
    pub owner: BareJid,
    /// So many more.
    pub by: i64,
}

impl UsageChange {
    /// The numbers that it moves, one for each scope.
    pub fn keys(&self) -> [UsageKey; Scope::ALL.len()] {
        Scope::ALL.map(|scope| UsageKey { counted: self.counted, scope, owner: owner_in(scope, &self.owner) })
    }

    /// Decides on the numbers as they are, in the order of [`Self::keys`]. Less is always allowed.
    pub fn settle(&self, counts: [u64; Scope::ALL.len()], quotas: &Quotas) -> Result<(), Quota> {
        for (scope, count) in Scope::ALL.into_iter().zip(counts) {
            let quota = Quota { counted: self.counted, scope };
            if self.by > 0 && count.saturating_add_signed(self.by) > quotas.bound(quota) {
                return Err(quota);
            }
        }
        Ok(())
    }
}

/// Adds up what concerns the same, and leaves out what changes nothing.
pub fn sum(changes: impl IntoIterator<Item = UsageChange>) -> Vec<UsageChange> {
    let mut sums: BTreeMap<(Counted, BareJid), i64> = BTreeMap::new();
    for UsageChange { counted, owner, by } in changes {
        *sums.entry((counted, owner)).or_default() += by;
    }
    let change = |((counted, owner), by)| UsageChange { counted, owner, by };
    sums.into_iter().filter(|(_, by)| *by != 0).map(change).collect()
}

/// By how much each number moves.
pub fn moves<'a>(changes: impl IntoIterator<Item = &'a UsageChange>) -> BTreeMap<UsageKey, i64> {
    let mut moves = BTreeMap::new();
    for change in changes {
        for key in change.keys() {
            *moves.entry(key).or_default() += change.by;
        }
    }
    moves
}

/// By which name what an address has is counted.
pub fn owner_in(scope: Scope, owner: &BareJid) -> String {
    match scope {
        Scope::Jid => owner.as_str().to_owned(),
        Scope::Domain => owner.domain().as_str().to_owned(),
        Scope::Total => String::new(),
    }
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nodes, Self::Subscriptions, Self::StoredBytes, Self::Publishes];

    /// The one that is written like this.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|counted| counted.as_str() == text)
    }

    /// How it is written in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Subscriptions => "subscriptions",
            Self::StoredBytes => "stored_bytes",
            Self::Publishes => "publishes",
        }
    }
}

impl Scope {
    /// The one that is written like this.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// How it is written in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jid => "jid",
            Self::Domain => "domain",
            Self::Total => "total",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(owner: &str, by: i64) -> UsageChange {
        UsageChange { counted: Counted::Nodes, owner: BareJid::new(owner).unwrap(), by }
    }

    #[test]
    fn each_scope_has_its_key() {
        let owners = |owner| change(owner, 1).keys().map(|key| key.owner);
        assert_eq!(owners("a@example.org"), ["a@example.org", "example.org", ""]);
        assert_eq!(owners("example.org"), ["example.org", "example.org", ""]);
    }

    #[test]
    fn the_narrowest_full_scope_refuses_and_less_is_always_allowed() {
        let quotas =
            Quotas { nodes_per_jid_max: 2, nodes_per_domain_max: 3, nodes_max: 4, ..Quotas::default() };
        let refused = |by, counts| change("a@example.org", by).settle(counts, &quotas).err();
        let by_scope = |scope| Some(Quota { counted: Counted::Nodes, scope });
        assert_eq!(refused(1, [1, 2, 3]), None);
        assert_eq!(refused(1, [2, 2, 3]), by_scope(Scope::Jid));
        assert_eq!(refused(2, [1, 2, 3]), by_scope(Scope::Jid));
        assert_eq!(refused(1, [1, 3, 4]), by_scope(Scope::Domain));
        assert_eq!(refused(1, [1, 2, 4]), by_scope(Scope::Total));
        assert_eq!(refused(-1, [9, 9, 9]), None);
        assert_eq!(refused(1, [u64::MAX; 3]), by_scope(Scope::Jid));
    }

    #[test]
    fn what_comes_and_goes_changes_nothing() {
        let changes = [change("a@x", 1), change("b@x", 1), change("a@x", -1), change("b@x", 1)];
        assert_eq!(sum(changes), [change("b@x", 2)]);
    }

    #[test]
    fn changes_meet_where_they_are_counted_together() {
        let moves: Vec<_> =
            moves(&[change("a@x", 1), change("b@x", 1), change("b@y", -1)]).into_iter().collect();
        let found: Vec<_> = moves.iter().map(|(key, by)| (key.owner.as_str(), *by)).collect();
        assert_eq!(found, [("a@x", 1), ("b@x", 1), ("b@y", -1), ("x", 2), ("y", -1), ("", 1)]);
    }
}
