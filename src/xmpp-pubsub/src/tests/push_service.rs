//! The address that servers push to, and where users register their devices.

use async_trait::async_trait;
use bus_domain::push::{PushAddress, PushAlert, PushMessage, PushProvider, PushVerdict};
use bus_engine::{
    JobFilter, JobRecord, Push, PushLimits, PushOutcome, PushSettings, PushSink, Pushes, Unfit,
};

use bus_store::DeviceStore as _;

use super::*;
use crate::service::Task;

const PUSH: &str = "push@events.example.org";
/// Alice's server.
const SERVER: &str = "example.org";
const REGISTER: &str = "register-device";

/// Takes everything, for devices of FCM.
struct Sink;

#[async_trait]
impl PushSink for Sink {
    fn provider(&self) -> PushProvider {
        PushProvider::Fcm
    }

    fn check(&self, _: &PushAddress, _: &PushMessage) -> Result<(), Unfit> {
        Ok(())
    }

    async fn send(&self, _: &Push<'_>) -> PushOutcome {
        PushOutcome::new(PushVerdict::Delivered, "accepted")
    }
}

/// A service with an address for pushes, that sends none of them.
struct WithPush {
    fixture: Fixture,
    pushes: Pushes,
    store: Arc<SqliteStore>,
}

impl WithPush {
    async fn new() -> Self {
        Self::at(Some("https://push.example.org")).await
    }

    async fn at(public_url: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::blank(directory.path()).await);
        let limits = PushLimits { inlet_burst_ms: 5_000, ..PushLimits::default() };
        let sink: Arc<dyn PushSink> = Arc::new(Sink);
        let settings = PushSettings { accounts: vec![sink.into()], limits, ..PushSettings::default() };
        let pushes = Pushes::new(store.clone(), settings, Arc::new(SystemClock), Arc::new(SystemIds));
        let push = PushServiceSettings {
            pushes: pushes.clone(),
            address: bare(PUSH),
            domains: vec![bare("example.org")],
            alert: PushAlert { title: None, body: Some("New message".to_owned()) },
            public_url: public_url.map(str::to_owned),
        };
        let over = Fixture::over(store.clone(), directory, Settings::default(), 480 * 1024, Some(push));
        Self { fixture: over.await, pushes, store }
    }

    /// A direct command with a form, as apps use it.
    async fn command(&self, from: &str, name: &str, fields: &[(&str, &str)]) -> String {
        let field =
            |(var, value): &(&str, &str)| format!("<field var='{var}'><value>{value}</value></field>");
        let fields: String = fields.iter().map(field).collect();
        let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
        let node = format!("urn:stanzabus:push:1#{name}");
        let command = format!(
            "<command xmlns='http://jabber.org/protocol/commands' node='{node}' action='execute'>{form}</command>"
        );
        self.fixture.ask_at(PUSH, from, "set", &command).await
    }

    /// Registers a device of Alice's; its node and its secret.
    async fn register(&self) -> (String, String) {
        let answer = self.command(ALICE, REGISTER, &[("provider", "fcm"), ("token", "t1")]).await;
        assert_eq!(value(&answer, "jid"), PUSH);
        (value(&answer, "node").to_owned(), value(&answer, "secret").to_owned())
    }

    async fn push(&self, from: &str, node: &str, secret: Option<&str>) -> String {
        self.publish(from, node, &options(secret)).await
    }

    async fn publish(&self, from: &str, node: &str, options: &str) -> String {
        let content = format!("<publish node='{node}'><item>{SUMMARY}</item></publish>{options}");
        self.fixture.ask_at(PUSH, from, "set", &pubsub(&content)).await
    }

    async fn jobs(&self) -> Vec<JobRecord> {
        let admin = Actor::new(Jid::new(ADMIN).unwrap(), Role::Admin);
        self.pushes.list_jobs(&admin, JobFilter::default(), None, 9).await.unwrap().0
    }
}

