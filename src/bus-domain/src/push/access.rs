use crate::{Actor, BareJid, Role};

/// What somebody wants of pushing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushAct<'a> {
    /// To register, see and remove devices of this address.
    ManageDevices(&'a BareJid),
    /// To send, to whomever.
    Send,
    /// To see jobs, to take them back, and to begin dead ones anew.
    ManageJobs,
}

/// Whether somebody may. `is_sender` says whether the operator's configuration has named the actor as one who sends pushes.
///
/// | | admin | sender | anybody |
/// |---|---|---|---|
/// | devices of its own | yes | yes | yes |
/// | devices of others | yes | no | no |
/// | send, and jobs | yes | yes | no |
pub fn may_push(actor: &Actor, is_sender: bool, act: PushAct<'_>) -> bool {
    match (actor.role(), act) {
        (Role::Admin, _) => true,
        // Whom the configuration lets create nodes are all users of a domain, as a rule.
        (Role::Creator | Role::User, PushAct::ManageDevices(owner)) => actor.bare() == owner,
        (Role::Creator | Role::User, PushAct::Send | PushAct::ManageJobs) => is_sender,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_kept() {
        let (own, other) = (BareJid::new("a@example.org").unwrap(), BareJid::new("b@example.org").unwrap());
        let acts = [
            PushAct::ManageDevices(&own),
            PushAct::ManageDevices(&other),
            PushAct::Send,
            PushAct::ManageJobs,
        ];
        for (role, is_sender, expected) in [
            (Role::Admin, false, [true; 4]),
            (Role::Creator, true, [true, false, true, true]),
            (Role::User, true, [true, false, true, true]),
            (Role::Creator, false, [true, false, false, false]),
            (Role::User, false, [true, false, false, false]),
        ] {
            let actor = Actor::new(own.clone(), role);
            assert_eq!(acts.map(|act| may_push(&actor, is_sender, act)), expected, "{role:?} {is_sender}");
        }
    }
}
