use std::io::Read as _;
use std::path::Path;

use bridge_grpc::v1;
use serde::Serialize;

use crate::cli::{PayloadArguments, PubArguments};
use crate::client::{connect_grpc, connect_xmpp, output};
use crate::commands::node::durability_name;
use crate::failure::Failure;

/// What is printed for a published item.
#[derive(Serialize)]
struct PublishedLine<'a> {
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    item_id: &'a str,
    /// What holds by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<&'static str>,
    /// The same request had published it before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

/// `stanzabus pub`
pub(crate) async fn run(config: &Path, arguments: PubArguments) -> Result<(), Failure> {
    let PubArguments { node, payload, id, request_id, expected_last_seq, epoch, .. } = arguments;
    let PubArguments { once_per_cloud_event, act_as, .. } = arguments;
    let xml = read_payload(payload)?;
    if let Some(mut user) = connect_xmpp(config, &act_as).await? {
        let published = user.publish(&node, id.as_deref(), &xml).await;
        user.close().await;
        return output::print_json(&PublishedLine {
            node: &node,
            epoch: None,
            seq: None,
            item_id: &published?,
            durability: None,
            duplicate: false,
        });
    }
    let event = v1::NewEvent { item_id: id, payload: Some(v1::new_event::Payload::Xml(xml)) };
    let request = v1::PublishRequest {
        node: node.clone(),
        events: vec![event],
        request_id: request_id.unwrap_or_default(),
        expected_last_seq,
        expected_epoch: epoch,
        once_per_cloud_event,
    };
    let answer = connect_grpc(config).await?.publish(request).await?;
    let durability = durability_name(answer.durability());
    let result = answer.results.into_iter().next().unwrap_or_default();
    output::print_json(&PublishedLine {
        node: &node,
        epoch: Some(output::epoch_text(answer.epoch)),
        seq: Some(result.seq),
        item_id: &result.item_id,
        durability: Some(durability),
        duplicate: answer.duplicate,
    })
}

fn read_payload(arguments: PayloadArguments) -> Result<String, Failure> {
    if let Some(xml) = arguments.xml {
        return Ok(xml);
    }
    if let Some(json) = arguments.cloud_event {
        let event = bus_cloudevents::json::read(json.as_bytes());
        let event = event.map_err(|error| Failure::Usage(format!("--cloud-event: {error}")))?;
        return Ok(bus_cloudevents::xml::write(&event));
    }
    let path = arguments.file.unwrap_or_else(|| "-".into());
    let read = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(&path)
    };
    read.map_err(|source| Failure::Unreadable { path, source })
}
