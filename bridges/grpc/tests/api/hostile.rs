//! Strings that could never stand in XML, or would break out of it, are refused by field on every way in.

use bridge_grpc::v1;
use bridge_grpc::v1::list_items_request::Selection;
use tonic::Code;

use crate::rig::{ALICE, Rig, anonymous_event, event, expect_refusal};

const PAYLOAD: &str = "<entry xmlns='urn:example'/>";

fn hostile_names() -> Vec<String> {
    let characters = ["\0", "a\0b", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}", ""];
    let mut names: Vec<_> = characters.iter().map(|&name| name.to_owned()).collect();
    names.push("x".repeat(1_024));
    names
}

#[tokio::test]
async fn payloads_that_are_not_one_element_are_refused() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let deep = format!("{}{}", "<a xmlns='urn:a'>".repeat(3_000), "</a>".repeat(3_000));
    for xml in [
        "<entry>\0</entry>",
        "<entry>\u{b}</entry>",
        "<entry>\u{fffe}</entry>",
        "<entry a='\u{1}'/>",
        "<entry>&#0;</entry>",
        "<x:entry/>",
        "<entry x:a='1'/>",
        "</item><item>",
        "<entry xmlns='urn:example'/></item><item id='x'/>",
        "<entry></item></entry>",
        "<entry",
        "<entry/><entry/>",
        "text",
        "",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<?xml-stylesheet href='a'?><a/>",
        deep.as_str(),
    ] {
        let request = v1::PublishRequest {
            node: "news".into(),
            events: vec![anonymous_event(xml)],
            ..v1::PublishRequest::default()
        };
        let result = rig.publisher(ALICE).publish(request).await;
        let field = Some("events[0].xml");
        expect_refusal(result, Code::InvalidArgument, "PAYLOAD_INVALID", field);
    }
    assert_eq!(rig.publish("news", vec![anonymous_event(PAYLOAD)]).await, [1], "none of it is in the log");
}

#[tokio::test]
async fn node_names_that_cannot_stand_in_xml_are_refused_by_every_call() {
    let rig = Rig::start().await;
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    for name in hostile_names() {
        let mut nodes = rig.nodes(ALICE);
        let request =
            v1::CreateNodeRequest { name: name.clone(), config: None, ..v1::CreateNodeRequest::default() };
        expect_refusal(nodes.create_node(request).await, code, reason, Some("name"));
        let request = v1::GetNodeRequest { name: name.clone() };
        expect_refusal(nodes.get_node(request).await, code, reason, Some("name"));
        let request = v1::DeleteNodeRequest { name: name.clone(), ..Default::default() };
        expect_refusal(nodes.delete_node(request).await, code, reason, Some("name"));
        let request = v1::ListItemsRequest { node: name.clone(), ..v1::ListItemsRequest::default() };
        expect_refusal(nodes.list_items(request).await, code, reason, Some("node"));
        let request = v1::SetAffiliationsRequest { node: name.clone(), entries: Vec::new() };
        expect_refusal(nodes.set_affiliations(request).await, code, reason, Some("node"));
        let request = v1::PublishRequest {
            node: name.clone(),
            events: vec![anonymous_event(PAYLOAD)],
            ..v1::PublishRequest::default()
        };
        expect_refusal(rig.publisher(ALICE).publish(request).await, code, reason, Some("node"));
        let request = v1::TailRequest { node: name, ..v1::TailRequest::default() };
        expect_refusal(rig.subscriber(ALICE).tail(request).await, code, reason, Some("node"));
    }
}

#[tokio::test]
async fn item_ids_and_jids_that_cannot_stand_in_xml_are_refused() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    for id in hostile_names() {
        let request = v1::PublishRequest {
            node: "news".into(),
            events: vec![event(&id, PAYLOAD)],
            ..v1::PublishRequest::default()
        };
        let result = rig.publisher(ALICE).publish(request).await;
        expect_refusal(result, code, reason, Some("events[0].item_id"));

        let selection = Selection::Ids(v1::ItemIds { item_ids: vec!["good".into(), id.clone()] });
        let request = v1::ListItemsRequest {
            node: "news".into(),
            selection: Some(selection),
            ..v1::ListItemsRequest::default()
        };
        let result = rig.nodes(ALICE).list_items(request).await;
        expect_refusal(result, code, reason, Some("ids.item_ids[1]"));

        let jid = format!("a{id}@example.org/");
        let entry = v1::AffiliationEntry { jid, affiliation: v1::Affiliation::Member.into() };
        let request = v1::SetAffiliationsRequest { node: "news".into(), entries: vec![entry] };
        let result = rig.nodes(ALICE).set_affiliations(request).await;
        expect_refusal(result, code, reason, Some("entries[0].jid"));
    }
}

#[tokio::test]
async fn markup_in_names_is_only_text() {
    let rig = Rig::start().await;
    let name = "</item>'\"<&\n\u{1f4a1}";
    rig.create(name).await;
    assert_eq!(rig.publish(name, vec![event(name, PAYLOAD)]).await, [1]);
    let request = v1::ListItemsRequest { node: name.into(), ..v1::ListItemsRequest::default() };
    let items = rig.nodes(ALICE).list_items(request).await.unwrap().into_inner().items;
    assert_eq!((items[0].node.as_str(), items[0].item_id.as_str()), (name, name));
}