#[tokio::test]
async fn a_push_weighs_what_its_server_can_make_longer_and_waits_for_no_other() {
    let with = WithPush::new().await;
    let (node, secret) = with.register().await;
    let content =
        format!("<publish node='{node}'><item>{SUMMARY}</item></publish>{}", options(Some(&secret)));
    let work = super::weights::work(&with.fixture, PUSH, "set", &pubsub(&content));
    assert_eq!(work.weight_bytes(), 1024 + secret.len() + "New Message!".len());
    assert!(work.is_publish());
}

#[tokio::test]
async fn a_direct_command_may_be_completed_at_once_and_no_other_one() {
    let with = WithPush::new().await;
    let ask = async |name: &str, action: &str| {
        let form = "<x xmlns='jabber:x:data' type='submit'><field var='provider'><value>fcm</value></field>\
                    <field var='token'><value>t1</value></field></x>";
        let node = format!("urn:stanzabus:push:1#{name}");
        let command = format!(
            "<command xmlns='http://jabber.org/protocol/commands' node='{node}' action='{action}'>{form}</command>"
        );
        with.fixture.ask_at(PUSH, ALICE, "set", &command).await
    };
    assert!(ask(REGISTER, "complete").await.contains("status='completed'"));
    assert_eq!(ask(REGISTER, "next").await, "modify/bad-request+bad-sessionid");
}

#[tokio::test]
async fn addresses_for_application_servers_are_offered_where_there_are_any() {
    let list =
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>";
    let register = format!("urn:stanzabus:push:1#{REGISTER}");
    for (public_url, is_offered) in [(Some("https://push.example.org"), true), (None, false)] {
        let with = WithPush::at(public_url).await;
        let commands = with.fixture.ask_at(PUSH, ALICE, "get", list).await;
        assert_eq!(commands.contains("application server"), is_offered, "{commands}");
        assert!(commands.contains(&register), "{commands}");
    }
}

#[tokio::test]
async fn a_few_registrations_are_one_page() {
    let with = WithPush::new().await;
    let (node, _) = with.register().await;
    let listed = with.command(ALICE, "list-registrations", &[]).await;
    assert!(listed.contains("status='completed'") && listed.contains(&node), "{listed}");
}

/// What the address says of the commands depends on whom it is open to.
#[tokio::test]
async fn commands_are_told_of_to_those_who_may_use_them() {
    let with = WithPush::new().await;
    let info = |node: &str| format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
    let register = format!("urn:stanzabus:push:1#{REGISTER}");
    let list = "http://jabber.org/protocol/commands";
    let ask = async |from, node: &str| with.fixture.ask_at(PUSH, from, "get", &info(node)).await;
    assert!(ask(ALICE, &register).await.contains("automation"));
    assert_eq!(ask(BOB, &register).await, "cancel/forbidden");
    for who in [ALICE, BOB] {
        assert!(ask(who, list).await.contains("automation"), "the list is there for {who}");
        assert!(ask(who, "urn:other").await.starts_with("cancel/item-not-found"));
    }
}

impl WithPush {
    /// For whom a push counts that this one sends.
    fn lane(&self, from: &str, node: &str) -> Option<String> {
        let content = format!("<publish node='{node}'><item>{SUMMARY}</item></publish>");
        let prepared = self.fixture.service.prepare(&iq(from, PUSH, "set", &pubsub(&content))).unwrap();
        let Task::Work(_, work) = prepared.task else { panic!("it is carried out") };
        self.fixture.service.lane_of(&work)
    }
}

/// With a field of each kind that servers send: one that says something, and one that is empty.
const SUMMARY: &str = "<notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='form'>\
    <field type='hidden' var='FORM_TYPE'><value>urn:xmpp:push:summary</value></field>\
    <field type='text-single' var='message-count'><value>1</value></field>\
    <field type='text-single' var='pending-subscription-count'/>\
    <field type='text-single' var='last-message-body'><value>New Message!</value></field></x></notification>";

/// What the client has given its server, which copies it to the letter.
fn options(secret: Option<&str>) -> String {
    let form_type = "http://jabber.org/protocol/pubsub#publish-options";
    let secret = secret.map(|secret| format!("<field var='secret'><value>{secret}</value></field>"));
    format!(
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{form_type}</value>\
         </field>{}<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>",
        secret.unwrap_or_default()
    )
}

