//! Who may do what: one table, asked through [`may`], on every leg.

use crate::{AccessModel, Actor, Affiliation, BusError, NodeFacts, PublishModel, Role};

/// What somebody may want to do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Become a subscriber.
    Subscribe,
    /// Read items or the log.
    Retrieve,
    /// Be sent an event: asked again for each delivery, so that a ban acts at once.
    Receive,
    /// Publish an item.
    Publish,
    /// Remove an item that one published oneself.
    RetractOwn,
    /// Remove anyone's item.
    RetractAny,
    /// Remove all items at once.
    Purge,
    /// Change affiliations.
    Affiliate,
    /// See and change the configuration.
    Configure,
    /// Delete the node.
    Delete,
}

/// Asks the table for an actor.
pub fn may(facts: &NodeFacts, actor: &Actor, action: Action) -> Result<(), BusError> {
    let affiliation = standing(facts, actor);
    if allows(affiliation, facts.config.access_model, facts.config.publish_model, action) {
        return Ok(());
    }
    Err(refusal(affiliation, facts.config.access_model, action))
}

/// The affiliation that counts for an actor on a node.
pub fn standing(facts: &NodeFacts, actor: &Actor) -> Affiliation {
    effective(facts.affiliations.of(actor.bare()), actor.role())
}

/// The affiliation that counts: an operator's admin is an owner, but a ban holds for everyone.
pub fn effective(affiliation: Affiliation, role: Role) -> Affiliation {
    match (affiliation, role) {
        (Affiliation::Outcast, _) => Affiliation::Outcast,
        (_, Role::Admin) => Affiliation::Owner,
        (affiliation, _) => affiliation,
    }
}

/// The access models whose nodes somebody of this role may read without an affiliation of its own.
pub fn models_open_to(role: Role) -> Vec<AccessModel> {
    let standing = effective(Affiliation::None, role);
    let is_open = |model: &AccessModel| allows(standing, *model, PublishModel::Publishers, Action::Retrieve);
    AccessModel::ALL.into_iter().filter(is_open).collect()
}

/// The table (XEP-0060 §4.1, §4.5, §16.4.4).
///
/// Where `publish-only` meets an open node the affiliation wins: a device that may only publish stays blind.
#[expect(clippy::match_same_arms, reason = "one line per row of the XEP's table")]
pub fn allows(affiliation: Affiliation, access: AccessModel, publish: PublishModel, action: Action) -> bool {
    use Action::{
        Affiliate, Configure, Delete, Publish, Purge, Receive, RetractAny, RetractOwn, Retrieve, Subscribe,
    };
    match (affiliation, action) {
        (Affiliation::Outcast, _) => false,
        (Affiliation::Owner, _) => true,
        (_, Purge | Affiliate | Configure | Delete) => false,

        (Affiliation::Publisher, _) => true,

        (Affiliation::PublishOnly, Publish | RetractOwn) => true,
        (Affiliation::PublishOnly, _) => false,

        (Affiliation::Member, Subscribe | Retrieve | Receive) => true,
        (Affiliation::None, Subscribe | Retrieve | Receive) => access == AccessModel::Open,
        (Affiliation::Member | Affiliation::None, Publish | RetractOwn) => publish == PublishModel::Open,
        (Affiliation::Member | Affiliation::None, RetractAny) => false,
    }
}

/// The error for a refusal: outcasts and missing rights are `forbidden`, a closed door is `closed-node`.
fn refusal(affiliation: Affiliation, access: AccessModel, action: Action) -> BusError {
    let reading = matches!(action, Action::Subscribe | Action::Retrieve | Action::Receive);
    match (affiliation, access) {
        (Affiliation::None, AccessModel::Whitelist) if reading => BusError::ClosedNode,
        _ => BusError::Forbidden,
    }
}

#[cfg(test)]
mod tests;
