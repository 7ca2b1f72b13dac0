use bridge_grpc::v1;
use bridge_grpc::v1::list_items_request::Selection;
use bus_domain::Limits;
use bus_engine::Settings;
use tonic::{Code, Status};

use crate::rig::{ALICE, BOB, Rig, event, expect_refusal};

async fn list(rig: &Rig, node: &str, selection: Selection) -> Result<v1::ListItemsResponse, Status> {
    let request = v1::ListItemsRequest {
        node: node.to_owned(),
        selection: Some(selection),
        ..v1::ListItemsRequest::default()
    };
    rig.nodes(BOB).list_items(request).await.map(tonic::Response::into_inner)
}

fn page(page_size: u32, page_token: &str) -> Selection {
    Selection::Page(v1::ItemPage { page_size, page_token: page_token.to_owned() })
}

fn by_id(ids: &[&str]) -> Selection {
    Selection::Ids(v1::ItemIds { item_ids: ids.iter().map(|id| (*id).to_owned()).collect() })
}

fn ids(response: &v1::ListItemsResponse) -> Vec<&str> {
    response.items.iter().map(|item| item.item_id.as_str()).collect()
}

/// A node with the items a to e; a was overwritten last.
async fn rig_with_items() -> Rig {
    let limits = Limits { page_items_max: 4, request_items_max: 3, ..Limits::default() };
    let rig = Rig::start_with(Settings { limits, ..Settings::default() }).await;
    rig.create("news").await;
    for id in ["a", "b", "c", "d", "e", "a"] {
        rig.publish("news", vec![event(id, "<a xmlns='urn:a'/>")]).await;
    }
    rig
}

#[tokio::test]
async fn pages_lead_through_all_items_oldest_first() {
    let rig = rig_with_items().await;
    let first = list(&rig, "news", page(2, "")).await.unwrap();
    assert_eq!((ids(&first), first.total_size), (vec!["b", "c"], Some(5)));
    assert_eq!(first.next_page_token, first.items[1].event_id);
    let second = list(&rig, "news", page(2, &first.next_page_token)).await.unwrap();
    assert_eq!(ids(&second), ["d", "e"]);
    let last = list(&rig, "news", page(2, &second.next_page_token)).await.unwrap();
    assert_eq!((ids(&last), last.items[0].seq, last.next_page_token.as_str()), (vec!["a"], 6, ""));

    let unlimited = list(&rig, "news", page(0, "")).await.unwrap();
    assert_eq!(ids(&unlimited), ["b", "c", "d", "e"], "the bus knows how much is enough");
    let request = v1::ListItemsRequest { node: "news".into(), ..v1::ListItemsRequest::default() };
    assert_eq!(rig.nodes(BOB).list_items(request).await.unwrap().into_inner(), unlimited);
}

#[tokio::test]
async fn a_page_token_holds_while_items_come_and_go() {
    let rig = rig_with_items().await;
    let token = list(&rig, "news", page(2, "")).await.unwrap().next_page_token;
    rig.publish("news", vec![event("c", "<a xmlns='urn:a'/>"), event("f", "<a xmlns='urn:a'/>")]).await;
    let next = list(&rig, "news", page(4, &token)).await.unwrap();
    assert_eq!(ids(&next), ["d", "e", "a", "c"], "the item of the token has moved, its place has not");
}

#[tokio::test]
async fn the_newest_items_come_oldest_first() {
    let rig = rig_with_items().await;
    let newest = list(&rig, "news", Selection::Newest(2)).await.unwrap();
    assert_eq!((ids(&newest), newest.total_size, newest.truncated), (vec!["e", "a"], Some(5), false));
    assert_eq!(newest.next_page_token, "");
    let cut = list(&rig, "news", Selection::Newest(1_000)).await.unwrap();
    assert_eq!((ids(&cut), cut.truncated), (vec!["c", "d", "e", "a"], true));
    let none = list(&rig, "news", Selection::Newest(0)).await;
    expect_refusal(none, Code::InvalidArgument, "REQUEST_INVALID", Some("newest"));
}

#[tokio::test]
async fn items_are_found_by_their_ids() {
    let rig = rig_with_items().await;
    let found = list(&rig, "news", by_id(&["a", "nowhere", "d"])).await.unwrap();
    assert_eq!((ids(&found), found.total_size), (vec!["d", "a"], None));
    let none = list(&rig, "news", by_id(&[])).await;
    expect_refusal(none, Code::InvalidArgument, "REQUEST_INVALID", Some("ids.item_ids"));
    let many = list(&rig, "news", by_id(&["a", "b", "c", "d"])).await;
    expect_refusal(many, Code::InvalidArgument, "TOO_MANY_ITEMS", Some("ids.item_ids"));
}

#[tokio::test]
async fn a_token_of_something_else_is_refused() {
    let rig = rig_with_items().await;
    rig.create("other").await;
    rig.publish("other", vec![event("x", "<a xmlns='urn:a'/>")]).await;
    let of_other = list(&rig, "other", page(1, "")).await.unwrap().items[0].event_id.clone();
    let of_old = list(&rig, "news", page(1, "")).await.unwrap().items[0].event_id.clone();
    rig.nodes(ALICE)
        .delete_node(v1::DeleteNodeRequest { name: "news".into(), ..Default::default() })
        .await
        .unwrap();
    rig.create("news").await;
    for token in [of_other.as_str(), of_old.as_str(), "x", "made up", &"A".repeat(43)] {
        let refused = list(&rig, "news", page(1, token)).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("page.page_token"));
    }
}

#[tokio::test]
async fn a_node_shows_its_items_to_those_who_may_read() {
    let rig = rig_with_items().await;
    rig.affiliate("news", BOB, v1::Affiliation::Outcast).await;
    let outcast = list(&rig, "news", page(1, "")).await;
    expect_refusal(outcast, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    let missing = list(&rig, "nowhere", page(1, "")).await;
    expect_refusal(missing, Code::NotFound, "NODE_NOT_FOUND", None);
}
