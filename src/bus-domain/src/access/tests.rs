use super::Action::*;
use super::*;

/// One row per (access model, publish model, affiliation): a letter for each action that is allowed, a capital one if only
/// to subscribers.
/// v discover, s subscribe, t subscribe at once, r retrieve, e receive, p publish, o retract own, a retract any, g purge,
/// f affiliate, m manage subscriptions, c configure, d delete.
const TABLE: &[(AccessModel, PublishModel, Affiliation, &str)] = {
    use AccessModel::{Authorize, Open, Whitelist};
    use Affiliation::{Member, None, Outcast, Owner, PublishOnly, Publisher};
    use PublishModel::{Open as Anyone, Publishers, Subscribers};
    &[
        (Open, Publishers, Owner, "vstrepoagfmcd"),
        (Open, Publishers, Publisher, "vstrepoa"),
        (Open, Publishers, PublishOnly, "po"),
        (Open, Publishers, Member, "vstre"),
        (Open, Publishers, None, "vstre"),
        (Open, Publishers, Outcast, ""),
        (Open, Subscribers, Owner, "vstrepoagfmcd"),
        (Open, Subscribers, Publisher, "vstrepoa"),
        (Open, Subscribers, PublishOnly, "po"),
        (Open, Subscribers, Member, "vstrePo"),
        (Open, Subscribers, None, "vstrePo"),
        (Open, Subscribers, Outcast, ""),
        (Open, Anyone, Owner, "vstrepoagfmcd"),
        (Open, Anyone, Publisher, "vstrepoa"),
        (Open, Anyone, PublishOnly, "po"),
        (Open, Anyone, Member, "vstrepo"),
        (Open, Anyone, None, "vstrepo"),
        (Open, Anyone, Outcast, ""),
        (Authorize, Publishers, Owner, "vstrepoagfmcd"),
        (Authorize, Publishers, Publisher, "vstrepoa"),
        (Authorize, Publishers, PublishOnly, "po"),
        (Authorize, Publishers, Member, "vstre"),
        (Authorize, Publishers, None, "vsRE"),
        (Authorize, Publishers, Outcast, ""),
        (Authorize, Subscribers, Owner, "vstrepoagfmcd"),
        (Authorize, Subscribers, Publisher, "vstrepoa"),
        (Authorize, Subscribers, PublishOnly, "po"),
        (Authorize, Subscribers, Member, "vstrePo"),
        (Authorize, Subscribers, None, "vsREPo"),
        (Authorize, Subscribers, Outcast, ""),
        (Authorize, Anyone, Owner, "vstrepoagfmcd"),
        (Authorize, Anyone, Publisher, "vstrepoa"),
        (Authorize, Anyone, PublishOnly, "po"),
        (Authorize, Anyone, Member, "vstrepo"),
        (Authorize, Anyone, None, "vsREpo"),
        (Authorize, Anyone, Outcast, ""),
        (Whitelist, Publishers, Owner, "vstrepoagfmcd"),
        (Whitelist, Publishers, Publisher, "vstrepoa"),
        (Whitelist, Publishers, PublishOnly, "po"),
        (Whitelist, Publishers, Member, "vstre"),
        (Whitelist, Publishers, None, ""),
        (Whitelist, Publishers, Outcast, ""),
        (Whitelist, Subscribers, Owner, "vstrepoagfmcd"),
        (Whitelist, Subscribers, Publisher, "vstrepoa"),
        (Whitelist, Subscribers, PublishOnly, "po"),
        (Whitelist, Subscribers, Member, "vstrePo"),
        (Whitelist, Subscribers, None, "Po"),
        (Whitelist, Subscribers, Outcast, ""),
        (Whitelist, Anyone, Owner, "vstrepoagfmcd"),
        (Whitelist, Anyone, Publisher, "vstrepoa"),
        (Whitelist, Anyone, PublishOnly, "po"),
        (Whitelist, Anyone, Member, "vstrepo"),
        (Whitelist, Anyone, None, "po"),
        (Whitelist, Anyone, Outcast, ""),
    ]
};

const ACTIONS: [(char, Action); 13] = [
    ('v', Discover),
    ('s', Subscribe),
    ('t', SubscribeAtOnce),
    ('r', Retrieve),
    ('e', Receive),
    ('p', Publish),
    ('o', RetractOwn),
    ('a', RetractAny),
    ('g', Purge),
    ('f', Affiliate),
    ('m', ManageSubscriptions),
    ('c', Configure),
    ('d', Delete),
];

#[test]
fn the_whole_table_is_as_written() {
    let models = AccessModel::ALL.iter().filter(|model| !model.asks_rosters()).count();
    assert_eq!(TABLE.len(), models * PublishModel::ALL.len() * Affiliation::ALL.len());
    for (access, publish, affiliation, letters) in TABLE {
        for (letter, action) in ACTIONS {
            for is_subscribed in [false, true] {
                let to_subscribers = is_subscribed && letters.contains(letter.to_ascii_uppercase());
                // Rosters count where they are asked, and nowhere else.
                let acquaintance = Acquaintance::Known;
                let standing = Standing { affiliation: *affiliation, is_subscribed, acquaintance };
                assert_eq!(
                    allows(standing, *access, *publish, action),
                    letters.contains(letter) || to_subscribers,
                    "{access:?} {publish:?} {affiliation:?} {is_subscribed} {action:?}"
                );
            }
        }
    }
}

