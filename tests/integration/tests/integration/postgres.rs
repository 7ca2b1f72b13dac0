//! The daemon on PostgreSQL: the same bus, and a database that dies under load.

use bridge_grpc::v1;
use bus_xml::Element;
use harness::{Daemon, Postgres, XmppServer, wait_until};
use tokio::sync::mpsc;
use tonic::Code;

use crate::peers::{
    DOMAIN, GrpcCaller, Notification, PATIENCE, SECRET, TO_US, XmppPeer, assert_in_order, impatient, metric,
    ping, prosody, wait_not_ready,
};

const NODE: &str = "telemetry";

#[tokio::test]
async fn what_was_acknowledged_is_delivered_across_a_kill_of_the_daemon() {
    const EVENTS: u64 = 60;
    let url = Postgres::shared().await.create_database().await.unwrap();
    let (mut prosody, mut daemon) = with_subscriber(&url).await;
    let grpc = GrpcCaller::new(&daemon);
    for number in 1..=EVENTS / 2 {
        publish(&grpc, number).await.unwrap();
    }
    daemon.kill9().await.unwrap();
    prosody.stop().await.unwrap();
    daemon.start().unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;
    let grpc = GrpcCaller::new(&daemon);
    for number in EVENTS / 2 + 1..=EVENTS {
        assert_eq!(publish(&grpc, number).await.unwrap(), number, "the log goes on where it was");
    }
    daemon.kill9().await.unwrap();
    prosody.start().await.unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let notifications = receive_as_bob(&prosody, EVENTS).await;
    assert_eq!(assert_in_order(&notifications, 1), EVENTS);
    let items = GrpcCaller::new(&daemon).items(NODE).await.unwrap();
    assert_eq!(items.len() as u64, EVENTS);
}

#[tokio::test]
async fn a_database_that_is_killed_under_load_costs_waiting_and_no_event() {
    const KILLS: u64 = 3;
    let mut postgres = Postgres::start().await.unwrap();
    let (prosody, mut daemon) = with_subscriber(&postgres.create_database().await.unwrap()).await;
    let (acknowledged_sender, mut acknowledged) = mpsc::channel(100_000);
    let load = {
        let grpc = GrpcCaller::new(&daemon);
        tokio::spawn(async move {
            let mut refused = 0;
            for number in 1.. {
                match publish(&grpc, number).await {
                    Ok(seq) if acknowledged_sender.send(seq).await.is_err() => break,
                    Ok(_) => {}
                    Err(status) => {
                        assert_eq!(status.code(), Code::Unavailable, "the sender may try again: {status}");
                        refused += 1;
                    }
                }
            }
            refused
        })
    };
    let mut seqs = Vec::new();
    for _ in 0..KILLS {
        for _ in 0..100 {
            seqs.push(acknowledged.recv().await.expect("the load goes on"));
        }
        postgres.kill9().await.unwrap();
        wait_not_ready(&daemon, "store: ").await;
        postgres.start_again().await.unwrap();
        daemon.wait_ready().await.unwrap();
    }
    seqs.push(acknowledged.recv().await.expect("the load goes on"));
    acknowledged.close();
    while let Some(seq) = acknowledged.recv().await {
        seqs.push(seq);
    }
    assert!(load.await.unwrap() >= KILLS, "each kill was felt");
    assert!(seqs.is_sorted_by(|first, second| first < second), "one order, across every kill");

    let last = *seqs.last().expect("there are some");
    let notifications = receive_as_bob(&prosody, last).await;
    let delivered_through = assert_in_order(&notifications, 1);
    assert!(delivered_through >= last, "everything acknowledged is delivered, without a hole");
    assert_eq!(metric(&daemon, "stanzabus_link_up ").await, 1, "the link stayed");
    assert_eq!(metric(&daemon, "stanzabus_link_reconnects_total ").await, 0, "all the time");
    daemon.terminate().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_stopped_costs_waiting_only() {
    let postgres = Postgres::start().await.unwrap();
    let (_prosody, mut daemon) = with_subscriber(&postgres.create_database().await.unwrap()).await;
    let grpc = GrpcCaller::new(&daemon);
    assert_eq!(publish(&grpc, 1).await.unwrap(), 1);
    postgres.suspend().unwrap();
    let refused = publish(&grpc, 2).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    wait_not_ready(&daemon, "store: ").await;
    postgres.resume().unwrap();
    daemon.wait_ready().await.unwrap();
    let third = wait_until("a publish to be taken", PATIENCE, async || publish(&grpc, 3).await.ok());
    assert!([2, 3].contains(&third.await.unwrap()), "the second may have been committed after all");
    daemon.terminate().await.unwrap();
}

/// No commit checks what is published on such a node, so nothing else would tell.
#[tokio::test]
async fn what_another_instance_does_to_a_node_in_memory_is_heeded_here() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let (prosody, daemon) = with_subscriber(&url).await;
    let mut elsewhere = init(&url, harness::free_port()).await;
    elsewhere.start().unwrap();
    wait_not_ready(&elsewhere, "xmpp: ").await;
    let (here, there) = (GrpcCaller::new(&daemon), GrpcCaller::new(&elsewhere));
    let durability = v1::Durability::Memory.into();
    let config = v1::NodeConfig { durability, ..v1::NodeConfig::default() };
    here.create_node_with("game", config).await.unwrap();
    let mut users = Vec::new();
    for name in ["alice", "bob"] {
        let mut user = XmppPeer::user(&prosody, name).await;
        user.send("<presence/>").await;
        user.subscribe("game", &format!("{name}@localhost")).await;
        users.push(user);
    }
    let [alice, bob] = &mut users[..] else { unreachable!("two were just made") };
    // Bob is behind alice, so what has come to him has come to her.
    let mut reaches_alice = async || {
        let seq = here.publish("game", "move", "<move xmlns='urn:example'/>").await.unwrap();
        let is_new = |it: &Element| Notification::of(it).is_some_and(|it| it.seq == seq && it.node == "game");
        bob.receive_until(|stanzas| stanzas.iter().any(is_new)).await;
        alice.ask("", "to='localhost'").await.iter().any(is_new)
    };
    assert!(reaches_alice().await);
    there.affiliate("game", "alice@localhost", v1::Affiliation::Outcast).await.unwrap();
    let is_heeded = wait_until("the ban", PATIENCE, async || (!reaches_alice().await).then_some(()));
    is_heeded.await.unwrap();
    there.delete_node("game").await.unwrap();
    let is_gone = wait_until("the end of the node", PATIENCE, async || {
        let answer = here.publish("game", "move", "<move xmlns='urn:example'/>").await;
        answer.err().map(|status| status.code())
    });
    assert_eq!(is_gone.await.unwrap(), Code::NotFound);
}

