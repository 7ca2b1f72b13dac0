use super::Action::*;
use super::*;

/// One row per (access model, publish model, affiliation): a letter for each action that is allowed.
/// s subscribe, r retrieve, e receive, p publish, o retract own, a retract any, g purge, f affiliate, d delete.
const TABLE: &[(AccessModel, PublishModel, Affiliation, &str)] = {
    use AccessModel::{Open, Whitelist};
    use Affiliation::{Member, None, Outcast, Owner, PublishOnly, Publisher};
    use PublishModel::{Open as Anyone, Publishers};
    &[
        (Open, Publishers, Owner, "srepoagfd"),
        (Open, Publishers, Publisher, "srepoa"),
        (Open, Publishers, PublishOnly, "po"),
        (Open, Publishers, Member, "sre"),
        (Open, Publishers, None, "sre"),
        (Open, Publishers, Outcast, ""),
        (Open, Anyone, Owner, "srepoagfd"),
        (Open, Anyone, Publisher, "srepoa"),
        (Open, Anyone, PublishOnly, "po"),
        (Open, Anyone, Member, "srepo"),
        (Open, Anyone, None, "srepo"),
        (Open, Anyone, Outcast, ""),
        (Whitelist, Publishers, Owner, "srepoagfd"),
        (Whitelist, Publishers, Publisher, "srepoa"),
        (Whitelist, Publishers, PublishOnly, "po"),
        (Whitelist, Publishers, Member, "sre"),
        (Whitelist, Publishers, None, ""),
        (Whitelist, Publishers, Outcast, ""),
        (Whitelist, Anyone, Owner, "srepoagfd"),
        (Whitelist, Anyone, Publisher, "srepoa"),
        (Whitelist, Anyone, PublishOnly, "po"),
        (Whitelist, Anyone, Member, "srepo"),
        (Whitelist, Anyone, None, "po"),
        (Whitelist, Anyone, Outcast, ""),
    ]
};

const ACTIONS: [(char, Action); 9] = [
    ('s', Subscribe),
    ('r', Retrieve),
    ('e', Receive),
    ('p', Publish),
    ('o', RetractOwn),
    ('a', RetractAny),
    ('g', Purge),
    ('f', Affiliate),
    ('d', Delete),
];

#[test]
fn the_whole_table_is_as_written() {
    assert_eq!(TABLE.len(), 2 * 2 * Affiliation::ALL.len());
    for (access, publish, affiliation, letters) in TABLE {
        for (letter, action) in ACTIONS {
            assert_eq!(
                allows(*affiliation, *access, *publish, action),
                letters.contains(letter),
                "{access:?} {publish:?} {affiliation:?} {action:?}"
            );
        }
    }
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
