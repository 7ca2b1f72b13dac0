use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::contacts::{Contacts, SERVER_INFO};
use crate::namespaces::CAPS;
use crate::xml::Xml;

/// Names the software, as a URI.
const SOFTWARE: &str = "urn:stanzabus";

/// What the service's presence says of its features (XEP-0115): a hash of all that disco#info says.
#[derive(Debug)]
pub(crate) struct Caps {
    ver: String,
    /// The node by which disco#info is asked for what the hash is of.
    node: String,
}

impl Caps {
    /// The hash of the one identity of the service, of its features and of its contacts (§5.1).
    pub(crate) fn of(name: &str, features: &[String], contacts: &Contacts) -> Self {
        let mut text = format!("pubsub/service//{name}<");
        let mut features: Vec<&str> = features.iter().map(String::as_str).collect();
        features.sort_unstable();
        append(&mut text, features);
        if !contacts.is_empty() {
            append(&mut text, [SERVER_INFO]);
        }
        for (var, addresses) in contacts.fields() {
            let mut addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            addresses.sort_unstable();
            append(&mut text, std::iter::once(var).chain(addresses));
        }
        let ver = STANDARD.encode(Sha1::digest(text));
        Self { node: format!("{SOFTWARE}#{ver}"), ver }
    }

    /// Whether disco#info of this node is that of the service.
    pub(crate) fn is_node(&self, node: &str) -> bool {
        self.node == node
    }

    /// Writes `<c/>`.
    pub(crate) fn encode(&self, out: &mut Xml) {
        out.start_in("c", CAPS).attribute("hash", "sha-1").attribute("node", SOFTWARE);
        out.attribute("ver", &self.ver).end();
    }
}

fn append<'a>(text: &mut String, parts: impl IntoIterator<Item = &'a str>) {
    for part in parts {
        text.push_str(part);
        text.push('<');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-1 of the texts of §5.1, made with another program.
    #[test]
    fn the_hash_is_of_everything_in_its_order() {
        let features = ["urn:b".to_owned(), "urn:a".to_owned()];
        let plain = Caps::of("bus", &features, &Contacts::default());
        assert_eq!(plain.ver, PLAIN);
        let contacts = Contacts {
            admin: vec!["xmpp:b@example.org".to_owned(), "mailto:a@example.org".to_owned()],
            abuse: vec!["mailto:c@example.org".to_owned()],
            ..Contacts::default()
        };
        let full = Caps::of("bus", &features, &contacts);
        assert_eq!(full.ver, FULL);
        assert!(full.is_node(&format!("urn:stanzabus#{FULL}")) && !full.is_node(&plain.node));
    }

    /// `pubsub/service//bus<urn:a<urn:b<`
    const PLAIN: &str = "DqhSfXErGYIOd4kUOndIoWDCzRw=";
    /// The same, then `http://jabber.org/network/serverinfo<abuse-addresses<mailto:c@example.org<admin-addresses<…`
    const FULL: &str = "UGh9gzdQqeEripx4XTumRpnN0R8=";
}
