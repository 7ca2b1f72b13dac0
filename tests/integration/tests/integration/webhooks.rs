//! Webhooks: what the daemon sends, to a receiver in Python that shares no code with it.

mod receiver;

use std::collections::BTreeSet;

use bridge_grpc::v1;
use harness::{Child, Daemon, HttpRequest, Postgres, http_send, wait_until};
use serde_json::{Value, json};
use tonic::Code;
use v1::event_filter::Dialect;
use v1::subscription_config::Destination;

use self::receiver::{Receiver, SECRET as KEY};
use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, SECRET, impatient, wait_not_ready};

const NODE: &str = "orders";
const NAME: &str = "hook";

#[tokio::test]
async fn a_kill_of_the_daemon_loses_no_event_on_sqlite() {
    check_kills("sqlite:stanzabus.db").await;
}

#[tokio::test]
async fn a_kill_of_the_daemon_loses_no_event_on_postgresql() {
    check_kills(&Postgres::shared().await.create_database().await.expect("a database")).await;
}

/// Each event comes, signed, and after the server has agreed.
async fn check_kills(store: &str) {
    let (mut daemon, receiver) = daemon(store).await;
    let caller = GrpcCaller::new(&daemon);
    create(&caller, &receiver, v1::Webhook::default(), v1::SubscriptionConfig::default()).await;
    for round in 0..3_u32 {
        let publishing = async {
            for number in 0..40 {
                let item_id = format!("e-{round}-{number}");
                let publish = async || caller.publish(NODE, &item_id, "<e xmlns='urn:e'/>").await.ok();
                wait_until("an answer", PATIENCE, publish).await.expect("the daemon comes back");
            }
        };
        let killing = async {
            let prefix = format!("e-{round}-");
            let of_round = |got: &[Value]| subjects(got).iter().filter(|it| it.starts_with(&prefix)).count();
            receiver.wait("some of them", |got| of_round(got) > 5).await;
            daemon.kill9().await.expect("it runs");
            daemon.start().expect("it starts again");
        };
        tokio::join!(publishing, killing);
    }
    let expected: BTreeSet<String> =
        (0..3).flat_map(|round| (0..40).map(move |number| format!("e-{round}-{number}"))).collect();
    let requests = receiver.wait("all events", |got| subjects(got) == expected).await;
    assert_eq!(requests[0]["method"], "OPTIONS", "it is asked before anything is sent");
    let headers = &requests[0]["headers"];
    assert_eq!(headers["webhook-request-origin"], DOMAIN);
    for delivery in receiver.deliveries() {
        assert_eq!(delivery["signed"], true, "{delivery}");
        assert_eq!(delivery["headers"]["content-type"], "application/cloudevents+json");
        assert_eq!(delivery["headers"]["webhook-request-origin"], DOMAIN);
        assert_eq!(delivery["headers"]["authorization"], "Bearer t0ken");
    }
    wait_settled(&caller).await;
    let shown = show(&daemon).await;
    assert_eq!(
        (&shown["destination"]["state"], &shown["destination"]["signed"]),
        (&json!("active"), &json!(true))
    );
    assert!(!shown.to_string().contains("t0ken") && !shown.to_string().contains(KEY), "{shown}");
}

#[tokio::test]
async fn a_server_gets_what_passes_the_filter() {
    let (daemon, receiver) = daemon("sqlite:stanzabus.db").await;
    let caller = GrpcCaller::new(&daemon);
    let attributes = [("subject".to_owned(), "wanted-".to_owned())].into();
    let dialect = Some(Dialect::Prefix(v1::AttributeValues { attributes }));
    let filter = Some(v1::EventFilter { dialect });
    let config = v1::SubscriptionConfig { filter, ..v1::SubscriptionConfig::default() };
    create(&caller, &receiver, v1::Webhook::default(), config).await;
    for item_id in ["other-1", "wanted-1", "other-2", "wanted-2", "other-3"] {
        caller.publish(NODE, item_id, "<e xmlns='urn:e'/>").await.expect("it may");
    }
    let wanted = BTreeSet::from(["wanted-1", "wanted-2"].map(str::to_owned));
    receiver.wait("what is wanted", |got| subjects(got).is_superset(&wanted)).await;
    wait_settled(&caller).await;
    assert_eq!(subjects(&receiver.deliveries()), wanted);
}