/// The value of a field of a result, in our own serialisation.
fn value<'a>(answer: &'a str, var: &str) -> &'a str {
    let (_, rest) =
        answer.split_once(&format!("var='{var}'>")).unwrap_or_else(|| panic!("no {var}: {answer}"));
    rest.trim_start_matches("<value>").split('<').next().unwrap()
}

#[tokio::test]
async fn a_registered_device_gets_what_its_server_pushes() {
    let bus = WithPush::new().await;
    let (node, secret) = bus.register().await;
    assert_eq!(bus.register().await, (node.clone(), secret.clone()), "the same device is the same");
    assert_eq!(bus.push(SERVER, &node, Some(&secret)).await, "");
    assert_eq!(bus.push("alice@example.org", &node, Some(&secret)).await, "", "in the name of the user");
    let form = form_without_type(&options(Some(&secret)));
    assert_eq!(bus.publish(SERVER, &node, &form).await, "", "as XEP-0357 writes it");
    let jobs = bus.jobs().await;
    assert_eq!(jobs.len(), 3);
    let message = jobs[0].message.as_ref().unwrap();
    assert_eq!((message.title.as_deref(), message.body.as_deref()), (None, Some("New message")));
    let data: Vec<_> = message.data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(data, [("last-message-body", "New Message!"), ("message-count", "1"), ("node", &node)]);
}

fn form_without_type(options: &str) -> String {
    options.replace(" type='submit'", "")
}

#[tokio::test]
async fn servers_hear_item_not_found_only_of_a_device_that_is_gone() {
    let bus = WithPush::new().await;
    let (node, secret) = bus.register().await;
    for other in [None, Some(""), Some("s3cr3t")] {
        assert_eq!(bus.push(SERVER, &node, other).await, "auth/not-authorized", "{other:?}");
    }
    assert_eq!(bus.publish(SERVER, &node, "").await, "auth/not-authorized", "no form at all");
    for foreign in ["example.net", BOB, ALICE, "bob@example.org"] {
        assert_eq!(bus.push(foreign, &node, Some(&secret)).await, "auth/forbidden", "{foreign}");
    }
    for unknown in ["n1", &"0".repeat(32)] {
        assert_eq!(bus.push(SERVER, unknown, Some(&secret)).await, "cancel/item-not-found", "{unknown}");
    }
    let no_item = pubsub(&format!("<publish node='{node}'/>"));
    let refused = bus.fixture.ask_at(PUSH, SERVER, "set", &no_item).await;
    assert_eq!(refused, "modify/bad-request+item-required");
    assert_eq!(bus.jobs().await, []);

    let mut too_fast = None;
    for _ in 0..9 {
        too_fast = Some(bus.push(SERVER, &node, Some(&secret)).await).filter(|answer| !answer.is_empty());
    }
    assert_eq!(too_fast.as_deref(), Some("wait/policy-violation"));

    let listed = bus.command(ALICE, "list-registrations", &[]).await;
    assert!(listed.contains(&node) && listed.contains("<value>fcm</value>"), "{listed}");
    let of_other = bus.command("carol@example.org/x", "remove-registration", &[("node", &node)]).await;
    assert!(of_other.contains("type='error'"), "{of_other}");
    let removed = bus.command(ALICE, "remove-registration", &[("node", &node)]).await;
    assert!(removed.contains("type='info'"), "{removed}");
    assert_eq!(bus.push(SERVER, &node, Some(&secret)).await, "cancel/item-not-found");
}

#[tokio::test]
async fn what_is_in_trouble_here_is_told_as_passing() {
    let bus = WithPush::new().await;
    let (node, secret) = bus.register().await;
    let alice = Actor::new(Jid::new(ALICE).unwrap(), Role::User);
    let mut device = bus.pushes.devices(&alice, alice.bare(), None, 9).await.unwrap().remove(0);
    device.quarantined = Some("SENDER_ID_MISMATCH".to_owned());
    bus.store.put_device(&device).await.unwrap();
    assert_eq!(bus.push(SERVER, &node, Some(&secret)).await, "wait/recipient-unavailable");
    bus.register().await;
    assert_eq!(bus.push(SERVER, &node, Some(&secret)).await, "", "it has registered anew");
    device.account = "other".parse().unwrap();
    device.quarantined = None;
    bus.store.put_device(&device).await.unwrap();
    assert_eq!(bus.push(SERVER, &node, Some(&secret)).await, "wait/recipient-unavailable", "no such account");
    let counts: Vec<_> = bus.pushes.counts_in().iter().map(|it| (it.result, it.count)).collect();
    assert_eq!(counts, [("accepted", 1), ("unreachable", 2)]);
}

