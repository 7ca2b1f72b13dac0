use bus_domain::{AccessModel, NodeConfig};
use bus_engine::SystemIds;
use bus_xml::{XmlLimits, parse_document};

use super::*;

const GRANT: &str = "<message from='example.org' to='events.example.org'><privilege xmlns='urn:xmpp:privilege:2'>\
                     <perm access='roster' type='get'/></privilege></message>";
const WITH_PUSHES: &str = "<message from='example.org' to='events.example.org'>\
                           <privilege xmlns='urn:xmpp:privilege:2'>\
                           <perm access='roster' type='get' push='true'/></privilege></message>";

/// A reader on a stream of its own.
struct Fixture {
    reader: RosterReader,
    sent: mpsc::Receiver<String>,
    changes: watch::Receiver<u64>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(PATIENCE)
    }

    fn with(patience: Patience) -> Self {
        let (service, host) = (bare("events.example.org"), bare("example.org"));
        let (reader, sent) = RosterReader::with_patience(service, host, Arc::new(SystemIds), patience);
        reader.link_up();
        let changes = reader.changes();
        Self { reader, sent, changes }
    }

    fn granted(announcement: &str) -> Self {
        let fixture = Self::new();
        assert!(fixture.take(announcement));
        fixture
    }

    fn take(&self, stanza: &str) -> bool {
        self.reader.take(&parse(stanza))
    }

    fn look(&self) -> RosterLook {
        self.reader.look(&bare("alice@example.org"))
    }

    /// The next question; answers it as alice's server.
    fn answer(&mut self, kind: &str, content: &str) {
        let id = self.question();
        assert!(self.take(&answer("alice@example.org", &id, kind, content)));
    }

    fn question(&mut self) -> String {
        let question = parse(&self.sent.try_recv().expect("a question"));
        assert_eq!(question.attr("to"), Some("alice@example.org"));
        question.attr("id").unwrap().to_owned()
    }

    /// Waits until something has changed.
    async fn until_changed(&mut self) {
        self.changes.changed().await.unwrap();
    }

    /// Whether alice's roster lets friend@example.org in.
    fn knows_friend(&self) -> Option<bool> {
        let config = NodeConfig { access_model: AccessModel::Presence, ..NodeConfig::default() };
        match self.look() {
            RosterLook::Known(roster) => Some(roster.lets_in(&config, &bare("friend@example.org"))),
            _ => None,
        }
    }
}

const FRIEND: &str = "<query xmlns='jabber:iq:roster'><item jid='friend@example.org' subscription='both'/>\
                      <item jid='fan@example.org' subscription='to'><group>Fans</group></item></query>";

fn answer(from: &str, id: &str, kind: &str, content: &str) -> String {
    format!("<iq type='{kind}' from='{from}' to='events.example.org' id='{id}'>{content}</iq>")
}

fn push(from: &str) -> String {
    let query =
        "<query xmlns='jabber:iq:roster'><item jid='friend@example.org' subscription='remove'/></query>";
    answer(from, "push", "set", query)
}

fn parse(xml: &str) -> Element {
    parse_document(xml, XmlLimits { depth_max: 16, bytes_max: 10_000 }).unwrap()
}

fn bare(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}

#[tokio::test]
async fn only_the_server_grants_and_only_for_the_life_of_a_stream() {
    let fixture = Fixture::new();
    assert_eq!(fixture.reader.access(), RosterAccess::Unknown);
    for liar in ["from='mallory@example.org/x'", "from='example.net'", "from='example.org/x'"] {
        assert!(!fixture.take(&GRANT.replace("from='example.org'", liar)), "{liar}");
    }
    assert!(!fixture.take(&GRANT.replace("to='events.example.org'", "to='other.example.org'")));
    assert!(!fixture.take(&GRANT.replace("<message ", "<message type='error' ")), "ours, come back");
    assert_eq!(fixture.reader.access(), RosterAccess::Unknown);
    assert!(fixture.take(GRANT));
    assert_eq!(fixture.reader.access(), RosterAccess::Granted);
    assert_eq!(fixture.reader.privileges().unwrap().namespace, "urn:xmpp:privilege:2");
    assert!(fixture.take(&GRANT.replace("type='get'", "type='none'")), "a later word counts");
    assert_eq!(fixture.reader.access(), RosterAccess::Denied);
    fixture.take(GRANT);
    fixture.reader.link_down();
    assert_eq!((fixture.reader.access(), fixture.reader.privileges()), (RosterAccess::Unknown, None));
    fixture.reader.link_up();
    assert_eq!(fixture.reader.access(), RosterAccess::Unknown);
}

#[tokio::test]
async fn a_server_that_announces_nothing_grants_nothing() {
    let announcement = Duration::from_millis(1);
    let mut fixture = Fixture::with(Patience { announcement, ..PATIENCE });
    fixture.until_changed().await;
    assert_eq!(fixture.reader.access(), RosterAccess::Denied);
    assert_eq!(fixture.look(), RosterLook::Unavailable);
    assert!(fixture.sent.try_recv().is_err(), "nothing is asked");
}

#[tokio::test]
async fn a_roster_is_asked_for_once() {
    let mut fixture = Fixture::granted(GRANT);
    assert_eq!((fixture.look(), fixture.look()), (RosterLook::Reading, RosterLook::Reading));
    fixture.changes.mark_unchanged();
    fixture.answer("result", FRIEND);
    assert!(fixture.sent.try_recv().is_err(), "one question for all who look");
    fixture.until_changed().await;
    assert_eq!(fixture.knows_friend(), Some(true));
    assert!(fixture.sent.try_recv().is_err(), "it is known");
}

