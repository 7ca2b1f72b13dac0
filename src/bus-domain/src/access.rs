//! Who may do what: one table, asked through [`may`], on every leg.

use crate::{
    AccessModel, Acquaintance, Actor, Affiliation, BareJid, BusError, LookedUp, NodeFacts, PublishModel, Role,
};

/// What somebody may want to do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See that the node is there, and what it is about.
    Discover,
    /// Become a subscriber, at once or when an owner agrees.
    Subscribe,
    /// Become one without asking anybody.
    SubscribeAtOnce,
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
    /// See and change affiliations.
    Affiliate,
    /// See and change the subscriptions of others.
    ManageSubscriptions,
    /// See and change the configuration.
    Configure,
    /// Delete the node.
    Delete,
}

/// What counts of somebody for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The affiliation.
    pub affiliation: Affiliation,
    /// Whether one of its addresses is subscribed, and not only pending.
    pub is_subscribed: bool,
    /// What the rosters of the owners say, where the access model asks them.
    pub acquaintance: Acquaintance,
}

/// Asks the table for an actor, whether or not it is subscribed.
pub fn may(facts: &NodeFacts, actor: &Actor, action: Action) -> Result<(), BusError> {
    may_as(facts, actor, false, action)
}

/// Asks the table for an actor of whom is known whether it is subscribed.
pub fn may_as(facts: &NodeFacts, actor: &Actor, is_subscribed: bool, action: Action) -> Result<(), BusError> {
    if facts.is_orphan {
        return Err(BusError::NodeNotFound);
    }
    let acquaintance = actor.acquaintance(facts);
    let standing = Standing { affiliation: standing(facts, actor), is_subscribed, acquaintance };
    if !allows(standing, facts.config.access_model, facts.config.publish_model, action) {
        return Err(refusal(standing, facts.config.access_model, action));
    }
    check_above(facts, actor.bare(), actor.role(), action)
}

/// Asks the table for all nodes above (XEP-0496): to use a node is to have access to each of them, and to publish is to be
/// allowed to do so on each. What its owners do to the node itself is not theirs. Subscriptions and rosters are not looked up
/// there.
fn check_above(facts: &NodeFacts, jid: &BareJid, role: Role, action: Action) -> Result<(), BusError> {
    let asked = match action {
        Action::Discover
        | Action::Subscribe
        | Action::SubscribeAtOnce
        | Action::Retrieve
        | Action::Receive => Action::Retrieve,
        Action::Publish | Action::RetractOwn => Action::Publish,
        Action::RetractAny if without_looking(facts, jid, role).affiliation != Affiliation::Owner => {
            Action::Publish
        }
        Action::RetractAny
        | Action::Purge
        | Action::Affiliate
        | Action::ManageSubscriptions
        | Action::Configure
        | Action::Delete => return Ok(()),
    };
    let mut above = facts.above.as_deref();
    while let Some(node) = above {
        let standing = without_looking(node, jid, role);
        if !allows(standing, node.config.access_model, node.config.publish_model, asked) {
            return Err(refusal(standing, node.config.access_model, asked));
        }
        above = node.above.as_deref();
    }
    Ok(())
}

/// Whether an account may be sent what happens on a node, as far as the nodes above it say.
pub fn may_receive_below(facts: &NodeFacts, jid: &BareJid, role: Role) -> bool {
    check_above(facts, jid, role, Action::Receive).is_ok()
}

/// What an account is by the list alone.
fn without_looking(facts: &NodeFacts, jid: &BareJid, role: Role) -> Standing {
    let affiliation = effective(facts.affiliations.of(jid), role);
    Standing { affiliation, is_subscribed: false, acquaintance: Acquaintance::Stranger }
}

/// Whether it depends on a subscription if the actor may. Only then somebody has to look for one.
pub fn depends_on_subscription(facts: &NodeFacts, actor: &Actor, action: Action) -> bool {
    let with = |is_subscribed| may_as(facts, actor, is_subscribed, action).is_ok();
    with(true) && !with(false)
}