#[tokio::test]
async fn the_address_says_what_it_is_and_shows_nothing_else() {
    let bus = WithPush::new().await;
    let (node, _) = bus.register().await;
    let ask = async |kind: &str, content: &str| bus.fixture.ask_at(PUSH, ALICE, kind, content).await;
    let info = ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>").await;
    assert!(info.contains("<identity category='pubsub' name='stanzabus' type='push'/>"), "{info}");
    let features: Vec<_> =
        info.split("<feature var='").skip(1).map(|it| it.split('\'').next().unwrap()).collect();
    assert_eq!(
        features,
        [
            "commands",
            "disco#info",
            "disco#items",
            "pubsub",
            "pubsub#access-whitelist",
            "pubsub#publish",
            "pubsub#publish-only-affiliation",
            "pubsub#publish-options",
            "jabber:iq:version",
            "jabber:x:data",
            "urn:xmpp:ping",
            "urn:xmpp:push:0",
            "urn:xmpp:time",
        ]
    );
    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    assert_eq!(ask("get", items).await, "<query xmlns='disco#items'/>");
    let of_node = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
    assert_eq!(ask("get", &of_node).await, "cancel/item-not-found");
    for (kind, content, expected) in [
        ("get", format!("<items node='{node}'/>"), "cancel/not-allowed+closed-node"),
        ("set", format!("<subscribe node='{node}' jid='{ALICE}'/>"), "cancel/not-allowed+closed-node"),
        ("set", "<create node='n'/>".to_owned(), "cancel/feature-not-implemented"),
    ] {
        assert_eq!(ask(kind, &pubsub(&content)).await, expected, "{content}");
    }
    let elsewhere = bus.fixture.ask_at("other@events.example.org", ALICE, "get", items).await;
    assert_eq!(elsewhere, "cancel/item-not-found");
}

#[tokio::test]
async fn commands_are_for_the_users_of_the_domains_that_are_named() {
    let bus = WithPush::new().await;
    let list =
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>";
    let listed = bus.fixture.ask_at(PUSH, ALICE, "get", list).await;
    assert_eq!(listed.matches("urn:stanzabus:push:1#").count(), 5, "{listed}");
    let listed = bus.fixture.ask_at(PUSH, BOB, "get", list).await;
    assert_eq!(listed.matches("urn:stanzabus:push:1#").count(), 0, "{listed}");
    let device = [("provider", "fcm"), ("token", "t1")];
    assert_eq!(bus.command(BOB, REGISTER, &device).await, "cancel/forbidden");
    let command =
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:stanzabus:push:1#register-device'/>";
    bus.fixture.check(ALICE, "set", command, "cancel/item-not-found").await;
    let asked = bus.fixture.ask_at(PUSH, ALICE, "set", command).await;
    assert!(asked.contains("status='executing'") && asked.contains("var='bundle_id'"), "{asked}");
    assert_eq!(asked.matches("<required/>").count(), 1, "{asked}");
    let (_, session) = asked.split_once("sessionid='").unwrap();
    let session = session.split('\'').next().unwrap();
    let form = "<x xmlns='jabber:x:data' type='submit'><field var='provider'><value>fcm</value></field>\
                <field var='token'><value>t2</value></field></x>";
    let node = "urn:stanzabus:push:1#register-device";
    let filled = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='{node}' sessionid='{session}'>{form}</command>"
    );
    let answer = bus.fixture.ask_at(PUSH, ALICE, "set", &filled).await;
    assert_eq!(value(&answer, "secret").len(), 32, "{answer}");
}

