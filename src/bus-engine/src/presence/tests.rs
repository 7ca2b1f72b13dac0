use super::*;

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

fn table() -> PresenceTable {
    let table = PresenceTable::default();
    table.link_up();
    table
}

const HERE: HeardPresence = HeardPresence::Available { show: Show::Online, priority: 0, is_old: false };
const PHONE: &str = "a@example.org/phone";
const ACCOUNT: &str = "a@example.org";

/// What a look finds now and when the wait for word is over.
fn found(table: &PresenceTable, address: &str) -> (Availability, Availability) {
    let now = Instant::now();
    let look = |now| table.look_at(&jid(address), ShowValues::default(), now);
    (look(now), look(now + ANSWER_MAX))
}

fn wanted(table: &PresenceTable) -> Vec<(String, bool)> {
    let wanted = std::mem::take(&mut table.lock().wanted);
    wanted.into_iter().map(|it| (it.account.to_string(), it.subscribe)).collect()
}

use Availability::{Offline, Online, Unknown};

#[test]
fn silence_means_offline_after_a_while() {
    let table = table();
    assert_eq!(table.availability(&jid(ACCOUNT)), Unknown, "nobody has asked");
    assert_eq!(found(&table, ACCOUNT), (Unknown, Offline));
    assert_eq!(wanted(&table), [(ACCOUNT.to_owned(), true)], "asked once");
    table.hear(&jid(PHONE), HERE);
    assert_eq!(found(&table, ACCOUNT), (Online, Online));
    table.hear(&jid(PHONE), HeardPresence::Unavailable);
    assert_eq!(found(&table, ACCOUNT), (Offline, Offline));
    assert_eq!(wanted(&table), []);
}

#[test]
fn an_account_is_reached_by_some_resource_and_a_resource_by_itself() {
    let table = table();
    table.hear(&jid(PHONE), HeardPresence::Available { show: Show::Away, priority: -1, is_old: false });
    assert_eq!(found(&table, PHONE), (Online, Online));
    assert_eq!(found(&table, ACCOUNT).1, Offline, "what is sent to the account does not reach it");
    table.hear(&jid("a@example.org/desk"), HERE);
    assert_eq!((found(&table, ACCOUNT), found(&table, "a@example.org/tv").1), ((Online, Online), Offline));
    let shown = table.resources(&jid(ACCOUNT).to_bare()).into_iter().map(|it| it.show);
    assert_eq!(shown.collect::<Vec<_>>(), [Show::Away, Show::Online]);
}

/// Prosody says so of whoever is asked to tell us, there or not.
#[test]
fn unavailable_accounts_have_no_resources_but_those_that_are_there() {
    let table = table();
    found(&table, ACCOUNT);
    table.hear(&jid(ACCOUNT), HeardPresence::Unavailable);
    assert_eq!(found(&table, ACCOUNT).0, Offline);
    table.hear(&jid(PHONE), HERE);
    table.hear(&jid(ACCOUNT), HeardPresence::Unavailable);
    assert_eq!(found(&table, ACCOUNT).0, Online);
}

#[test]
fn whoever_tells_us_no_more_is_offline() {
    for from in [ACCOUNT, "a@example.org/elsewhere"] {
        let table = table();
        table.hear(&jid(PHONE), HERE);
        table.hear(&jid(from), HeardPresence::Unsubscribed);
        assert_eq!(found(&table, ACCOUNT), (Offline, Offline), "{from}");
    }
}

#[test]
fn with_the_stream_goes_what_is_known_but_not_that_somebody_was_asked_to_tell() {
    let table = table();
    found(&table, ACCOUNT);
    table.hear(&jid(PHONE), HERE);
    wanted(&table);
    table.link_down();
    assert_eq!(found(&table, ACCOUNT), (Unknown, Unknown), "without a stream nobody is offline");
    table.hear(&jid(PHONE), HERE);
    table.link_up();
    assert_eq!(found(&table, ACCOUNT).0, Unknown);
    assert_eq!(wanted(&table), [(ACCOUNT.to_owned(), false)]);
}

fn told(table: &PresenceTable) -> Vec<PresenceChange> {
    std::mem::take(&mut table.lock().changes).into()
}

fn came(resource: &str) -> PresenceChange {
    PresenceChange::Came { account: jid(ACCOUNT).to_bare(), resource: resource.to_owned() }
}

fn gone(resource: &str) -> PresenceChange {
    PresenceChange::Went { account: jid(ACCOUNT).to_bare(), resource: resource.to_owned() }
}

