//! The HTTP API of the daemon as a process: what is acknowledged comes to whoever follows, across the daemon's end.

use harness::{Daemon, EventStream, HttpResponse, ServerSentEvent, http_get, wait_until};
use serde_json::Value;
use tokio::time::timeout;

use crate::peers::{GrpcCaller, HttpCaller, PATIENCE, on_prosody};

const NODE: &str = "orders";
const EVENTS: usize = 300;

/// A position that was acknowledged, and the id of the event there.
type Acknowledged = Vec<(u64, String)>;

#[tokio::test]
async fn a_follower_that_comes_back_misses_nothing_and_gets_nothing_twice_whatever_ends_the_daemon() {
    let (_server, mut daemon) = on_prosody().await;
    let port = daemon.serve_api();
    daemon.restart().await.unwrap();
    GrpcCaller::new(&daemon).create_node(NODE).await.unwrap();
    let token = std::fs::read_to_string(daemon.folder().join("stanzabus.token")).unwrap();
    let web = HttpCaller::at(port, token.trim());
    let mut follower = Follower { web: web.clone(), last_id: None, seen: Vec::new() };
    let mut stream = follower.open().await.expect("the daemon runs");

    let following = async {
        for (after, ends_in_order) in [(50, false), (150, true), (220, false)] {
            follower.follow(&mut stream, after).await;
            if ends_in_order {
                daemon.terminate().await.unwrap();
            } else {
                daemon.kill9().await.unwrap();
            }
            assert_eq!(follower.drain(stream).await, ends_in_order.then(|| "going-away".to_owned()));
            daemon.start().unwrap();
            wait_for_api(port, &daemon).await;
            stream = follower.open().await.expect("the daemon runs again");
        }
        (follower, stream)
    };
    let (acknowledged, (mut follower, mut stream)) = tokio::join!(publish(web), following);
    let head = acknowledged.iter().map(|(seq, _)| *seq).max().unwrap();
    follower.follow(&mut stream, usize::try_from(head).unwrap()).await;

    assert_eq!(acknowledged.len(), EVENTS);
    let positions: Vec<_> = follower.seen.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(positions, (1..=head).collect::<Vec<_>>(), "each position once, and none is missing");
    for event in &acknowledged {
        assert!(follower.seen.contains(event), "{event:?} was acknowledged");
    }
}

/// Publishes one event after the other, each until it is acknowledged.
async fn publish(web: HttpCaller) -> Acknowledged {
    let mut acknowledged = Vec::new();
    for number in 1..=EVENTS {
        let id = format!("e-{number}");
        let event = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"t"}}"#);
        let answer = wait_until("an answer", PATIENCE, async || {
            web.publish(NODE, &event).await.ok().filter(|answer| answer.status == 200)
        });
        let answer = answer.await.unwrap();
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["durability"], "fsync");
        acknowledged.push((answer["results"][0]["seq"].as_u64().unwrap(), id));
    }
    acknowledged
}

/// Whoever reads a stream as a browser does.
struct Follower {
    web: HttpCaller,
    last_id: Option<String>,
    seen: Acknowledged,
}

impl Follower {
    async fn open(&self) -> Option<EventStream> {
        let opened = self.web.follow_behind(NODE, self.last_id.as_deref()).await.ok()?;
        Some(opened.unwrap_or_else(|refused: HttpResponse| panic!("{refused:?}")))
    }

    /// Reads until so many events were seen.
    async fn follow(&mut self, stream: &mut EventStream, events: usize) {
        while self.seen.len() < events {
            let event = timeout(PATIENCE, stream.next()).await.expect("it comes").unwrap();
            self.take(event.expect("the stream goes on"));
        }
    }

    /// Reads to the end of a stream, however that ends; the name of what came last, if it had one.
    async fn drain(&mut self, mut stream: EventStream) -> Option<String> {
        let mut last = None;
        while let Ok(Some(event)) = timeout(PATIENCE, stream.next()).await.expect("it ends") {
            last.clone_from(&event.name);
            self.take(event);
        }
        last
    }

    fn take(&mut self, event: ServerSentEvent) {
        assert!(
            matches!(event.name.as_deref(), None | Some("opened" | "going-away")),
            "no gap, no new beginning: {event:?}"
        );
        if event.name.is_none() {
            let id = event.id.as_deref().unwrap();
            let seq = id.split_once('-').and_then(|(_, seq)| seq.parse().ok()).unwrap();
            let data: Value = serde_json::from_str(&event.data).unwrap();
            self.seen.push((seq, data["id"].as_str().unwrap().to_owned()));
        }
        if event.id.is_some() {
            self.last_id = event.id;
        }
    }
}

async fn wait_for_api(port: u16, daemon: &Daemon) {
    let answers = wait_until("the HTTP API", PATIENCE, async || http_get(port, "/").await.ok());
    let answer = answers.await.unwrap_or_else(|error| panic!("{error:#}: {}", daemon.log_path().display()));
    assert_eq!(answer.status, 404);
}
