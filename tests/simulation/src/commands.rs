use bus_domain::manage_subscriptions::Wanted;
use bus_domain::retention::{History, WhenUndeliveredFull};
use bus_domain::{
    AccessModel, Actor, Affiliation, BareJid, Durability, ItemId, Jid, NodeConfig, NodeName, Payload,
    PublishModel, Role, Setting, affiliate, manage_subscriptions, publish, retract,
};
use bus_engine::{Command, Verb};

use crate::{Random, Scenario};

/// Names the command among all of a run.
pub(crate) type Ticket = u64;

/// Who asks: the owner, the admin, or a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sender(pub usize);

impl Sender {
    /// Delivery itself, which parks.
    pub(crate) const DELIVERY: Self = Self(usize::MAX);
}

/// Makes up a command. Its actor's resource is the ticket, so that what is stored can be found again.
pub(crate) fn draw(
    random: &mut Random,
    scenario: &Scenario,
    ticket: Ticket,
    exists: impl Fn(&NodeName) -> bool,
) -> (Sender, Command) {
    let node = NodeName::new(&format!("n{}", random.below(scenario.nodes))).expect("a short name is valid");
    let exists = exists(&node);
    let (sender, verb) = if !exists && random.percent(80) {
        (Sender(0), Verb::Create(config(random, scenario.is_managed)))
    } else {
        draw_verb(random, scenario)
    };
    let (bare, role) = address(sender);
    let jid = format!("{bare}/t{ticket}").parse::<Jid>().expect("a short resource is valid");
    (sender, Command { actor: Actor::new(jid, role), node, verb })
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
    Affiliate,
    Manage,
    Retract,
    Purge,
    Configure,
    Delete,
    Create,
}

fn draw_verb(random: &mut Random, scenario: &Scenario) -> (Sender, Verb) {
    let (users, is_managed) = (scenario.users, scenario.is_managed);
    let when_managed = |weight| if is_managed { weight } else { 0 };
    let kinds = [
        (50, Kind::Publish),
        (18, Kind::Subscribe),
        (7, Kind::Unsubscribe),
        (12, Kind::Affiliate),
        (when_managed(8), Kind::Manage),
        (8, Kind::Retract),
        (2, Kind::Purge),
        (when_managed(5), Kind::Configure),
        (2, Kind::Delete),
        (3, Kind::Create),
    ];
    let anybody = Sender(random.below(users + 2));
    let user = Sender(2 + random.below(users));
    let ruler = Sender(random.below(2));
    match random.weighted(&kinds).unwrap_or(Kind::Publish) {
        Kind::Publish => (if random.percent(60) { ruler } else { anybody }, publish(random, is_managed)),
        Kind::Subscribe => (anybody, Verb::Subscribe(subscriber(random, anybody).into())),
        Kind::Unsubscribe => (anybody, Verb::Unsubscribe(subscriber(random, anybody).into())),
        Kind::Affiliate => {
            let entries = vec![(address(user).0, random.pick(&STANDINGS))];
            (ruler, Verb::Affiliate(affiliate::Request { entries, is_partial: false }))
        }
        Kind::Manage => (ruler, manage(random, user)),
        Kind::Retract => (ruler, retract(random)),
        Kind::Purge => (ruler, Verb::Purge),
        Kind::Configure => (ruler, configure(random)),
        Kind::Delete => (ruler, Verb::Delete(None)),
        Kind::Create => (ruler, Verb::Create(config(random, is_managed))),
    }
}

/// Being thrown out and let in again is what matters most.
const STANDINGS: [Affiliation; 7] = [
    Affiliation::Outcast,
    Affiliation::Outcast,
    Affiliation::None,
    Affiliation::None,
    Affiliation::Member,
    Affiliation::Publisher,
    Affiliation::PublishOnly,
];

