use bus_domain::{BusError, NodeName};

use crate::ad_hoc::table::{Column, Found, Row, Turn};
use crate::errors::Refusal;

const COLUMNS: &[Column] = &[
    ("node", "Node"),
    ("title", "Title"),
    ("type", "Type of payloads"),
    ("access_model", "Access model"),
    ("publish_model", "Publish model"),
    ("durability", "Durability"),
];

/// A page of all nodes, by name.
pub(super) async fn page(turn: Turn<'_>) -> Result<Found, Refusal> {
    let after = turn.after.map(NodeName::new).transpose().map_err(|_| BusError::UnknownPosition)?;
    let list = turn.engine.nodes(turn.actor, after, u32::MAX).await?;
    let rows = list.nodes.into_iter().map(|node| {
        let (config, text) = (node.config, |text: Option<String>| text.unwrap_or_default());
        let cells = vec![
            node.name.to_string(),
            text(config.about.title),
            text(config.about.payload_type),
            config.access_model.as_str().to_owned(),
            config.publish_model.as_str().to_owned(),
            config.durability.as_str().to_owned(),
        ];
        Row { uid: node.name.to_string(), cells }
    });
    Ok(Found::Rows { columns: COLUMNS, rows: rows.collect(), has_more: list.next_after.is_some() })
}