#[tokio::test]
async fn answers_of_others_are_nobodys() {
    let mut fixture = Fixture::granted(GRANT);
    fixture.look();
    let id = fixture.question();
    for (from, id) in [
        ("mallory@example.org", id.as_str()),
        ("alice@example.org/phone", id.as_str()),
        ("alice@example.org", "another"),
    ] {
        assert!(!fixture.take(&answer(from, id, "result", FRIEND)), "{from} {id}");
    }
    assert_eq!(fixture.look(), RosterLook::Reading);
    assert!(fixture.take(&answer("alice@example.org", &id, "result", FRIEND)));
    fixture.changes.mark_unchanged();
    fixture.until_changed().await;
    assert!(!fixture.take(&answer("alice@example.org", &id, "result", FRIEND)), "it was answered");
}

#[tokio::test]
async fn silence_comes_to_an_end_and_it_is_not_asked_again_at_once() {
    let answer = Duration::from_millis(1);
    let mut fixture = Fixture::with(Patience { answer, ..PATIENCE });
    fixture.take(GRANT);
    fixture.look();
    fixture.question();
    fixture.changes.mark_unchanged();
    fixture.until_changed().await;
    assert_eq!(fixture.look(), RosterLook::Unavailable);
    assert!(fixture.sent.try_recv().is_err());
}

#[tokio::test]
async fn an_error_says_whether_waiting_helps() {
    for (kind, expected) in [("wait", None), ("auth", Some(false)), ("cancel", Some(false))] {
        let mut fixture = Fixture::granted(GRANT);
        fixture.look();
        fixture.changes.mark_unchanged();
        fixture.answer("error", &format!("<error type='{kind}'/>"));
        fixture.until_changed().await;
        assert_eq!(fixture.knows_friend(), expected, "{kind}");
    }
}

#[tokio::test]
async fn a_roster_too_long_to_be_read_holds_nobody() {
    let mut fixture = Fixture::granted(GRANT);
    fixture.look();
    let id = fixture.question();
    fixture.changes.mark_unchanged();
    assert!(!fixture.reader.take_rejected(&parse(&answer("alice@example.org", "another", "result", ""))));
    assert!(fixture.reader.take_rejected(&parse(&answer("alice@example.org", &id, "result", ""))));
    fixture.until_changed().await;
    assert_eq!(fixture.knows_friend(), Some(false));
}

#[tokio::test]
async fn a_push_is_confirmed_and_ends_what_was_known() {
    let mut fixture = Fixture::granted(WITH_PUSHES);
    fixture.look();
    fixture.changes.mark_unchanged();
    fixture.answer("result", FRIEND);
    fixture.until_changed().await;
    for liar in ["alice@example.org/phone", "alice@example.net", "example.org"] {
        assert!(!fixture.take(&push(liar)), "{liar}");
    }
    assert_eq!(fixture.knows_friend(), Some(true));
    assert!(fixture.take(&push("alice@example.org")));
    let confirmed = "<iq type='result' from='events.example.org' to='alice@example.org' id='push'/>";
    assert_eq!(fixture.sent.try_recv().as_deref(), Ok(confirmed));
    assert_eq!(fixture.look(), RosterLook::Reading);
}

#[tokio::test]
async fn the_end_of_the_stream_ends_what_is_known_and_what_is_asked() {
    let mut fixture = Fixture::granted(GRANT);
    fixture.look();
    let id = fixture.question();
    fixture.reader.link_down();
    fixture.reader.link_up();
    assert!(!fixture.take(&answer("alice@example.org", &id, "result", FRIEND)));
    fixture.take(GRANT);
    assert_eq!(fixture.look(), RosterLook::Reading);
    assert_ne!(fixture.question(), id, "it is asked again");
}

#[tokio::test]
async fn what_could_not_be_had_is_tried_again_after_a_pause() {
    let pause = Duration::from_millis(1);
    let mut fixture = Fixture::with(Patience { pause, ..PATIENCE });
    fixture.take(GRANT);
    fixture.look();
    fixture.changes.mark_unchanged();
    fixture.answer("error", "<error type='wait'/>");
    let looked = tokio::time::timeout(Duration::from_secs(20), async {
        fixture.until_changed().await;
        while fixture.look() != RosterLook::Reading {
            fixture.until_changed().await;
        }
    });
    looked.await.expect("word comes when the pause is over");
    fixture.question();
}

#[tokio::test]
async fn only_word_of_a_roster_for_us_is_taken() {
    let fixture = Fixture::granted(WITH_PUSHES);
    assert!(fixture.take(&push("alice@example.org")));
    assert!(
        !fixture.take(&push("alice@example.org").replace("to='events.", "to='other.")),
        "for another one"
    );
    let other = "<query xmlns='jabber:iq:version'/>";
    assert!(!fixture.take(&answer("alice@example.org", "set", "set", other)), "another request");
    assert!(!fixture.take(&push("alice@example.net")), "a server of somebody else");
}

/// Nobody has an address of the service's own in their roster.
#[tokio::test]
async fn who_is_at_the_service_is_nobodys_contact() {
    let fixture = Fixture::new();
    for (jid, may_be) in [
        ("friend@example.org", true),
        ("friend@example.net", true),
        ("events.example.org", false),
        ("x@events.example.org", false),
    ] {
        assert_eq!(fixture.reader.may_be_contact(&bare(jid)), may_be, "{jid}");
    }
}
