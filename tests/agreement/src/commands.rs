use bus_domain::manage_subscriptions::Wanted;
use bus_domain::{
    AccessModel, Actor, Affiliation, Durability, ItemId, Jid, NodeConfig, NodeName, Payload, PublishModel,
    RedirectUri, Role, Setting, WhenItemsFull, affiliate, manage_subscriptions, publish, retract,
};
use bus_engine::{Command, Verb};
use simulation::Random;

/// Who counts as an owner everywhere.
pub(crate) const ADMIN: &str = "admin@example.org";
const CREATOR: &str = "creator@example.org";
const USERS: [&str; 4] = [CREATOR, "a@example.org", "b@example.org", "c@example.org"];

/// A command that may or may not be possible.
pub(crate) fn draw(random: &mut Random) -> Command {
    let name =
        random.pick(&[CREATOR, CREATOR, CREATOR, ADMIN, "a@example.org", "b@example.org", "c@example.org"]);
    let role = match name {
        ADMIN => Role::Admin,
        CREATOR => Role::Creator,
        _ => Role::User,
    };
    let node = random.pick(&["one", "two", "three"]);
    Command {
        actor: Actor::new(jid(&format!("{name}/here")), role),
        node: NodeName::new(node).expect("a name"),
        verb: verb(random, name),
    }
}

fn verb(random: &mut Random, actor: &str) -> Verb {
    let kinds = [(8, 0), (1, 1), (30, 2), (10, 3), (3, 4), (16, 5), (8, 6), (14, 7), (10, 8), (14, 9)];
    match random.weighted(&kinds).unwrap_or_default() {
        0 => Verb::Create(NodeConfig::default().with(&settings(random, 20))),
        1 => Verb::Delete(random.percent(50).then(|| RedirectUri::new("urn:new").expect("a URI"))),
        2 => Verb::Publish(publication(random)),
        3 => Verb::Retract(retract::Request {
            item_ids: (0..random.between(0, 2)).map(|_| item_id(random)).collect(),
            notify: random.pick(&[None, Some(true), Some(false)]),
        }),
        4 => Verb::Purge,
        5 => Verb::Subscribe(subscriber(random, actor).into()),
        6 => Verb::Unsubscribe(subscriber(random, actor).into()),
        7 => Verb::Affiliate(affiliate::Request {
            entries: (0..random.between(0, 3)).map(|_| standing(random)).collect(),
            is_partial: random.percent(60),
        }),
        8 => Verb::Configure(settings(random, 25)),
        _ => Verb::ManageSubscriptions(manage_subscriptions::Request {
            entries: (0..random.between(0, 3)).map(|_| wanted(random)).collect(),
            is_approval: random.percent(40),
        }),
    }
}

fn publication(random: &mut Random) -> publish::Request {
    let item = |random: &mut Random| publish::NewItem {
        id: random.percent(80).then(|| item_id(random)),
        payload: random.percent(90).then(|| Payload::from_serialised("<a xmlns='urn:a'/>")),
    };
    publish::Request {
        items: (0..random.between(0, 5)).map(|_| item(random)).collect(),
        preconditions: if random.percent(30) { settings(random, 15) } else { Vec::new() },
        unmeetable: None,
        creates_node: random.percent(50),
        ..publish::Request::default()
    }
}

/// Each field with this likelihood; some values cannot be.
fn settings(random: &mut Random, percent: usize) -> Vec<Setting> {
    let drawn = [
        Setting::AccessModel(random.pick(&[
            AccessModel::Open,
            AccessModel::Authorize,
            AccessModel::Whitelist,
        ])),
        Setting::PublishModel(random.pick(&PublishModel::ALL)),
        Setting::AllowSubscriptions(random.percent(80)),
        Setting::ItemsMax(random.pick(&[0, 1, 2, 3, 6, 7, NodeConfig::ITEMS_MAX_HIGHEST])),
        Setting::WhenItemsFull(random.pick(&WhenItemsFull::ALL)),
        Setting::PersistItems(random.percent(80)),
        Setting::DeliverPayloads(random.percent(50)),
        Setting::NotifyConfig(random.percent(50)),
        Setting::Durability(random.pick(&[Durability::Fsync, Durability::Relaxed])),
        Setting::Title(random.pick(&[None, Some("a")]).map(str::to_owned)),
    ];
    drawn.into_iter().filter(|_| random.percent(percent)).collect()
}

fn standing(random: &mut Random) -> (bus_domain::BareJid, Affiliation) {
    (jid(random.pick(&USERS)).to_bare(), random.pick(&Affiliation::ALL))
}

fn wanted(random: &mut Random) -> manage_subscriptions::Entry {
    let address = random.pick(&USERS);
    let jid = subscriber(random, address);
    let wanted = random.pick(&[Wanted::Subscribed, Wanted::Ended, Wanted::Impossible]);
    manage_subscriptions::Entry { jid, sub_id: None, wanted }
}

fn subscriber(random: &mut Random, actor: &str) -> Jid {
    let bare = if random.percent(90) { actor } else { random.pick(&USERS) };
    let resource = random.pick(&["", "/x", "/y"]);
    jid(&format!("{bare}{resource}"))
}

fn item_id(random: &mut Random) -> ItemId {
    ItemId::new(random.pick(&["1", "2", "3", "4"])).expect("an id")
}

fn jid(text: &str) -> Jid {
    Jid::new(text).expect("an address")
}
