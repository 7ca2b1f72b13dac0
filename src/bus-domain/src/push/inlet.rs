use std::fmt;
use std::str::FromStr;

use jid::{BareJid, Jid};
use thiserror::Error;

use super::device::{read_hex, write_hex};
use super::{DeviceId, NotAnId};
use crate::{NodeFacts, NodeName};

/// The name of an inlet: random. It is the node that servers publish to (XEP-0357), or a part of an address for Web Push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InletId(pub [u8; 16]);

/// What shows that somebody has an inlet's address from its owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InletSecret(pub [u8; 16]);

/// Where pushes come in: given out by its owner, to be pushed to by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlet {
    /// Its name.
    pub id: InletId,
    /// Whose it is.
    pub owner: BareJid,
    /// What must be shown with each push. Kept as it is: who asks again is to get the same one, and who reads the store reads
    /// the devices' tokens as well.
    pub secret: InletSecret,
    /// Where it leads to.
    pub target: InletTarget,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// What becomes of what comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InletTarget {
    /// Pushes of XMPP servers go on to a device.
    Device(DeviceId),
    /// Web pushes of application servers become items.
    Node {
        /// On this node, of the inlet's owner.
        node: NodeName,
        /// Who pushes signs with this key (RFC 8292): 65 bytes, an uncompressed point of P-256. Without one, whoever knows the
        /// address may push.
        sender_key: Option<Vec<u8>>,
    },
}

/// Why a push is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotLetIn {
    /// It comes from elsewhere.
    #[error("only the owner's own server, or the owner's bare address, pushes here")]
    Foreign,
    /// The secret is missing, or is another one.
    #[error("the secret is not the one that the registration was given")]
    WrongSecret,
}

impl Inlet {
    /// Whether a push of an XMPP server is let in: from the owner's server or in the name of the owner itself (XEP-0357 §3.2), and
    /// with the secret.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, from: &Jid, secret: Option<&str>) -> Result<(), NotLetIn> {
        let is_server = from.node().is_none() && from.domain() == self.owner.domain();
        let is_owner = from.resource().is_none() && from.to_bare() == self.owner;
        if !is_server && !is_owner {
            return Err(NotLetIn::Foreign);
        }
        if secret.is_some_and(|secret| self.secret.is(secret)) { Ok(()) } else { Err(NotLetIn::WrongSecret) }
    }

    /// Whether a node is the one that it leads to. A node's name is free once it is deleted, and may be somebody else's by now.
    pub fn leads_to(&self, facts: &NodeFacts) -> bool {
        matches!(&self.target, InletTarget::Node { node, .. } if *node == facts.name)
            && facts.creator == self.owner
    }
}

impl InletSecret {
    /// Whether this text is it, found in a time that says nothing of where they differ.
    pub fn is(&self, text: &str) -> bool {
        let own = self.to_string();
        let differs = own.bytes().zip(text.bytes()).fold(0, |differs, (own, given)| differs | (own ^ given));
        own.len() == text.len() && differs == 0
    }
}

impl fmt::Display for InletId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, formatter)
    }
}

impl FromStr for InletId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for InletSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, formatter)
    }
}

impl FromStr for InletSecret {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        read_hex(text).map(Self)
    }
}

impl fmt::Debug for InletSecret {
    /// Secrets are not logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InletSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inlet() -> Inlet {
        Inlet {
            id: InletId([1; 16]),
            owner: BareJid::new("a@example.org").unwrap(),
            secret: InletSecret([0xab; 16]),
            target: InletTarget::Device(DeviceId([2; 16])),
            created_at_ms: 0,
        }
    }

    #[test]
    fn the_owners_server_and_the_owner_push_and_nobody_else() {
        let secret = "ab".repeat(16);
        let admit = |from: &str| inlet().admit(&Jid::new(from).unwrap(), Some(&secret));
        for from in ["example.org", "a@example.org"] {
            assert_eq!(admit(from), Ok(()), "{from}");
        }
        for from in
            ["example.net", "a@example.net", "b@example.org", "a@example.org/phone", "sub.example.org"]
        {
            assert_eq!(admit(from), Err(NotLetIn::Foreign), "{from}");
        }
        assert_eq!(admit("example.org/x"), Ok(()), "a resource of the server is the server");
    }

    #[test]
    fn the_secret_must_be_the_same_to_the_letter() {
        let from = Jid::new("example.org").unwrap();
        for secret in [None, Some(""), Some("ab"), Some("abababababababababababababababac"), Some("0")] {
            assert_eq!(inlet().admit(&from, secret), Err(NotLetIn::WrongSecret), "{secret:?}");
        }
        let long = "ab".repeat(17);
        assert_eq!(inlet().admit(&from, Some(&long)), Err(NotLetIn::WrongSecret));
        let exchanged = format!("ba{}", "ab".repeat(15));
        assert_eq!(
            inlet().admit(&from, Some(&exchanged)),
            Err(NotLetIn::WrongSecret),
            "two that differ alike"
        );
        let shown = format!("{:?}", inlet());
        assert!(!shown.contains("abab") && shown.contains("secret: InletSecret(..)"), "in no log: {shown}");
    }

    #[test]
    fn an_inlet_leads_to_the_node_of_its_name_while_its_owner_has_made_it() {
        let facts = crate::facts::sample();
        let to = |node: &str, owner: &str| Inlet {
            owner: BareJid::new(owner).unwrap(),
            target: InletTarget::Node { node: NodeName::new(node).unwrap(), sender_key: None },
            ..inlet()
        };
        assert!(to("sample", "owner@example.org").leads_to(&facts));
        assert!(!to("other", "owner@example.org").leads_to(&facts));
        assert!(!to("sample", "a@example.org").leads_to(&facts), "somebody else has the name now");
        let to_device = Inlet { owner: facts.creator.clone(), ..inlet() };
        assert!(!to_device.leads_to(&facts));
    }
}
