use bus_domain::{Affiliation, Limits, NodeConfig, NodeFacts};

use crate::caching_hints;
use crate::date_time;
use crate::form::{encode_field, encode_result};
use crate::node_form::{self, META_DATA};
use crate::xml::Xml;

/// Addresses that are named for one affiliation: a list of all could be longer than an answer may be.
const ADDRESSES_MAX: usize = 32;

/// Writes what everybody who may see a node may know of it (XEP-0060 §5.4). As many items as the operator allows are said
/// as the number that they are (XEP-0460).
pub(crate) fn encode(node: &NodeFacts, subscribers: u64, limits: &Limits, out: &mut Xml) {
    let items_max = node.config.items_max.min(limits.node_items_max);
    let config = NodeConfig { items_max, ..node.config.clone() };
    let more = |out: &mut Xml| {
        encode_field("pubsub#creation_date", "text-single", [date_time::encode(node.created_at_ms)], out);
        encode_field("pubsub#creator", "jid-single", [node.creator.as_str()], out);
        encode_field("pubsub#num_subscribers", "text-single", [subscribers.to_string()], out);
        encode_field("pubsub#owner", "jid-multi", addresses(node, Affiliation::Owner), out);
        encode_field("pubsub#publisher", "jid-multi", addresses(node, Affiliation::Publisher), out);
        caching_hints::encode(&node.config, out);
    };
    encode_result(META_DATA, node_form::meta_data(), &config, more, out);
}

fn addresses(node: &NodeFacts, wanted: Affiliation) -> Vec<&str> {
    let all = node.affiliations.iter().filter(|(_, affiliation)| *affiliation == wanted);
    let mut addresses: Vec<_> = all.map(|(jid, _)| jid.as_str()).collect();
    addresses.sort_unstable();
    addresses.truncate(ADDRESSES_MAX);
    addresses
}