#[tokio::test]
async fn what_cannot_be_registered_is_named() {
    let bus = WithPush::new().await;
    let bad_payload = "modify/bad-request+bad-payload";
    for (fields, expected) in [
        (&[("provider", "mqtt")][..], bad_payload),
        (&[("token", "t")], bad_payload),
        (&[("provider", "fcm")], bad_payload),
        (&[("provider", "apns"), ("token", "00")], bad_payload),
        (&[("provider", "webpush"), ("endpoint", "https://e"), ("p256dh", "!"), ("auth", "AA")], bad_payload),
    ] {
        assert_eq!(bus.command(ALICE, REGISTER, fields).await, expected, "{fields:?}");
    }
    let unknown =
        bus.command(ALICE, REGISTER, &[("provider", "apns"), ("token", "00"), ("bundle_id", "a")]).await;
    assert!(unknown.contains("type='error'>nothing can be sent through apns"), "{unknown}");
    let accounts = bus.command(ALICE, "list-accounts", &[]).await;
    assert!(
        accounts.contains("<value>fcm</value>") && accounts.contains("<value>default</value>"),
        "{accounts}"
    );
}

#[tokio::test]
async fn an_application_server_gets_an_address_and_its_user_a_node() {
    let bus = WithPush::new().await;
    let answer = bus.command(ALICE, "register-web-push", &[("title", "Toots")]).await;
    let (endpoint, node) = (value(&answer, "endpoint"), value(&answer, "node"));
    let token = endpoint.strip_prefix("https://push.example.org/v1/push/").unwrap();
    let events = value(&answer, "leads_to");
    assert!(token.starts_with(node) && token.len() == 64 && !events.contains(node), "{answer}");
    assert_eq!(value(&answer, "service"), DOMAIN);
    let inlet = bus.pushes.web_inlet(token).await.unwrap();
    let subscriptions = pubsub(&format!("<subscriptions node='{events}'/>"));
    let subscribed = bus.fixture.ask(ALICE, "get", &subscriptions).await;
    assert!(subscribed.contains("jid='alice@example.org'"), "{subscribed}");
    let items = pubsub(&format!("<items node='{events}'/>"));
    bus.fixture.check(BOB, "get", &items, "cancel/not-allowed+closed-node").await;
    assert_eq!(bus.push(SERVER, node, Some(&inlet.secret.to_string())).await, "cancel/item-not-found");

    let removed = bus.command(ALICE, "remove-registration", &[("node", node)]).await;
    assert!(removed.contains("type='info'"), "{removed}");
    assert!(bus.pushes.web_inlet(token).await.is_err());
    bus.fixture.check(ALICE, "get", &items, "cancel/item-not-found").await;
    let wrong = bus.command(ALICE, "register-web-push", &[("title", "Toots"), ("vapid", "AAAA")]).await;
    assert!(wrong.contains("type='error'>the application server"), "{wrong}");
    let nowhere = WithPush::at(None).await;
    let refused = nowhere.command(ALICE, "register-web-push", &[("title", "Toots")]).await;
    assert_eq!(refused, "cancel/item-not-found", "there is no address to give out");
}

#[tokio::test]
async fn what_a_server_pushes_counts_for_the_one_whom_it_is_for() {
    let bus = WithPush::new().await;
    let (one, other) = ("01".repeat(16), "02".repeat(16));
    assert_eq!(bus.lane(SERVER, &one), Some(format!("{one}@{PUSH}")));
    assert_ne!(bus.lane(SERVER, &one), bus.lane(SERVER, &other));
    for from in [ALICE, "elsewhere.example.com"] {
        assert_eq!(bus.lane(from, &one), None, "{from} counts as itself");
    }
}

#[tokio::test]
async fn the_secret_decides_whatever_else_the_form_holds() {
    let bus = WithPush::new().await;
    let (node, secret) = bus.register().await;
    let twice = "<field var='a'><value>1</value></field>".repeat(2);
    let odd = options(Some(&secret)).replace("</x>", &format!("{twice}</x>"));
    bus.publish(SERVER, &node, &odd).await;
    assert_eq!(bus.jobs().await.len(), 1);
}
