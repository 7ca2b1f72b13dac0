//! A time of day that jumps changes what events are stamped with, and nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness::Daemon;
use tempfile::TempDir;

use crate::peers::{GrpcCaller, Notification, TO_US, XmppPeer, assert_in_order, init, ping, prosody};

const NODE: &str = "clocked";
const DAY_S: i64 = 86_400;

#[tokio::test]
async fn jumps_of_the_clock_change_the_stamps_of_events_and_nothing_else() {
    let clock = Clock::compile();
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let mut daemon = init(prosody.component_port()).await;
    clock.rule(&mut daemon);
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node(NODE).await.unwrap();
    let mut bob = XmppPeer::user(&prosody, "bob").await;
    bob.send("<presence/>").await;
    bob.subscribe(NODE, "bob@localhost").await;

    let jumps = [0, 400 * DAY_S, -3 * DAY_S, -40 * 365 * DAY_S, 1];
    for (round, jump) in (0..).zip(jumps) {
        clock.set_s(jump);
        for number in 0..10 {
            let seq = grpc.publish(NODE, &format!("{round}-{number}"), "<e xmlns='urn:x'/>").await.unwrap();
            assert_eq!(seq, round * 10 + number + 1);
        }
        bob.ask(&ping(TO_US, "alive"), TO_US).await;
        if round == 2 {
            daemon.restart().await.unwrap();
        }
    }
    let stamps: Vec<_> = stamps(&grpc).await;
    assert_eq!(stamps.len(), jumps.len() * 10, "none has gone");
    assert!(stamps[10] - stamps[0] > 399 * DAY_S, "the clock did jump: {stamps:?}");
    assert!(stamps[10] - stamps[20] > 399 * DAY_S, "and back");
    assert!(stamps[20] - stamps[30] > 39 * 365 * DAY_S, "and far back");
    drop(bob);

    let mut bob = XmppPeer::user(&prosody, "bob").await;
    bob.send("<presence/>").await;
    let last = grpc.publish(NODE, "last", "<e xmlns='urn:x'/>").await.unwrap();
    let heard = bob.receive_until(|stanzas| {
        stanzas.iter().filter_map(Notification::of).any(|notification| notification.seq == last)
    });
    let heard: Vec<_> = heard.await.iter().filter_map(Notification::of).collect();
    assert_eq!(assert_in_order(&heard, heard[0].seq), last);
}

/// When the items were published, in seconds, oldest item first.
async fn stamps(grpc: &GrpcCaller) -> Vec<i64> {
    let items = grpc.items(NODE).await.expect("they can be read");
    items.into_iter().map(|item| item.publish_time.expect("each has a stamp").seconds).collect()
}

/// `clock.c`, compiled, and the file by which it is ruled.
struct Clock(TempDir);

impl Clock {
    fn compile() -> Self {
        let clock = Self(tempfile::tempdir().expect("a folder"));
        clock.set_s(0);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/trouble/clock.c");
        let flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"];
        let mut cc = Command::new("cc");
        cc.args(flags).arg(clock.library()).arg(source).arg("-ldl");
        let ended = cc.output().expect("cc, which Rust links with, is there");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        clock
    }

    /// Rules the daemon's time of day from its next start on.
    fn rule(&self, daemon: &mut Daemon) {
        daemon.set_env("LD_PRELOAD", self.library());
        daemon.set_env("CLOCK_OFFSET", self.offset_file());
    }

    /// Moves the time of day, so many seconds away from the machine's.
    fn set_s(&self, offset_s: i64) {
        // Written in place: the daemon has the file mapped.
        let file = fs::File::options().create(true).truncate(false).write(true).open(self.offset_file());
        std::io::Write::write_all(&mut file.expect("a file"), &offset_s.to_ne_bytes()).expect("room");
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("clock.so")
    }

    fn offset_file(&self) -> PathBuf {
        self.0.path().join("offset")
    }
}