#[tokio::test]
async fn nothing_is_sent_before_the_server_agrees_and_it_may_agree_later() {
    let (mut daemon, receiver) = daemon("sqlite:stanzabus.db").await;
    let api = daemon.serve_api();
    daemon.terminate().await.expect("it runs");
    daemon.start().expect("it starts again");
    wait_not_ready(&daemon, "xmpp: ").await;
    receiver.agree(&json!({ "Allow": "POST" }), 204, &json!({}));
    let caller = GrpcCaller::new(&daemon);
    create(
        &caller,
        &receiver,
        v1::Webhook { requests_per_minute: Some(6_000), ..v1::Webhook::default() },
        v1::SubscriptionConfig::default(),
    )
    .await;
    caller.publish(NODE, "e-1", "<e xmlns='urn:e'/>").await.expect("it may");
    let shown = wait_for_state(&daemon, "refused").await;
    assert!(
        shown["destination"]["reason"].as_str().is_some_and(|it| it.contains("WebHook-Allowed-Origin")),
        "{shown}"
    );
    let asked = &receiver.requests()[0];
    assert_eq!(asked["headers"]["webhook-request-rate"], "6000");
    let callback = asked["headers"]["webhook-request-callback"].as_str().expect("there is one").to_owned();
    let path = callback.strip_prefix("https://bus.example.org").expect("as configured");
    assert!(receiver.deliveries().is_empty());

    let agree = async |path: String| {
        let request = HttpRequest { method: "GET", path, headers: Vec::new(), body: Vec::new() };
        http_send(api, &request.header("WebHook-Allowed-Rate", "1200"))
            .await
            .expect("the API is served")
            .status
    };
    let (address, _key) = path.split_once('=').expect("it has a key");
    assert_eq!(agree(format!("{address}=AAAAAAAAAAA")).await, 404, "not its key");
    assert_eq!(wait_for_state(&daemon, "refused").await["destination"]["uri"], receiver.url());
    assert_eq!(agree(path.to_owned()).await, 204);
    receiver.wait("the event", |got| subjects(got).len() == 1).await;
    assert_eq!(wait_for_state(&daemon, "active").await["destination"]["allowed_per_minute"], 1_200);
}

#[tokio::test]
async fn a_server_that_is_gone_pauses_the_subscription_until_it_is_resumed() {
    let (daemon, receiver) = daemon("sqlite:stanzabus.db").await;
    let caller = GrpcCaller::new(&daemon);
    create(&caller, &receiver, v1::Webhook::default(), v1::SubscriptionConfig::default()).await;
    wait_for_state(&daemon, "active").await;
    receiver.answer(410, &json!({}));
    caller.publish(NODE, "e-1", "<e xmlns='urn:e'/>").await.expect("it may");
    assert_eq!(wait_for_state(&daemon, "gone").await["destination"]["reason"], "it answers 410 Gone");
    wait_until("its pause", PATIENCE, async || show(&daemon).await["paused"].as_bool().filter(|it| *it))
        .await
        .expect("it pauses");
    caller.publish(NODE, "e-2", "<e xmlns='urn:e'/>").await.expect("it may");
    receiver.answer(202, &json!({}));
    daemon.cli(["sub", "resume", NAME]).await.expect("it is its own");
    receiver.wait("both", |got| subjects(got).len() == 2).await;
    wait_settled(&caller).await;
    let advisories = receiver.requests().iter().filter(|it| it["method"] == "OPTIONS").count();
    assert_eq!(advisories, 2, "it is asked again");
}

#[tokio::test]
async fn what_fails_again_and_again_becomes_a_dead_letter_and_redirects_are_not_followed() {
    let (daemon, receiver) = daemon("sqlite:stanzabus.db").await;
    let caller = GrpcCaller::new(&daemon);
    daemon.cli(["node", "create", "dead"]).await.expect("no node yet");
    receiver.answer(307, &json!({ "Location": "/elsewhere" }));
    let config = v1::SubscriptionConfig {
        dead_letter_node: "dead".to_owned(),
        attempts_max: Some(2),
        ..v1::SubscriptionConfig::default()
    };
    create(&caller, &receiver, v1::Webhook::default(), config).await;
    caller.publish(NODE, "e-1", "<e xmlns='urn:e'/>").await.expect("it may");
    let letters = async || {
        let listed = daemon.cli(["dead-letter", "list", NAME]).await.expect("it is its own");
        listed.lines().next().map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    };
    let letter = wait_until("a dead letter", PATIENCE, letters).await.expect("after two attempts");
    assert_eq!(letter["attempts"], 2);
    assert_eq!(receiver.deliveries().len(), 2);
    assert!(receiver.requests().iter().all(|request| request["path"] == "/hook"), "no redirect is followed");

    // A form that the server does not understand needs no second attempt.
    receiver.answer(415, &json!({}));
    caller.publish(NODE, "e-2", "<e xmlns='urn:e'/>").await.expect("it may");
    let both = async || {
        let listed = daemon.cli(["dead-letter", "list", NAME]).await.expect("it is its own");
        (listed.lines().count() == 2).then_some(())
    };
    wait_until("another one", PATIENCE, both).await.expect("at once");
    assert_eq!(receiver.deliveries().len(), 3);
}

