use bus_domain::BusError;
use bus_domain::retrieve::{Page, PageAt, Selection};

use crate::ad_hoc::node_changes::node;
use crate::ad_hoc::table::{COMMAND_FORM, Found, Turn};
use crate::date_time;
use crate::errors::Refusal;
use crate::form::{encode_field, encode_result};
use crate::node_form;
use crate::xml::Xml;

/// A node's counts and positions, and its configuration.
pub(super) async fn inspect(turn: Turn<'_>) -> Result<Found, Refusal> {
    let Turn { engine, actor, .. } = turn;
    let view = engine.node(actor, &node(&turn)?).await?;
    let subscriptions = engine.count_subscriptions(&view.facts).await?;
    let one = Selection::Page(Page { at: PageAt::First, items_max: 1 });
    let items = match engine.items(actor, &view.facts.name, one).await {
        Ok(listing) => listing.count,
        // It keeps none.
        Err(BusError::Unsupported(_)) => 0,
        Err(error) => return Err(error.into()),
    };
    let facts = &view.facts;
    let more = |out: &mut Xml| {
        let mut field = |var: &str, value: String| encode_field(var, "text-single", [value], out);
        field("node", facts.name.to_string());
        field("creator", facts.creator.to_string());
        field("created", date_time::encode(facts.created_at_ms));
        field("epoch", format!("{:016x}", facts.epoch.0));
        field("head_seq", view.head_seq.to_string());
        field("items", items.to_string());
        field("subscriptions", subscriptions.to_string());
        field("affiliations", facts.affiliations.len().to_string());
    };
    let mut out = Xml::default();
    encode_result(COMMAND_FORM, node_form::TABLE, &facts.config, more, &mut out);
    Ok(Found::Form(out.finish()))
}
