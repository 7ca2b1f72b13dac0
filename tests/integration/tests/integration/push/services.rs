use std::fs;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_grpc::v1;
use bridge_grpc::v1::device_address::Provider;
use harness::Daemon;
use hyper::{HeaderMap, Method};
use outbound_http::{Client, Guard, Request, Settings};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::peers::PATIENCE;

/// `stanzabus push-mock` as a process, and what it can be asked.
pub(crate) struct Services {
    http: Client,
    url: String,
    _process: Child,
}

impl Services {
    /// In a folder of the daemon's, whose configuration gets an account of each provider.
    pub(crate) async fn start(daemon: &Daemon) -> Self {
        let mut command = daemon.command();
        command.args(["push-mock", "--folder", "mock", "--kept", "1000000"]);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        let text = |name: &str| listening[name].as_str().unwrap().to_owned();
        let url = text("url");
        let accounts = format!(
            "[push]\nallow_addresses = ['127.0.0.1']\nauthorities_file = 'mock/authority.pem'\nfeedback_node = 'feedback'\n\
             [[push.webpush]]\nvapid_key_file = 'mock/vapid.pem'\ncontact = 'mailto:a@example.org'\n\
             [[push.fcm]]\naccount_file = 'mock/fcm.json'\nurl = '{url}'\n\
             [[push.apns]]\nteam_id = '{}'\nkey_id = '{}'\nkey_file = 'mock/apns.p8'\n\
             production_url = '{url}'\nsandbox_url = '{url}'\n",
            text("apns_team_id"),
            text("apns_key_id"),
        );
        let config = fs::read_to_string(daemon.config_path()).unwrap();
        fs::write(daemon.config_path(), format!("{config}\n{accounts}")).unwrap();
        let settings = Settings {
            guard: Guard::allowing(vec!["127.0.0.1".parse().unwrap()]),
            authorities_pem: Some(fs::read(daemon.folder().join("mock/authority.pem")).unwrap()),
            response_bytes_max: 256 * 1024 * 1024,
            ..Settings::default()
        };
        Self { http: Client::new(settings).unwrap(), url, _process: process }
    }

    /// A new subscription of Web Push.
    pub(crate) async fn subscribe(&self) -> Provider {
        let subscription = self.ask(Method::POST, "subscriptions", "{}").await;
        let bytes = |text: &Value| URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap();
        Provider::WebPush(v1::WebPushAddress {
            endpoint: subscription["endpoint"].as_str().unwrap().to_owned(),
            public_key: bytes(&subscription["keys"]["p256dh"]),
            auth_secret: bytes(&subscription["keys"]["auth"]),
        })
    }

    /// What was taken, once it is so much.
    pub(crate) async fn received(&self, count: usize) -> Vec<Value> {
        let received = async || {
            let received = self.ask(Method::GET, "received", "").await;
            received.as_array().filter(|received| received.len() >= count).cloned()
        };
        harness::wait_until("what was sent", PATIENCE, received).await.unwrap()
    }

    /// How much was taken, refused and failed, by provider.
    pub(crate) async fn counts(&self) -> Value {
        self.ask(Method::GET, "counts", "").await
    }

    /// Has requests fail by more rules.
    pub(crate) async fn script(&self, rules: &Value) {
        self.ask(Method::POST, "faults", &rules.to_string()).await;
    }

    /// Has none fail any more.
    pub(crate) async fn clear_script(&self) {
        self.ask(Method::DELETE, "faults", "").await;
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> Value {
        let target = self.http.guard().check_url(&format!("{}/mock/{path}", self.url)).unwrap();
        let body = body.to_owned().into();
        let request = Request { method, target, headers: HeaderMap::new(), body };
        let answer = self.http.send(&request).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }
}
