//! Access models that the owners' rosters decide, over a stand-in for whoever reads rosters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bus_domain::retrieve::Selection;
use bus_domain::{AccessModel, BareJid, BusError, Jid, NodeConfig, Roster, RosterEntry, Setting};
use bus_engine::{Outcome, RosterAccess, RosterLook, Rosters, TailStart, Verb};
use tokio::sync::watch;

use crate::fixture::{Bus, actor, bare, jid, name, publish_verb};

/// Rosters as a test says; what is not there is being read.
struct Book {
    pages: Mutex<Pages>,
    changes: watch::Sender<u64>,
}

struct Pages {
    access: RosterAccess,
    rosters: HashMap<BareJid, RosterLook>,
    looks: usize,
}

impl Book {
    fn lend(bus: &Bus, access: RosterAccess) -> Arc<Self> {
        let pages = Mutex::new(Pages { access, rosters: HashMap::new(), looks: 0 });
        let book = Arc::new(Self { pages, changes: watch::Sender::new(0) });
        bus.engine.lend_rosters(book.clone());
        book
    }

    fn change(&self, change: impl FnOnce(&mut Pages)) {
        change(&mut self.pages());
        self.changes.send_modify(|version| *version += 1);
    }

    /// The roster of a user, with those who see its presence.
    fn write(&self, owner: &str, contacts: &[&str]) {
        let mut roster = Roster::default();
        for contact in contacts {
            let entry = RosterEntry { sees_presence: true, groups: vec!["Friends".to_owned()] };
            roster.add(bare(contact), entry);
        }
        self.change(|pages| {
            pages.rosters.insert(bare(owner), RosterLook::Known(Arc::new(roster)));
        });
    }

    fn looks(&self) -> usize {
        self.pages().looks
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("no test panics while it holds this")
    }
}

impl Rosters for Book {
    fn access(&self) -> RosterAccess {
        self.pages().access
    }

    fn covers(&self, owner: &BareJid) -> bool {
        owner.domain().as_str() == "example.org"
    }

    fn may_be_contact(&self, jid: &BareJid) -> bool {
        *jid != bare("principal")
    }

