//! What whoever keeps copies of a node's items may count on (XEP-0460).

use bus_domain::NodeConfig;

use crate::form::encode_field;
use crate::namespaces::PUBSUB_CACHING;
use crate::xml::Xml;

/// What holds of every node here. A publisher may take an item back in silence, and the oldest items go without a word,
/// so not everything is told. Owners do not say whether a node may be suggested to strangers, so it may not.
const OF_ALL: [(&str, bool); 6] = [
    ("consistent-items", true),
    ("consistent-set", true),
    ("stable-items", true),
    ("always-notify", false),
    ("allowed-for-suggestions", false),
    ("purge-keep-last-item", false),
];

/// Writes the fields of a node's meta-data.
pub(crate) fn encode(config: &NodeConfig, out: &mut Xml) {
    let persistence = if config.persist_items { "persistent" } else { "transient" };
    encode_field(&var("persistence"), "list-single", [persistence], out);
    for (name, holds) in OF_ALL {
        encode_field(&var(name), "boolean", [if holds { "1" } else { "0" }], out);
    }
}

fn var(name: &str) -> String {
    format!("{{{PUBSUB_CACHING}}}{name}")
}
