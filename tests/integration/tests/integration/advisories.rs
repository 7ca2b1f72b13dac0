//! What an operator hears of a daemon whose server and database go away and come back.

use bridge_grpc::v1::AdvisoryKind;
use bridge_grpc::v1::stream_advisories_response::Frame;
use harness::{Daemon, Postgres};
use tokio::time::timeout;

use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, SECRET, impatient, prosody, wait_not_ready};

#[tokio::test]
async fn link_and_store_are_told_of_when_they_go_and_when_they_come_back() {
    let mut postgres = Postgres::start().await.unwrap();
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let server = format!("127.0.0.1:{}", prosody.component_port());
    let url = postgres.create_database().await.unwrap();
    let mut daemon = Daemon::init_on_store(&url, DOMAIN, &server, SECRET).await.unwrap();
    impatient(&mut daemon);
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let grpc = GrpcCaller::new(&daemon);
    let mut frames = grpc.advisories().await.unwrap();
    let mut expect = async |kind: AdvisoryKind| {
        let told = async {
            loop {
                let frame = frames.message().await.unwrap().unwrap().frame;
                if let Some(Frame::Advisory(advisory)) = frame
                    && advisory.kind() == kind
                {
                    return;
                }
            }
        };
        timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{kind:?} is told"));
    };
    expect(AdvisoryKind::LinkUp).await;
    prosody.stop().await.unwrap();
    expect(AdvisoryKind::LinkDown).await;
    prosody.start().await.unwrap();
    expect(AdvisoryKind::LinkUp).await;
    postgres.kill9().await.unwrap();
    wait_not_ready(&daemon, "store: ").await;
    // Whoever wants something of the store finds it out.
    grpc.create_node("orders").await.unwrap_err();
    expect(AdvisoryKind::StoreAway).await;
    postgres.start_again().await.unwrap();
    daemon.wait_ready().await.unwrap();
    grpc.create_node("orders").await.unwrap();
    expect(AdvisoryKind::StoreBack).await;
    daemon.terminate().await.unwrap();
}
