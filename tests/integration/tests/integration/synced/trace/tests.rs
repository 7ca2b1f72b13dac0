use super::Trace;

const READ: &str = "read 9 publish item-7";
const BEGIN: &str = "sync-begin 3 /tmp/x/stanzabus.db-wal";
const HELD: &str = "sync-held 3 /tmp/x/stanzabus.db-wal";
const END: &str = "sync-end 3 /tmp/x/stanzabus.db-wal";
const REPLY: &str = "write 9 result item-7";

fn trace(lines: &[&str]) -> Trace {
    Trace::parse(&format!("{}\n", lines.join("\n")))
}

#[test]
fn a_reply_after_its_sync_passes_and_every_other_order_fails() {
    let check = |name: &str, lines: &[&str], expected: Option<&str>| {
        let seen = trace(lines).check_synced_before_reply("item-7").err();
        let as_expected = match (&seen, expected) {
            (None, None) => true,
            (Some(seen), Some(expected)) => seen.contains(expected),
            _ => false,
        };
        assert!(as_expected, "{name}: {seen:?}");
    };
    let early = Some("answered before a sync");
    check("as promised", &[READ, BEGIN, END, REPLY], None);
    check(
        "the sync of a checkpoint",
        &[READ, "sync-begin 3 /x/stanzabus.db", "sync-end 3 /x/stanzabus.db", REPLY],
        None,
    );
    check("no sync at all", &[READ, REPLY], early);
    check("a reply before the sync", &[READ, REPLY, BEGIN, END], early);
    check("a reply during the sync", &[READ, BEGIN, REPLY, END], early);
    check("a reply beside a held sync", &[READ, BEGIN, HELD, REPLY, END], early);
    check("a sync that began before the request", &[BEGIN, READ, END, REPLY], early);
    check("a sync that was over before the request", &[BEGIN, END, READ, REPLY], early);
    let other_end = "sync-end 4 /tmp/x/stanzabus.db-wal";
    check("the end of another sync", &[READ, BEGIN, other_end, REPLY], early);
    check("a sync of another file", &[READ, "sync-begin 3 /x/log", "sync-end 3 /x/log", REPLY], early);
    check("a sync that failed", &[READ, BEGIN, "sync-failed 3 /tmp/x/stanzabus.db-wal", REPLY], early);
    check("two replies, one of them early", &[READ, REPLY, BEGIN, END, REPLY], early);
    check("no request", &[BEGIN, END, REPLY], Some("never read"));
    check("no reply", &[READ, BEGIN, END, "write 9 result item-8"], Some("never answered"));
}

#[test]
fn a_token_may_come_and_go_in_pieces() {
    let check = |lines: &[&str]| trace(lines).check_synced_before_reply("item-7").err();
    let (read, write) = (["read 9 publish it", "read 9 em-7"], ["write 9 result item-", "write 9 7"]);
    let passes = [read[0], "read 8 em-7", "write 9 em-7", read[1], BEGIN, END, write[0], write[1]];
    assert_eq!(check(&passes), None);
    let of_another_socket = check(&[read[0], "read 8 em-7", BEGIN, END, REPLY]);
    assert!(of_another_socket.is_some_and(|violation| violation.contains("never read")));
    for early in [
        [read[0], BEGIN, read[1], END, write[0], write[1]],
        [read[0], read[1], BEGIN, write[0], END, write[1]],
    ] {
        let violation = check(&early);
        assert!(violation.is_some_and(|violation| violation.contains("before a sync")), "{early:?}");
    }
}

#[test]
fn a_held_sync_counts_for_requests_before_it() {
    assert!(trace(&[READ, BEGIN, HELD]).holds_sync_after("item-7"));
    assert!(!trace(&[BEGIN, HELD, READ]).holds_sync_after("item-7"));
    assert!(!trace(&[READ, BEGIN]).holds_sync_after("item-7"));
    assert!(!trace(&[READ, "sync-held 3 /x/log"]).holds_sync_after("item-7"));
    assert!(!trace(&[BEGIN, HELD]).holds_sync_after("item-7"));
}

#[test]
fn a_line_that_is_on_its_way_is_left_for_later() {
    let torn = Trace::parse("read 9 publish item-7\nwrite 9 result item-7");
    assert!(!torn.is_answered("item-7"));
    assert!(trace(&[READ, REPLY]).is_answered("item-7"));
}