#[test]
fn who_comes_is_told_once_and_not_what_it_shows_later() {
    let table = table();
    told(&table);
    table.hear(&jid(PHONE), HERE);
    assert_eq!(told(&table), [], "of nobody who was not asked it is certain that it was not there");
    found(&table, ACCOUNT);
    let old = HeardPresence::Available { show: Show::Online, priority: 0, is_old: true };
    table.hear(&jid("a@example.org/desk"), old);
    assert_eq!(told(&table), [], "it was there");
    let away = HeardPresence::Available { show: Show::Away, priority: 0, is_old: false };
    for heard in [HERE, HERE, away] {
        table.hear(&jid("a@example.org/tv"), heard);
    }
    assert_eq!(told(&table), [came("tv")]);
    table.hear(&jid("a@example.org/tv"), HeardPresence::Unavailable);
    table.hear(&jid("a@example.org/tv"), HERE);
    assert_eq!(told(&table), [gone("tv"), came("tv")]);
}

#[test]
fn who_goes_is_told_whether_or_not_it_was_known_to_be_there() {
    let table = table();
    told(&table);
    table.hear(&jid(PHONE), HeardPresence::Unavailable);
    assert_eq!(told(&table), [gone("phone")]);
    table.hear(&jid(PHONE), HERE);
    table.hear(&jid(ACCOUNT), HeardPresence::Unsubscribed);
    assert_eq!(told(&table), [gone("phone")]);
    table.hear(&jid(PHONE), HERE);
    told(&table);
    table.link_down();
    assert_eq!(told(&table), [PresenceChange::Forgotten { in_doubt: Vec::new() }], "we do not see it");
    table.link_up();
    table.hear(&jid(ACCOUNT), HeardPresence::Subscribed);
    table.hear(&jid(PHONE), HERE);
    told(&table);
    table.link_down();
    assert_eq!(told(&table), [PresenceChange::Forgotten { in_doubt: vec![jid(ACCOUNT).to_bare()] }]);
}

#[test]
fn changes_are_bounded_and_some_that_are_missed_are_told() {
    let table = table();
    told(&table);
    for _ in 0..CHANGES_MAX + 9 {
        table.hear(&jid(PHONE), HeardPresence::Unavailable);
    }
    let told = told(&table);
    assert_eq!((told.len(), told.last()), (CHANGES_MAX + 1, Some(&PresenceChange::Missed)));
}

/// What a look for a proof finds now, and when the wait for word is over.
fn is_gone(table: &PresenceTable, address: &str) -> (bool, bool) {
    let now = Instant::now();
    (table.is_gone_at(&jid(address), now), table.is_gone_at(&jid(address), now + ANSWER_MAX))
}

#[test]
fn silence_proves_something_of_those_who_let_us_see_their_presence() {
    let table = table();
    assert_eq!(is_gone(&table, ACCOUNT), (false, false), "it may be there");
    table.hear(&jid(ACCOUNT), HeardPresence::Unavailable);
    assert_eq!(is_gone(&table, ACCOUNT), (false, false), "Prosody says so of everybody who is asked");
    table.hear(&jid(ACCOUNT), HeardPresence::Subscribed);
    assert_eq!(is_gone(&table, ACCOUNT), (false, true), "its presence may follow");
    table.hear(&jid(PHONE), HeardPresence::Available { show: Show::Online, priority: -1, is_old: true });
    assert_eq!((is_gone(&table, ACCOUNT), is_gone(&table, PHONE)), ((false, false), (false, false)));
    assert_eq!(is_gone(&table, "a@example.org/desk"), (false, true));
    table.link_down();
    assert_eq!(is_gone(&table, ACCOUNT), (false, false), "nobody can tell");
    table.link_up();
    assert_eq!(is_gone(&table, ACCOUNT), (false, true));
}

#[test]
fn a_show_value_may_be_asked_for() {
    let table = table();
    let away = HeardPresence::Available { show: Show::Away, priority: 0, is_old: false };
    found(&table, ACCOUNT);
    table.hear(&jid(PHONE), away);
    let look = |show: Show| table.look_for(&jid(ACCOUNT), [show].into_iter().collect());
    assert_eq!((look(Show::Away), look(Show::Chat)), (Online, Offline));
    table.hear(&jid("a@example.org/desk"), HERE);
    let of_desk = table.look_for(&jid("a@example.org/desk"), [Show::Away].into_iter().collect());
    assert_eq!((look(Show::Online), look(Show::Away), of_desk), (Online, Online, Offline));
}

#[test]
fn too_many_accounts_are_not_there_and_those_that_are_stay() {
    let table = table();
    table.hear(&jid(PHONE), HERE);
    for number in 0..ACCOUNTS_MAX {
        table.hear(&jid(&format!("{number}@example.org/x")), HERE);
    }
    assert_eq!(found(&table, "late@example.org"), (Offline, Offline));
    assert_eq!(found(&table, ACCOUNT).0, Online);
    assert!(table.lock().accounts.len() <= ACCOUNTS_MAX);
}