    fn look(&self, owner: &BareJid) -> RosterLook {
        let mut pages = self.pages();
        pages.looks += 1;
        pages.rosters.get(owner).cloned().unwrap_or(RosterLook::Reading)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

fn config(access_model: AccessModel) -> NodeConfig {
    let roster_groups_allowed = vec!["Friends".to_owned()];
    NodeConfig { access_model, roster_groups_allowed, ..NodeConfig::default() }
}

async fn subscribe(bus: &Bus, user: &str) -> Result<Outcome, BusError> {
    bus.run(user, "n", Verb::Subscribe(jid(user).into())).await
}

fn to(user: &str) -> String {
    Jid::from(bare(user)).to_string()
}

#[tokio::test]
async fn a_model_that_rosters_decide_is_refused_where_they_cannot_be_read() {
    let bus = Bus::start().await;
    let create = |access_model| bus.run("owner", "n", Verb::Create(config(access_model)));
    let refused = Err(BusError::UnsupportedAccessModel);
    assert_eq!(create(AccessModel::Presence).await, refused, "nobody reads rosters");
    let book = Book::lend(&bus, RosterAccess::Denied);
    assert_eq!(create(AccessModel::Roster).await, refused);
    book.change(|pages| pages.access = RosterAccess::Unknown);
    assert_eq!(create(AccessModel::Presence).await, refused);
    book.change(|pages| pages.access = RosterAccess::Granted);
    create(AccessModel::Presence).await.unwrap();
    book.change(|pages| pages.access = RosterAccess::Denied);
    let configure = |setting| bus.run("owner", "n", Verb::Configure(vec![setting]));
    assert_eq!(configure(Setting::AccessModel(AccessModel::Roster)).await, refused);
    configure(Setting::NotifyRetract(true)).await.expect("the model may stay");
}

#[tokio::test]
async fn a_request_waits_for_the_roster_and_its_answer_is_the_rosters() {
    let bus = Bus::start().await;
    let book = Book::lend(&bus, RosterAccess::Granted);
    bus.create_with("n", config(AccessModel::Presence)).await;
    let (friend, ()) = tokio::join!(subscribe(&bus, "friend"), async {
        while book.looks() == 0 {
            tokio::task::yield_now().await;
        }
        book.write("owner", &["friend"]);
    });
    assert!(matches!(friend, Ok(Outcome::Subscribed { .. })), "{friend:?}");
    let refused = BusError::PresenceSubscriptionRequired;
    assert_eq!(subscribe(&bus, "stranger").await, Err(refused.clone()));

    let items = |user| {
        let engine = bus.engine.clone();
        async move { engine.items(&actor(user), &name("n"), Selection::Newest(None)).await.map(drop) }
    };
    assert_eq!((items("friend").await, items("stranger").await), (Ok(()), Err(refused.clone())));
    let node = bus.engine.node(&actor("stranger"), &name("n")).await.map(drop);
    assert_eq!(node, Err(refused.clone()));
    let archive = |user| {
        let engine = bus.engine.clone();
        async move { engine.check_archive(&actor(user), &name("n")).await }
    };
    assert_eq!((archive("friend").await, archive("stranger").await), (Ok(()), Err(BusError::Forbidden)));
    let tail = bus.engine.tail(actor("stranger"), &name("n"), TailStart::Earliest, None).await.map(drop);
    assert_eq!(tail, Err(refused));
}

#[tokio::test]
async fn what_cannot_be_known_now_is_no_refusal_for_good() {
    let bus = Bus::start().await;
    let book = Book::lend(&bus, RosterAccess::Granted);
    bus.create_with("n", config(AccessModel::Roster)).await;
    book.change(|pages| drop(pages.rosters.insert(bare("owner"), RosterLook::Unavailable)));
    assert_eq!(subscribe(&bus, "friend").await, Err(BusError::RosterUnavailable));
    book.change(|pages| pages.access = RosterAccess::Unknown);
    assert_eq!(subscribe(&bus, "friend").await, Err(BusError::RosterUnavailable));
    book.change(|pages| pages.access = RosterAccess::Denied);
    book.write("owner", &["friend"]);
    assert_eq!(subscribe(&bus, "friend").await, Err(BusError::NotInRosterGroup), "the grant is gone");
    book.change(|pages| pages.access = RosterAccess::Granted);
    assert!(matches!(subscribe(&bus, "friend").await, Ok(Outcome::Subscribed { .. })));
    book.write("owner", &["friend", "principal"]);
    let principal = subscribe(&bus, "principal").await;
    assert_eq!(principal, Err(BusError::NotInRosterGroup), "a principal is nobody's contact");
}

#[tokio::test]
async fn rosters_are_looked_at_where_they_decide_only() {
    let bus = Bus::start().await;
    let book = Book::lend(&bus, RosterAccess::Granted);
    bus.create("open").await;
    bus.subscribe("open", "a").await;
    bus.create_with("n", config(AccessModel::Presence)).await;
    bus.subscribe("n", "owner").await;
    bus.run("owner", "n", publish_verb(&["1"])).await.unwrap();
    assert_eq!(book.looks(), 0);
}

#[tokio::test]
async fn delivery_goes_by_the_roster_of_now_and_waits_for_it() {
    let bus = Bus::start().await;
    let book = Book::lend(&bus, RosterAccess::Granted);
    bus.create_with("n", config(AccessModel::Presence)).await;
    book.write("owner", &["a", "b"]);
    bus.subscribe("n", "a").await;
    bus.subscribe("n", "b").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    assert_eq!(leg.take(2).await, [(1, 0, to("a")), (1, 0, to("b"))]);

    book.write("owner", &["b"]);
    bus.publish("n", &["2"]).await;
    assert_eq!(leg.take(1).await, [(2, 1, to("b"))], "whoever left the roster gets nothing");

    book.change(|pages| drop(pages.rosters.insert(bare("owner"), RosterLook::Unavailable)));
    bus.publish("n", &["3"]).await;
    bus.create("open").await;
    bus.subscribe("open", "a").await;
    bus.publish("open", &["1"]).await;
    assert_eq!(leg.next().await.0, "open", "others do not wait for a roster");
    book.write("owner", &["a", "b"]);
    assert_eq!(leg.take(2).await, [(3, 2, to("a")), (3, 2, to("b"))]);

    book.change(|pages| pages.access = RosterAccess::Denied);
    bus.publish("n", &["4"]).await;
    bus.publish("open", &["2"]).await;
    assert_eq!(leg.next().await.0, "open", "without the grant there are no contacts");
}

#[tokio::test]
async fn contacts_hear_of_the_nodes_end() {
    let bus = Bus::start().await;
    let book = Book::lend(&bus, RosterAccess::Granted);
    bus.create_with("n", config(AccessModel::Presence)).await;
    book.write("owner", &["a"]);
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    assert_eq!(leg.take(1).await, [(1, 0, to("a"))]);
}
