//! A store without room refuses publishes so that they may be tried again, keeps the link, goes on reading, and takes
//! publishes again by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Daemon, XmppServer, wait_until};
use tonic::Code;

use crate::peers::{GrpcCaller, PATIENCE, StanzaKind, TO_US, XmppPeer, init, kind_of, metric, prosody};

/// 40 KiB, so that a store of 1 MiB is soon full.
fn large_payload() -> String {
    format!("<e xmlns='urn:x'>{}</e>", "x".repeat(40 * 1024))
}

#[tokio::test]
async fn a_file_at_its_bound_refuses_publishes_until_a_node_is_deleted() {
    let (prosody, mut daemon) = started(&[("STANZABUS_STORE__SQLITE_BYTES_MAX", "1048576")]).await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("old").await.unwrap();
    grpc.create_node("new").await.unwrap();
    fill(&grpc, "old").await;
    assert_refused_on_both_legs(&prosody, &daemon, &grpc).await;

    grpc.delete_node("old").await.expect("what frees space is not refused");
    assert_takes_publishes_again(&daemon, &grpc).await;
    assert_eq!(daemon.terminate().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_full_disk_refuses_publishes_until_there_is_room_again() {
    let disk = SmallDisk::mount("8m");
    let url = format!("sqlite:{}", disk.path().join("stanzabus.db").display());
    let (prosody, mut daemon) = started(&[("STANZABUS_STORE__URL", &url)]).await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("old").await.unwrap();
    grpc.create_node("new").await.unwrap();
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0; 5 << 20]).unwrap();
    fill(&grpc, "old").await;
    assert_refused_on_both_legs(&prosody, &daemon, &grpc).await;

    fs::remove_file(ballast).unwrap();
    assert_takes_publishes_again(&daemon, &grpc).await;
    let before = grpc.items("old").await.unwrap().len();
    daemon.kill9().await.unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    assert_eq!(GrpcCaller::new(&daemon).items("old").await.unwrap().len(), before, "the file is whole");
    daemon.terminate().await.unwrap();
}

async fn started(environment: &[(&str, &str)]) -> (XmppServer, Daemon) {
    let mut prosody = prosody();
    prosody.start().await.expect("Prosody starts");
    let mut daemon = init(prosody.component_port()).await;
    for (name, value) in environment {
        daemon.set_env(*name, *value);
    }
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    (prosody, daemon)
}

/// Publishes until it is refused.
async fn fill(grpc: &GrpcCaller, node: &str) {
    for number in 0..1_000 {
        if let Err(status) = grpc.publish(node, &format!("item-{number}"), &large_payload()).await {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(number > 3, "there was room at first");
            return;
        }
    }
    panic!("1,000 events of 40 KiB fit");
}

async fn assert_refused_on_both_legs(prosody: &XmppServer, daemon: &Daemon, grpc: &GrpcCaller) {
    let refused = grpc.publish("new", "a", &large_payload()).await.expect_err("there is no room");
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let items = grpc.items("old").await.expect("reads go on");
    assert!(!items.is_empty());

    let mut alice = XmppPeer::user(prosody, "alice").await;
    let item = format!("<item id='a'>{}</item>", large_payload());
    let publish = format!("<publish node='alices'>{item}</publish>");
    let create = pubsub("create", "<create node='alices'/>");
    // A node of her own; where not even that has room, it is refused alike.
    let mut answers = alice.ask(&create, TO_US).await;
    answers.retain(|answer| answer.name() == "iq");
    if kind_of(&answers[0]) == StanzaKind::Result(Some("create".to_owned())) {
        answers = alice.ask(&pubsub("publish", &publish), TO_US).await;
    }
    let error = answers[0].children().find(|child| child.name() == "error");
    assert_eq!(error.and_then(|error| error.attr("type")), Some("wait"), "{answers:?}");
    assert_eq!(metric(daemon, "stanzabus_link_up ").await, 1, "the link is kept");
    assert_eq!(metric(daemon, "stanzabus_link_reconnects_total ").await, 0);
    assert!(metric(daemon, "stanzabus_commits_failed_total ").await > 0);
}

async fn assert_takes_publishes_again(daemon: &Daemon, grpc: &GrpcCaller) {
    let again = async || grpc.publish("new", "a", &large_payload()).await.ok();
    let seq = wait_until("room", PATIENCE, again).await.expect("it recovers by itself");
    assert_eq!(seq, 1, "what was refused has left nothing");
    assert_eq!(metric(daemon, "stanzabus_link_reconnects_total ").await, 0);
}

fn pubsub(id: &str, request: &str) -> String {
    format!(
        "<iq type='set' {TO_US} id='{id}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{request}</pubsub></iq>"
    )
}

/// A file system of its own in memory, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"]).arg(folder.path());
        assert!(mount.status().expect("mount is there").success(), "mounting needs root");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        Path::to_owned(self.0.path())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test leaves behind is killed a moment later.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