#[tokio::test]
async fn a_busy_server_gets_nothing_until_it_said_and_batches_are_arrays() {
    let (daemon, receiver) = daemon("sqlite:stanzabus.db").await;
    let caller = GrpcCaller::new(&daemon);
    receiver.answer(429, &json!({ "Retry-After": "2" }));
    let webhook = v1::Webhook {
        mode: v1::WebhookMode::Batch.into(),
        requests_in_flight_max: Some(1),
        batch_events_max: Some(10),
        ..v1::Webhook::default()
    };
    create(&caller, &receiver, webhook, v1::SubscriptionConfig::default()).await;
    wait_for_state(&daemon, "active").await;
    caller.publish_many(NODE, 30).await.expect("it may");
    let busy = receiver.wait("the first request", |got| got.iter().any(|it| it["method"] == "POST")).await;
    receiver.answer(200, &json!({}));
    let requests = receiver.wait("30 events", |got| events(got).len() == 30).await;
    let times: Vec<i64> = deliveries(&requests)
        .map(|it| it["headers"]["webhook-timestamp"].as_str().and_then(|at| at.parse().ok()).expect("a time"))
        .collect();
    assert!(times[1] - times[0] >= 1, "2 seconds, of which the timestamps show whole ones: {times:?}");
    let first = deliveries(&busy).next().expect("it came");
    assert_eq!(first["headers"]["content-type"], "application/cloudevents-batch+json");
    assert!(
        deliveries(&requests).all(|it| it["signed"] == true && events(std::slice::from_ref(it)).len() <= 10)
    );
    wait_settled(&caller).await;
}

#[tokio::test]
async fn addresses_of_private_networks_and_other_principals_are_refused() {
    let (daemon, _receiver) = daemon("sqlite:stanzabus.db").await;
    let caller = GrpcCaller::new(&daemon);
    for (uri, needle) in [
        ("https://10.0.0.1/", "not an address of the public internet"),
        ("http://localhost/", "only https"),
        ("https://user@example.org/", "credentials"),
        ("nonsense", "not a URL"),
    ] {
        let webhook = v1::Webhook { uri: uri.to_owned(), ..v1::Webhook::default() };
        let refused = caller
            .create_subscription(NAME, queue(webhook, v1::SubscriptionConfig::default()))
            .await
            .expect_err(uri);
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(
            refused.message().contains("config.webhook.uri") && refused.message().contains(needle),
            "{refused:?}"
        );
    }
    let made = daemon.cli(["token", "create", "shop"]).await.expect("a token");
    let token = made.split_whitespace().last().expect("it is printed").trim_matches('"').to_owned();
    let shop = GrpcCaller::holding(&token, &daemon);
    let webhook = v1::Webhook { uri: "https://example.org/".to_owned(), ..v1::Webhook::default() };
    let ask = async || {
        let asked =
            shop.create_subscription("shop", queue(webhook.clone(), v1::SubscriptionConfig::default())).await;
        asked.err().filter(|status| status.code() != Code::Unauthenticated)
    };
    let refused = wait_until("the token to count", PATIENCE, ask).await.expect("it is no admin");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
}

