use super::*;

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

fn table() -> PresenceTable {
    let table = PresenceTable::default();
    table.link_up();
    table
}

const HERE: HeardPresence = HeardPresence::Available { show: Show::Online, priority: 0 };
const PHONE: &str = "a@example.org/phone";
const ACCOUNT: &str = "a@example.org";

/// What a look finds now and when the wait for word is over.
fn found(table: &PresenceTable, address: &str) -> (Availability, Availability) {
    let now = Instant::now();
    (table.look_at(&jid(address), now), table.look_at(&jid(address), now + ANSWER_MAX))
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
    table.hear(&jid(PHONE), HeardPresence::Available { show: Show::Away, priority: -1 });
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

#[test]
fn changes_are_told_as_they_come() {
    let table = table();
    let mut changes = table.changes();
    let away = HeardPresence::Available { show: Show::Away, priority: 0 };
    for heard in [HERE, HERE, away, HeardPresence::Unavailable, HeardPresence::Unavailable] {
        table.hear(&jid(PHONE), heard);
    }
    table.link_down();
    let available = |show| PresenceChange::Available {
        account: jid(ACCOUNT).to_bare(),
        resource: AvailableResource { resource: "phone".to_owned(), show, priority: 0 },
    };
    let gone = PresenceChange::Unavailable { account: jid(ACCOUNT).to_bare(), resource: "phone".to_owned() };
    for expected in [available(Show::Online), available(Show::Away), gone, PresenceChange::Forgotten] {
        assert_eq!(changes.try_recv(), Ok(expected));
    }
    assert!(changes.try_recv().is_err(), "what is as it was is no change");
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