#[tokio::test]
async fn doctor_names_the_server_and_what_is_wrong_with_it() {
    let postgres = Postgres::start_with_settings(&["fsync=off"]).await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let daemon = init(&url, harness::free_port()).await;
    let said = doctor(&daemon).await;
    assert!(said.contains("ok   store: PostgreSQL database bus0 on 127.0.0.1"), "{said}");
    assert!(said.contains("no schema yet"), "{said}");
    assert!(said.contains("FAIL store: fsync is off") && said.contains("set fsync = on"), "{said}");
    assert!(!said.contains(postgres.password()), "{said}");
    drop(postgres);
    let said = doctor(&daemon).await;
    assert!(said.contains("FAIL store: PostgreSQL database bus0"), "{said}");
    daemon.cli(["config", "check"]).await.expect("the configuration is right all the same");
}

async fn doctor(daemon: &Daemon) -> String {
    let output = daemon.cli_output(&["doctor".to_owned()]).await.expect("it ends");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A daemon on this database, that gives up on it soon; not started yet.
async fn init(store: &str, component_port: u16) -> Daemon {
    let server = format!("127.0.0.1:{component_port}");
    let mut daemon = Daemon::init_on_store(store, DOMAIN, &server, SECRET).await.expect("`init` succeeds");
    impatient(&mut daemon);
    for (key, value) in [("CONNECT", "4000"), ("CALL", "4000"), ("LOCK", "1000")] {
        daemon.set_env(format!("STANZABUS_LIMITS__STORE_{key}_TIMEOUT_MS"), value);
    }
    daemon
}

/// Bob is subscribed and away: Prosody keeps for him what it takes from the daemon.
async fn with_subscriber(store: &str) -> (XmppServer, Daemon) {
    let mut prosody = prosody();
    prosody.start().await.expect("Prosody starts");
    let mut daemon = init(store, prosody.component_port()).await;
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    XmppPeer::user(&prosody, "bob").await.subscribe(NODE, "bob@localhost").await;
    (prosody, daemon)
}

async fn publish(grpc: &GrpcCaller, number: u64) -> Result<u64, tonic::Status> {
    let xml = format!("<reading xmlns='urn:example'>{number}</reading>");
    grpc.publish(NODE, &format!("item-{number}"), &xml).await
}

/// All notifications up to `last_seq`, as bob hears them when he comes back.
async fn receive_as_bob(prosody: &XmppServer, last_seq: u64) -> Vec<Notification> {
    let mut bob = XmppPeer::user(prosody, "bob").await;
    bob.send(format!("<presence/>{}", ping(TO_US, "hello"))).await;
    let is_last = |notification: Notification| notification.seq >= last_seq;
    let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    received.await.iter().filter_map(Notification::of).collect()
}
