use std::collections::HashMap;

use jid::BareJid;

/// XEP-0060 §4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Affiliation {
    /// May do everything.
    Owner,
    /// May publish, retract, subscribe, retrieve.
    Publisher,
    /// May publish and retract what it published; neither subscribes nor retrieves.
    PublishOnly,
    /// On the whitelist: may subscribe and retrieve.
    Member,
    /// No standing of its own; the node's models decide.
    None,
    /// Banned.
    Outcast,
}

impl Affiliation {
    /// Every affiliation, for tables.
    pub const ALL: [Self; 6] =
        [Self::Owner, Self::Publisher, Self::PublishOnly, Self::Member, Self::None, Self::Outcast];

    /// The value of XEP-0060's `affiliation` attribute; stores use it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Publisher => "publisher",
            Self::PublishOnly => "publish-only",
            Self::Member => "member",
            Self::None => "none",
            Self::Outcast => "outcast",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|affiliation| affiliation.as_str() == text)
    }
}

/// The affiliations of one node. Whoever is not in it has [`Affiliation::None`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affiliations(HashMap<BareJid, Affiliation>);

impl Affiliations {
    /// The affiliation of an address.
    pub fn of(&self, jid: &BareJid) -> Affiliation {
        self.0.get(jid).copied().unwrap_or(Affiliation::None)
    }

    /// Sets or, with [`Affiliation::None`], removes an entry.
    pub fn set(&mut self, jid: BareJid, affiliation: Affiliation) {
        if affiliation == Affiliation::None {
            self.0.remove(&jid);
        } else {
            self.0.insert(jid, affiliation);
        }
    }

    /// The owners, by name.
    pub fn owners(&self) -> Vec<BareJid> {
        let owners = self.iter().filter(|(_, affiliation)| *affiliation == Affiliation::Owner);
        let mut owners: Vec<_> = owners.map(|(jid, _)| jid.clone()).collect();
        owners.sort_unstable();
        owners
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&BareJid, Affiliation)> {
        self.0.iter().map(|(jid, affiliation)| (jid, *affiliation))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(BareJid, Affiliation)> for Affiliations {
    fn from_iter<Entries: IntoIterator<Item = (BareJid, Affiliation)>>(entries: Entries) -> Self {
        Self(entries.into_iter().collect())
    }
}