fn publish(random: &mut Random, is_managed: bool) -> Verb {
    let item = |random: &mut Random| publish::NewItem {
        id: random.percent(60).then(|| item_id(random)),
        payload: Some(Payload::from_serialised("<a xmlns='urn:test'/>")),
    };
    let items = (0..random.between(1, 3)).map(|_| item(random)).collect();
    if !is_managed {
        return Verb::Publish(publish::Request { items, ..publish::Request::default() });
    }
    // A precondition that holds on some nodes and not on others, and makes a new one strict.
    let preconditions = if random.percent(10) { vec![Setting::NotifyRetract(true)] } else { Vec::new() };
    Verb::Publish(publish::Request {
        items,
        preconditions,
        unmeetable: None,
        creates_node: random.percent(50),
        ..publish::Request::default()
    })
}

fn manage(random: &mut Random, user: Sender) -> Verb {
    let wanted = random.pick(&[Wanted::Subscribed, Wanted::Subscribed, Wanted::Ended, Wanted::Impossible]);
    let entries = vec![manage_subscriptions::Entry { jid: subscriber(random, user), sub_id: None, wanted }];
    let is_approval = random.percent(30);
    Verb::ManageSubscriptions(manage_subscriptions::Request { entries, is_approval })
}

fn retract(random: &mut Random) -> Verb {
    let item_ids = (0..random.between(1, 2)).map(|_| item_id(random)).collect();
    let notify = random.pick(&[None, Some(true), Some(false)]);
    Verb::Retract(retract::Request { item_ids, notify })
}

fn item_id(random: &mut Random) -> ItemId {
    ItemId::new(random.pick(&["a", "b", "c"])).expect("a letter is an id")
}

fn subscriber(random: &mut Random, sender: Sender) -> Jid {
    let bare = address(sender).0;
    let jid = if random.percent(30) { format!("{bare}/phone") } else { bare.to_string() };
    jid.parse().expect("a short resource is valid")
}

fn config(random: &mut Random, is_managed: bool) -> NodeConfig {
    use AccessModel::{Authorize, Open, Whitelist};
    let access_models: &[_] =
        if is_managed { &[Open, Open, Authorize, Whitelist] } else { &[Open, Open, Whitelist] };
    NodeConfig {
        access_model: random.pick(access_models),
        publish_model: random.pick(&[PublishModel::Publishers, PublishModel::Open]),
        items_max: random.pick(&[3, 4, 100]),
        notify_retract: random.percent(50),
        persist_items: random.percent(85),
        durability: random.pick(&[Durability::Fsync, Durability::Fsync, Durability::Relaxed]),
        history: History {
            events_max: random.pick(&[None, Some(1), Some(3), Some(10)]),
            ..History::default()
        },
        when_undelivered_full: random.pick(&WHEN_FULL),
        ..NodeConfig::default()
    }
}

/// Some fields, each with a value that it may have already.
fn configure(random: &mut Random) -> Verb {
    let drawn = config(random, true);
    let settings = [
        Setting::AccessModel(drawn.access_model),
        Setting::PublishModel(drawn.publish_model),
        Setting::ItemsMax(drawn.items_max),
        Setting::NotifyRetract(drawn.notify_retract),
        Setting::NotifyConfig(random.percent(50)),
        Setting::NotifyDelete(random.percent(50)),
        Setting::DeliverNotifications(random.percent(80)),
        Setting::PersistItems(drawn.persist_items),
        Setting::Durability(drawn.durability),
        Setting::HistoryEventsMax(drawn.history.events_max),
        Setting::WhenUndeliveredFull(drawn.when_undelivered_full),
    ];
    Verb::Configure(settings.into_iter().filter(|_| random.percent(30)).collect())
}

const WHEN_FULL: [WhenUndeliveredFull; 3] =
    [WhenUndeliveredFull::Wait, WhenUndeliveredFull::Wait, WhenUndeliveredFull::Gap];

/// The address and the role of a sender.
pub(crate) fn address(sender: Sender) -> (BareJid, Role) {
    let (name, role) = match sender.0 {
        0 => ("owner".to_owned(), Role::Creator),
        1 => ("admin".to_owned(), Role::Admin),
        user => (format!("u{user}"), Role::User),
    };
    (BareJid::new(&format!("{name}@example.org")).expect("a short address is valid"), role)
}
