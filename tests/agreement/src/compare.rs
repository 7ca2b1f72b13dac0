use bus_domain::retrieve::Selection;
use bus_domain::{Actor, BusError, Event, Jid, NodeName, Role, SubscriptionState};
use bus_engine::{Engine, Outcome};

use crate::commands::ADMIN;
use crate::model::{Answer, ItemName, Model, Node};

/// Compares an answer with what it should be.
pub(crate) fn answer(expected: &Answer, actual: &Result<Outcome, BusError>) -> Result<(), String> {
    let actual = match actual {
        Ok(Outcome::Affiliated { rejected }) if !rejected.is_empty() => Answer::DoneBut(rejected.len()),
        Ok(Outcome::SubscriptionsManaged { rejected }) if !rejected.is_empty() => {
            Answer::DoneBut(rejected.len())
        }
        Ok(_) => Answer::Done,
        Err(error) => Answer::Refused(variant(error)),
    };
    same("the answer", expected, &actual)
}

/// Compares all that can be read of a node with what it should be.
pub(crate) async fn state(model: &Model, engine: &Engine, name: &NodeName) -> Result<(), String> {
    let admin = Actor::new(Jid::new(ADMIN).expect("an address"), Role::Admin);
    let view = engine.node(&admin, name).await;
    let Some(node) = model.nodes.get(name.as_str()) else {
        return same(
            "a node that is gone",
            &Err(model.absence(name.as_str())),
            &view.map(drop).map_err(|error| variant(&error)),
        );
    };
    let view = view.map_err(|error| format!("{name} cannot be read: {error}"))?;
    same("the configuration", &node.config, &view.facts.config)?;
    same("the head", &node.events, &view.head_seq)?;
    let affiliations = engine.node_affiliations(&admin, name).await.map_err(|error| error.to_string())?;
    let expected: Vec<_> = node.affiliations.iter().map(|(jid, it)| (jid.clone(), *it)).collect();
    same("the affiliations", &expected, &affiliations)?;
    for state in SubscriptionState::ALL {
        let page = engine.node_subscriptions(&admin, name, state, None, 100).await;
        let actual: Vec<_> =
            page.map_err(|error| error.to_string())?.rows.into_iter().map(|it| it.jid).collect();
        let of_state = node.subscriptions.iter().filter(|(_, known)| *known == state);
        let expected: Vec<_> = of_state.map(|(jid, _)| jid.clone()).collect();
        same(&format!("the subscriptions that are {}", state.as_str()), &expected, &actual)?;
    }
    let counted = engine.count_subscriptions(&view.facts).await.map_err(|error| error.to_string())?;
    same("the number of subscriptions", &(node.subscriptions.len() as u64), &counted)?;
    items(node, engine, &admin, name).await
}

async fn items(node: &Node, engine: &Engine, admin: &Actor, name: &NodeName) -> Result<(), String> {
    let listing = engine.items(admin, name, Selection::Newest(None)).await;
    if !node.config.persist_items {
        return same(
            "items of none",
            &Err("Unsupported"),
            &listing.map(drop).map_err(|error| variant(&error)),
        );
    }
    let listing = listing.map_err(|error| format!("the items of {name} cannot be read: {error}"))?;
    same("the number of items", &(node.items.len() as u64), &listing.count)?;
    same("the items that are listed", &node.items.len(), &listing.items.len())?;
    for ((expected, publisher), actual) in node.items.iter().zip(&listing.items) {
        same("the publisher of an item", publisher, &actual.publisher)?;
        if let ItemName::Given(id) = expected {
            same("an item", &Some(id.as_str()), &id_of(actual))?;
        }
    }
    Ok(())
}

fn id_of(event: &Event) -> Option<&str> {
    event.kind.item_id().map(bus_domain::ItemId::as_str)
}

fn same<Value: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &Value,
    actual: &Value,
) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    Err(format!("{what}: {expected:?} is expected, there is {actual:?}"))
}

fn variant(error: &BusError) -> &'static str {
    match error {
        BusError::NodeNotFound => "NodeNotFound",
        BusError::NodeMoved { .. } => "NodeMoved",
        BusError::NodeExists => "NodeExists",
        BusError::Forbidden => "Forbidden",
        BusError::ClosedNode => "ClosedNode",
        BusError::SubscriptionRequired => "SubscriptionRequired",
        BusError::SubscriptionPending => "SubscriptionPending",
        BusError::NodeFull => "NodeFull",
        BusError::ItemNotFound => "ItemNotFound",
        BusError::NotSubscribed => "NotSubscribed",
        BusError::ForeignJid => "ForeignJid",
        BusError::TooManyItems { .. } => "TooManyItems",
        BusError::InvalidConfig { .. } => "InvalidConfig",
        BusError::PreconditionNotMet => "PreconditionNotMet",
        BusError::BadRequest(_) => "BadRequest",
        BusError::Unsupported(_) => "Unsupported",
        BusError::LimitReached(_) => "LimitReached",
        _ => "another error",
    }
}