/// Where rosters decide, the node is open to those whom they name, and as a whitelist to all others.
#[test]
fn rosters_open_a_node_and_close_it() {
    for access in [AccessModel::Presence, AccessModel::Roster] {
        for (as_access, publish, affiliation, _) in TABLE {
            let acquaintances: &[_] = match as_access {
                AccessModel::Open => &[Acquaintance::Known],
                AccessModel::Whitelist => &[Acquaintance::Stranger, Acquaintance::Unknown],
                _ => &[],
            };
            for (acquaintance, (_, action)) in
                acquaintances.iter().flat_map(|it| ACTIONS.iter().map(move |action| (*it, *action)))
            {
                let standing = Standing { affiliation: *affiliation, is_subscribed: true, acquaintance };
                assert_eq!(
                    allows(standing, access, *publish, action),
                    allows(standing, *as_access, *publish, action),
                    "{access:?} {publish:?} {standing:?} {action:?}"
                );
            }
        }
    }
}

#[test]
fn rosters_are_read_only_where_they_decide_and_say_why_not() {
    let mut facts = crate::facts::sample();
    let actor = Actor::new(jid::BareJid::new("a@example.org").unwrap(), Role::User);
    assert!(!depends_on_rosters(&facts, &actor, Subscribe));
    for (access_model, refused) in [
        (AccessModel::Presence, BusError::PresenceSubscriptionRequired),
        (AccessModel::Roster, BusError::NotInRosterGroup),
    ] {
        facts.config.access_model = access_model;
        assert!(
            depends_on_rosters(&facts, &actor, Subscribe) && depends_on_rosters(&facts, &actor, Retrieve)
        );
        assert!(!depends_on_rosters(&facts, &actor, Publish), "who may publish is another matter");
        let told = |acquaintance| {
            may(&facts, &actor.clone().with(LookedUp::new(&facts, acquaintance)), SubscribeAtOnce)
        };
        assert_eq!(told(Acquaintance::Known), Ok(()));
        assert_eq!(told(Acquaintance::Stranger), Err(refused));
        assert_eq!(told(Acquaintance::Unknown), Err(BusError::RosterUnavailable));
        assert_eq!(may(&facts, &actor, Subscribe), Err(BusError::RosterUnavailable), "nobody has looked");
    }
    facts.affiliations_mut().set(actor.bare().clone(), Affiliation::Member);
    assert!(!depends_on_rosters(&facts, &actor, Subscribe));
    facts.affiliations_mut().set(actor.bare().clone(), Affiliation::Outcast);
    assert!(!depends_on_rosters(&facts, &actor, Subscribe));
    assert_eq!(may(&facts, &actor, Subscribe), Err(BusError::Forbidden));
}

#[test]
fn only_what_depends_on_a_subscription_has_to_look_for_one() {
    let mut facts = crate::facts::sample();
    let stranger = Actor::new(jid::BareJid::new("stranger@example.org").unwrap(), Role::User);
    let depends = |facts: &NodeFacts| depends_on_subscription(facts, &stranger, Retrieve);
    assert!(!depends(&facts));
    facts.config.access_model = AccessModel::Authorize;
    assert!(depends(&facts));
    assert_eq!(may(&facts, &stranger, Retrieve), Err(BusError::SubscriptionRequired));
    assert_eq!(may_as(&facts, &stranger, true, Retrieve), Ok(()));
    facts.affiliations_mut().set(stranger.bare().clone(), Affiliation::Outcast);
    assert!(!depends_on_subscription(&facts, &stranger, Retrieve));
}

#[test]
fn an_admin_is_an_owner_unless_banned() {
    let mut facts = crate::facts::sample();
    let admin = Actor::new(jid::BareJid::new("admin@example.org").unwrap(), Role::Admin);
    assert_eq!(may(&facts, &admin, Delete), Ok(()));
    facts.affiliations_mut().set(admin.bare().clone(), Affiliation::Outcast);
    assert_eq!(may(&facts, &admin, Delete), Err(BusError::Forbidden));
}

#[test]
fn a_closed_door_is_told_apart_from_a_missing_right() {
    let mut facts = crate::facts::sample();
    facts.config.access_model = AccessModel::Whitelist;
    let stranger = Actor::new(jid::BareJid::new("stranger@example.org").unwrap(), Role::User);
    assert_eq!(may(&facts, &stranger, Subscribe), Err(BusError::ClosedNode));
    assert_eq!(may(&facts, &stranger, Publish), Err(BusError::Forbidden));
    facts.affiliations_mut().set(stranger.bare().clone(), Affiliation::Outcast);
    assert_eq!(may(&facts, &stranger, Subscribe), Err(BusError::Forbidden));
}
