//! Administer: who may see what others have on all nodes.

use crate::{Actor, BusError, Role};

/// Decides whether an actor may see what an entity other than itself has on nodes: the operator's admins may.
pub fn decide(actor: &Actor) -> Result<(), BusError> {
    match actor.role() {
        Role::Admin => Ok(()),
        Role::Creator | Role::User => Err(BusError::Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use jid::BareJid;

    use super::*;

    #[test]
    fn admins_administer_and_nobody_else() {
        let decided = |role| decide(&Actor::new(BareJid::new("a@example.org").unwrap(), role));
        assert_eq!(decided(Role::Admin), Ok(()));
        assert_eq!(decided(Role::Creator), Err(BusError::Forbidden));
        assert_eq!(decided(Role::User), Err(BusError::Forbidden));
    }
}