/// Whether it depends on the owners' rosters if the actor may. Only then somebody has to read them.
pub fn depends_on_rosters(facts: &NodeFacts, actor: &Actor, action: Action) -> bool {
    facts.config.access_model.asks_rosters() && {
        let with = |acquaintance| {
            let actor = actor.clone().with(LookedUp::new(facts, acquaintance));
            may(facts, &actor, action).is_ok()
        };
        with(Acquaintance::Known) && !with(Acquaintance::Stranger)
    }
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

/// Whether an account may be told through a collection what happens on a node below it (XEP-0248 §12): what its affiliation
/// there allows. Subscriptions and rosters are not looked up for it; whom they let in subscribes to the node itself.
pub fn may_receive_through_collection(facts: &NodeFacts, jid: &BareJid, role: Role) -> bool {
    let standing = without_looking(facts, jid, role);
    allows(standing, facts.config.access_model, facts.config.publish_model, Action::Receive)
        && may_receive_below(facts, jid, role)
}

/// The access models whose nodes somebody of this role may see without an affiliation of its own.
pub fn models_open_to(role: Role) -> Vec<AccessModel> {
    let affiliation = effective(Affiliation::None, role);
    let standing = Standing { affiliation, is_subscribed: false, acquaintance: Acquaintance::Stranger };
    let is_open = |model: &AccessModel| allows(standing, *model, PublishModel::Publishers, Action::Discover);
    AccessModel::ALL.into_iter().filter(is_open).collect()
}

/// The table (XEP-0060 §4.1, §4.5, §16.4.4).
///
/// Where `publish-only` meets an open node the affiliation wins: a device that may only publish stays blind.
#[expect(clippy::match_same_arms, reason = "one line per row of the XEP's table")]
pub fn allows(standing: Standing, access: AccessModel, publish: PublishModel, action: Action) -> bool {
    use AccessModel::{Authorize, Open, Presence, Roster};
    use Action::{
        Affiliate, Configure, Delete, Discover, ManageSubscriptions, Publish, Purge, Receive, RetractAny,
        RetractOwn, Retrieve, Subscribe, SubscribeAtOnce,
    };
    let Standing { affiliation, is_subscribed, acquaintance } = standing;
    let is_known = matches!(access, Presence | Roster) && acquaintance == Acquaintance::Known;
    match (affiliation, action) {
        (Affiliation::Outcast, _) => false,
        (Affiliation::Owner, _) => true,
        (_, Purge | Affiliate | ManageSubscriptions | Configure | Delete) => false,

        (Affiliation::Publisher, _) => true,

        (Affiliation::PublishOnly, Publish | RetractOwn) => true,
        (Affiliation::PublishOnly, _) => false,

        (Affiliation::Member, Discover | Subscribe | SubscribeAtOnce | Retrieve | Receive) => true,
        (Affiliation::None, Discover | Subscribe) => matches!(access, Open | Authorize) || is_known,
        (Affiliation::None, SubscribeAtOnce) => access == Open || is_known,
        (Affiliation::None, Retrieve | Receive) => {
            access == Open || access == Authorize && is_subscribed || is_known
        }
        (Affiliation::Member | Affiliation::None, Publish) => match publish {
            PublishModel::Publishers => false,
            PublishModel::Subscribers => is_subscribed,
            PublishModel::Open => true,
        },
        // Whoever was subscribed when he published may take it back later.
        (Affiliation::Member | Affiliation::None, RetractOwn) => publish != PublishModel::Publishers,
        (Affiliation::Member | Affiliation::None, RetractAny) => false,
    }
}

/// The error for a refusal: outcasts and missing rights are `forbidden`, a closed door is `closed-node`, one that opens
/// for subscribers wants a subscription, one that opens for an owner's contacts says which.
fn refusal(standing: Standing, access: AccessModel, action: Action) -> BusError {
    use Action::{Discover, Receive, Retrieve, Subscribe, SubscribeAtOnce};
    let reading = matches!(action, Discover | Subscribe | SubscribeAtOnce | Retrieve | Receive);
    match (standing.affiliation, access) {
        (Affiliation::None, AccessModel::Presence | AccessModel::Roster)
            if reading && standing.acquaintance == Acquaintance::Unknown =>
        {
            BusError::RosterUnavailable
        }
        (Affiliation::None, AccessModel::Presence) if reading => BusError::PresenceSubscriptionRequired,
        (Affiliation::None, AccessModel::Roster) if reading => BusError::NotInRosterGroup,
        (Affiliation::None, AccessModel::Whitelist) if reading => BusError::ClosedNode,
        (Affiliation::None, AccessModel::Authorize) if reading => BusError::SubscriptionRequired,
        _ => BusError::Forbidden,
    }
}

#[cfg(test)]
mod tests;
