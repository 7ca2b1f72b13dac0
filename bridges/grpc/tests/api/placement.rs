//! Which nodes a node is among: collections (XEP-0248), parents and links (XEP-0496).

use bridge_grpc::v1;
use tonic::Code;

use crate::rig::{ALICE, BOB, Rig, expect_refusal};

fn names(names: &[&str]) -> v1::NodeNames {
    v1::NodeNames { names: names.iter().map(|&name| name.to_owned()).collect() }
}

async fn collection(rig: &Rig, name: &str) {
    let config = v1::NodeConfig { node_type: v1::NodeType::Collection.into(), ..v1::NodeConfig::default() };
    rig.create_with(name, config).await;
}

async fn place(rig: &Rig, name: &str, placement: v1::Placement) -> Result<(), tonic::Status> {
    let request = v1::ConfigureNodeRequest {
        name: name.to_owned(),
        placement: Some(placement),
        ..v1::ConfigureNodeRequest::default()
    };
    rig.nodes(ALICE).configure_node(request).await.map(drop)
}

async fn shown(rig: &Rig, principal: &'static str, name: &str) -> Option<v1::Placement> {
    let request = v1::GetNodeRequest { name: name.to_owned() };
    rig.nodes(principal).get_node(request).await.unwrap().into_inner().node.unwrap().placement
}

#[tokio::test]
async fn a_node_is_made_in_a_collection_and_leaves_it() {
    let rig = Rig::start().await;
    collection(&rig, "all").await;
    let request = v1::CreateNodeRequest {
        name: "news".into(),
        placement: Some(v1::Placement { collections: Some(names(&["all"])), ..v1::Placement::default() }),
        ..v1::CreateNodeRequest::default()
    };
    rig.nodes(ALICE).create_node(request).await.unwrap();
    rig.create("sport").await;
    let request = v1::AssociateNodeRequest { collection: "all".into(), node: "sport".into() };
    rig.nodes(ALICE).associate_node(request).await.unwrap();
    let all = shown(&rig, ALICE, "all").await.unwrap();
    assert_eq!(all.children, Some(names(&["news", "sport"])));
    assert_eq!(shown(&rig, ALICE, "news").await.unwrap().collections, Some(names(&["all"])));
    assert_eq!(shown(&rig, BOB, "all").await, None, "for owners only");

    let request = || v1::DissociateNodeRequest { collection: "all".into(), node: "news".into() };
    expect_refusal(
        rig.nodes(BOB).dissociate_node(request()).await,
        Code::PermissionDenied,
        "AFFILIATION_REQUIRED",
        None,
    );
    rig.nodes(ALICE).dissociate_node(request()).await.unwrap();
    assert_eq!(shown(&rig, ALICE, "all").await.unwrap().children, Some(names(&["sport"])));
    place(&rig, "all", v1::Placement { children: Some(names(&["news"])), ..v1::Placement::default() })
        .await
        .unwrap();
    assert_eq!(shown(&rig, ALICE, "all").await.unwrap().children, Some(names(&["news"])));
}

#[tokio::test]
async fn a_node_is_below_another_one_until_it_is_told_otherwise() {
    let rig = Rig::start().await;
    rig.create("house").await;
    rig.create("room").await;
    let parent = |name: &str| v1::Placement { parent: Some(name.to_owned()), ..v1::Placement::default() };
    place(&rig, "room", parent("house")).await.unwrap();
    assert_eq!(shown(&rig, ALICE, "room").await.unwrap().parent.as_deref(), Some("house"));
    place(&rig, "room", v1::Placement::default()).await.unwrap();
    assert_eq!(shown(&rig, ALICE, "room").await.unwrap().parent.as_deref(), Some("house"));
    rig.affiliate("house", BOB, v1::Affiliation::Outcast).await;
    let request = v1::GetNodeRequest { name: "room".into() };
    assert!(rig.nodes(BOB).get_node(request).await.is_err(), "who is banned above is banned below");
    place(&rig, "room", parent("")).await.unwrap();
    assert_eq!(shown(&rig, ALICE, "room").await.unwrap().parent.as_deref(), Some(""));

    let links = v1::Placement { link: Some("\u{0}".to_owned()), ..v1::Placement::default() };
    let refused = place(&rig, "room", links).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("placement.link"));
    let wrong = v1::Placement { collections: Some(names(&["all", ""])), ..v1::Placement::default() };
    let refused = place(&rig, "room", wrong).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("placement.collections.names[1]"));
}
