use jid::{BareJid, Jid};

use crate::{Acquaintance, LookedUp, NodeFacts};

/// Who asks: an authenticated address and what the operator lets it be.
///
/// On XMPP the address is the one that the server stamped on the stanza; elsewhere it is `name@<component domain>`
/// of the principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    jid: Jid,
    bare: BareJid,
    role: Role,
    looked_up: Option<LookedUp>,
}

/// What the operator's configuration says about an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Named in `[xmpp] admins`: counts as an owner of every node, unless it is an outcast there.
    Admin,
    /// May create nodes: a service principal, or a user of a domain in `[access] create`.
    Creator,
    /// Everyone else.
    User,
}

impl Actor {
    /// An actor at a normalised address.
    pub fn new(jid: impl Into<Jid>, role: Role) -> Self {
        let jid = jid.into();
        Self { bare: jid.to_bare(), jid, role, looked_up: None }
    }

    /// The address as authenticated, with its resource if it has one.
    pub fn jid(&self) -> &Jid {
        &self.jid
    }

    /// The address that affiliations and ownership are about.
    pub fn bare(&self) -> &BareJid {
        &self.bare
    }

    /// What the operator says.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The actor with what owners' rosters say of it, looked up for one node.
    #[must_use]
    pub fn with(self, looked_up: LookedUp) -> Self {
        Self { looked_up: Some(looked_up), ..self }
    }

    /// What owners' rosters say of it, as far as that was looked up for this node and its rules of now.
    pub fn acquaintance(&self, facts: &NodeFacts) -> Acquaintance {
        self.looked_up.map_or(Acquaintance::Unknown, |looked_up| looked_up.on(facts))
    }
}
