//! Web Push as a receiver reads it that nobody here wrote: pywebpush's `http_ece`. `webpush/receiver.py` is a push service
//! of HTTP/1.1 and its user agent.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_push::apns::{ApnsSettings, ApnsSink};
use bridge_push::fcm::{FcmSettings, FcmSink};
use bridge_push::webpush::{WebPushSettings, WebPushSink};
use bridge_push::{Push, Sink};
use bus_domain::push::{ApnsEnvironment, PushAddress, PushMessage, PushVerdict};
use bus_engine::{Clock as _, SystemClock, SystemIds};
use harness::{Authority, Validity};
use hyper::{HeaderMap, Method};
use outbound_http::{Client, Guard, Request, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/webpush/receiver.py");

#[tokio::test]
async fn an_independent_implementation_decrypts_what_is_sent() {
    let authority = Authority::new().unwrap();
    let longest = "x".repeat(3_993);
    let payloads =
        ["", "When I grow up, I want to be a watermelon", "\u{2}\0ends like padding\u{2}\0\0", &longest];
    let mut receiver = Receiver::start(&authority, payloads.len()).await;
    let sink = sink(&authority);
    for payload in payloads {
        let webpush_payload = Some(payload.as_bytes().to_vec());
        let message = PushMessage { webpush_payload, ttl_s: 61, ..PushMessage::default() };
        let expires_at_ms = SystemClock.now_ms() + 60_900;
        let push = Push { id: [0; 16], address: &receiver.address, message: &message, expires_at_ms };
        let outcome = sink.send(&push).await;
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
        let read = receiver.next_line().await;
        assert_eq!(read["plaintext"], payload);
        assert_eq!((read["path"].as_str(), read["ttl"].as_str()), (Some("/push?for=me"), Some("60")));
        assert_eq!(read["claims"]["aud"], receiver.origin);
        assert_eq!(read["claims"]["sub"], "mailto:admin@example.org");
    }
}

/// As a user runs it: the command says where it is, its files are what a sender needs, and it can be told to fail.
#[tokio::test]
async fn the_mock_of_the_command_line_takes_what_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Command::new(harness::Daemon::binary().unwrap())
        .args(["push-mock", "--folder", "mock"])
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let listening = parsed(lines.next_line().await.unwrap());
    let file = |name: &str| fs::read(folder.path().join(listening[name].as_str().unwrap())).unwrap();
    let http = client(file("authority_file"));
    let ask = async |method: Method, path: &str, body: &'static str| {
        let target =
            http.guard().check_url(&format!("{}/mock/{path}", listening["url"].as_str().unwrap())).unwrap();
        let answer = http
            .send(&Request { method, target, headers: HeaderMap::new(), body: body.into() })
            .await
            .unwrap();
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    };
    let subscription: Value = ask(Method::POST, "subscriptions", "{}").await;
    let url = listening["url"].as_str().unwrap().to_owned();
    let text = |name: &str| listening[name].as_str().unwrap().to_owned();
    let apns = ApnsSettings {
        team_id: text("apns_team_id"),
        key_id: text("apns_key_id"),
        key_pem: file("apns_key_file"),
        production_url: url.clone(),
        sandbox_url: url.clone(),
    };
    let fcm = FcmSettings { account_json: file("fcm_account_file"), url };
    let apple_device = PushAddress::Apns {
        token: "0f".repeat(32),
        bundle_id: "org.example.app".to_owned(),
        environment: ApnsEnvironment::Sandbox,
    };
    let sinks: [(PushAddress, Box<dyn Sink>); 3] = [
        (address_of(&subscription), Box::new(sink_with(http.clone(), file("vapid_key_file")))),
        (apple_device, Box::new(ApnsSink::new(&apns, http.clone(), Arc::new(SystemClock)).unwrap())),
        (
            PushAddress::Fcm { token: "token".to_owned() },
            Box::new(FcmSink::new(&fcm, http.clone(), Arc::new(SystemClock)).unwrap()),
        ),
    ];
    let message = PushMessage { title: Some("Hello".to_owned()), ..PushMessage::default() };
    for (address, sink) in &sinks {
        let push =
            Push { id: [0; 16], address, message: &message, expires_at_ms: SystemClock.now_ms() + 60_000 };
        let outcome = sink.send(&push).await;
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
        ask(Method::POST, "faults", r#"[{"times":1,"fault":{"answer":{"status":503}}}]"#).await;
        let outcome = sink.send(&push).await;
        assert!(matches!(outcome.verdict, PushVerdict::Retry { .. }), "{outcome:?}");
    }
    let received = ask(Method::GET, "received", "").await;
    assert_eq!(received[0]["payload"], r#"{"title":"Hello"}"#);
    let one_of_each = json!({ "taken": 1, "refused": 0, "failed": 1 });
    let counts = ask(Method::GET, "counts", "").await;
    assert_eq!(counts, json!({ "apns": one_of_each, "fcm": one_of_each, "webpush": one_of_each }));
}

struct Receiver {
    address: PushAddress,
    origin: String,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Receiver {
    async fn start(authority: &Authority, messages: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("identity.pem");
        fs::write(&identity, authority.key_and_certificate_pem(&["127.0.0.1"], Validity::Current).unwrap())
            .unwrap();
        let mut process = Command::new(harness::python().expect("`tests/run` made the venv"))
            .arg(SCRIPT)
            .arg(&identity)
            .arg(messages.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let subscription = parsed(lines.next_line().await.unwrap());
        let address = address_of(&subscription);
        let origin = address.token().strip_suffix("/push?for=me").unwrap().to_owned();
        Self { address, origin, lines, _process: process, _folder: folder }
    }

    async fn next_line(&mut self) -> Value {
        parsed(self.lines.next_line().await.unwrap())
    }
}

fn sink(authority: &Authority) -> WebPushSink {
    // The key stands before the certificate.
    let vapid_key_pem =
        authority.key_and_certificate_pem(&["vapid"], Validity::Current).unwrap().into_bytes();
    sink_with(client(authority.certificate_pem().as_bytes().to_vec()), vapid_key_pem)
}

fn client(authority_pem: Vec<u8>) -> Client {
    let guard = Guard::allowing(vec!["127.0.0.1".parse().unwrap()]);
    Client::new(Settings { guard, authorities_pem: Some(authority_pem), ..Settings::default() }).unwrap()
}

fn sink_with(http: Client, vapid_key_pem: Vec<u8>) -> WebPushSink {
    let contact = "mailto:admin@example.org".to_owned();
    let settings = WebPushSettings { vapid_key_pem, contact, body_bytes_max: 4_096 };
    WebPushSink::new(&settings, http, Arc::new(SystemClock), Arc::new(SystemIds)).unwrap()
}

fn address_of(subscription: &Value) -> PushAddress {
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(subscription["keys"][name].as_str().unwrap()).unwrap();
    PushAddress::WebPush {
        endpoint: subscription["endpoint"].as_str().unwrap().to_owned(),
        public_key: bytes("p256dh"),
        auth_secret: bytes("auth"),
    }
}

fn parsed(line: Option<String>) -> Value {
    serde_json::from_str(&line.expect("the receiver says something; its errors are above")).unwrap()
}