#[tokio::test]
async fn the_example_checks_signatures_and_prints_events() {
    let (daemon, trusted) = daemon("sqlite:stanzabus.db").await;
    let port = harness::free_port();
    let secret = daemon.folder().join("webhook.secret");
    std::fs::write(&secret, format!("{KEY}\n")).expect("the folder is ours");
    let log = daemon.folder().join("example.log");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/webhook/receiver.py");
    let mut command = tokio::process::Command::new(harness::python().expect("`tests/run` made the venv"));
    command.arg(script).arg(port.to_string()).arg(trusted.certificate()).arg(&secret);
    let _example = Child::spawn("the example", &mut command, &log).expect("it starts");
    let printed = async |needle: &str| {
        let found = async || std::fs::read_to_string(&log).ok().filter(|text| text.contains(needle));
        wait_until("what the example prints", PATIENCE, found).await.expect("it prints")
    };
    printed("listening").await;
    let url = format!("https://localhost:{port}/");
    let secret = secret.to_str().expect("UTF-8");
    let create = ["sub", "create", NAME, NODE, "--queue", "--webhook", &url, "--webhook-secret-file", secret];
    daemon.cli(create).await.expect("an admin may");
    daemon.cli(["pub", NODE, "--xml", "<order xmlns='urn:example:shop' number='7'/>"]).await.expect("it may");
    let line = printed("number='7'").await;
    assert!(line.contains("stanzabus.item.published"), "{line}");
    wait_settled(&GrpcCaller::new(&daemon)).await;
}

/// A daemon that serves gRPC and trusts a receiver; there is no XMPP server.
async fn daemon(store: &str) -> (Daemon, Receiver) {
    let server = format!("127.0.0.1:{}", harness::free_port());
    let mut daemon = Daemon::init_on_store(store, DOMAIN, &server, SECRET).await.expect("`init` succeeds");
    impatient(&mut daemon);
    let receiver = Receiver::start(&daemon).await;
    daemon.start().expect("it starts");
    wait_not_ready(&daemon, "xmpp: ").await;
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    (daemon, receiver)
}

async fn create(
    caller: &GrpcCaller,
    receiver: &Receiver,
    webhook: v1::Webhook,
    config: v1::SubscriptionConfig,
) {
    let webhook = v1::Webhook {
        uri: receiver.url(),
        secret: KEY.to_owned(),
        bearer_token: "t0ken".to_owned(),
        ..webhook
    };
    caller.create_subscription(NAME, queue(webhook, config)).await.expect("it may");
}

/// A queue whose events are tried again soon.
fn queue(webhook: v1::Webhook, config: v1::SubscriptionConfig) -> v1::SubscriptionConfig {
    v1::SubscriptionConfig {
        nodes: vec![NODE.to_owned()],
        mode: v1::SubscriptionMode::Queue.into(),
        lease: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        retry_schedule: vec![prost_types::Duration { seconds: 0, nanos: 100_000_000 }],
        destination: Some(Destination::Webhook(webhook)),
        ..config
    }
}

async fn show(daemon: &Daemon) -> Value {
    let shown = daemon.cli(["sub", "show", NAME]).await.expect("it is its own");
    serde_json::from_str(&shown).expect("JSON")
}

async fn wait_for_state(daemon: &Daemon, state: &str) -> Value {
    let found = async || Some(show(daemon).await).filter(|shown| shown["destination"]["state"] == state);
    wait_until(state, PATIENCE, found).await.expect("it comes to that")
}

/// Waits until nothing is left to do.
async fn wait_settled(caller: &GrpcCaller) {
    let settled = async || {
        let left = caller.backlog(NAME).await.ok()?;
        let is_settled = left.nodes.iter().all(|node| node.leased + node.waiting == 0);
        (is_settled && left.oldest_unsettled_time.is_none()).then_some(())
    };
    wait_until("the end of the backlog", PATIENCE, settled).await.expect("all is acknowledged");
}

fn deliveries(requests: &[Value]) -> impl Iterator<Item = &Value> {
    requests.iter().filter(|request| request["method"] == "POST")
}

/// The CloudEvents of deliveries, each once.
fn events(requests: &[Value]) -> BTreeSet<String> {
    let bodies = deliveries(requests).map(|it| it["body"].as_str().expect("text"));
    let documents = bodies.map(|body| serde_json::from_str::<Value>(body).expect("JSON"));
    let each = documents.flat_map(|document| match document {
        Value::Array(events) => events,
        event => vec![event],
    });
    each.map(|event| event["id"].to_string()).collect()
}

/// The item ids of deliveries in the structured mode.
fn subjects(requests: &[Value]) -> BTreeSet<String> {
    let bodies = deliveries(requests).map(|it| it["body"].as_str().expect("text"));
    bodies
        .map(|body| serde_json::from_str::<Value>(body).expect("JSON"))
        .filter_map(|event| event["subject"].as_str().map(str::to_owned))
        .collect()
}
