//! XEP-0030, XEP-0092 and XEP-0199.

use bus_domain::{AccessModel, Affiliation, Limits};
use bus_engine::Settings;

use super::*;
use crate::request::features;

fn info(attributes: &str) -> String {
    format!("<query xmlns='http://jabber.org/protocol/disco#info' {attributes}/>")
}

fn nodes(attributes: &str, set: &str) -> String {
    let set = if set.is_empty() { String::new() } else { format!("<set xmlns='{RSM}'>{set}</set>") };
    format!("<query xmlns='http://jabber.org/protocol/disco#items' {attributes}>{set}</query>")
}

const ORDER: &str = "<order xmlns='urn:xmpp:order-by:1' by='modification' desc='1'/>";
const RSM: &str = "http://jabber.org/protocol/rsm";

#[tokio::test]
async fn the_service_says_who_it_is_and_what_it_can_do() {
    let fixture = Fixture::new().await;
    let identity = "<identity category='pubsub' name='stanzabus' type='service'/>";
    let features = [
        "caps",
        "commands",
        "disco#info",
        "disco#items",
        "pubsub",
        "pubsub#access-open",
        "pubsub#auto-create",
        "pubsub#collections",
        "pubsub#config-node",
        "pubsub#config-node-max",
        "pubsub#create-and-configure",
        "pubsub#create-nodes",
        "pubsub#delete-items",
        "pubsub#delete-nodes",
        "pubsub#get-pending",
        "pubsub#instant-nodes",
        "pubsub#item-ids",
        "pubsub#leased-subscription",
        "pubsub#manage-subscriptions",
        "pubsub#member-affiliation",
        "pubsub#meta-data",
        "pubsub#modify-affiliations",
        "pubsub#multi-collection",
        "pubsub#multi-collections",
        "pubsub#multi-items",
        "pubsub#multi-subscribe",
        "pubsub#outcast-affiliation",
        "pubsub#persistent-items",
        "pubsub#presence-notifications",
        "pubsub#publish",
        "pubsub#publish-node-full",
        "pubsub#publish-only-affiliation",
        "pubsub#publish-options",
        "pubsub#publisher-affiliation",
        "pubsub#purge-nodes",
        "pubsub#retract-items",
        "pubsub#retrieve-affiliations",
        "pubsub#retrieve-default",
        "pubsub#retrieve-default-sub",
        "pubsub#retrieve-items",
        "pubsub#retrieve-subscriptions",
        "pubsub#rsm",
        "pubsub#subscribe",
        "pubsub#subscription-notifications",
        "pubsub#subscription-options",
        "rsm",
        "shim",
        "jabber:iq:version",
        "jabber:x:data",
        "urn:xmpp:delay",
        "urn:xmpp:mam:2",
        "urn:xmpp:mam:2#extended",
        "urn:xmpp:order-by:1",
        "urn:xmpp:order-by:1@pubsub",
        "urn:xmpp:order-by:1@urn:xmpp:mam:2",
        "urn:xmpp:ping",
        "urn:xmpp:pubsub-caching:0",
        "urn:xmpp:pubsub-filter:0",
        "urn:xmpp:pubsub-relationships:0",
        "urn:xmpp:sid:0",
        "urn:xmpp:time",
    ]
    .map(|feature| format!("<feature var='{feature}'/>"))
    .concat();
    let expected = format!("<query xmlns='disco#info'>{identity}{features}</query>");
    fixture.check(BOB, "get", &info(""), &expected).await;
    fixture.check(BOB, "get", &info("node=''"), &expected).await;
}

/// A request that shows a feature of something beside pubsub.
fn of_companion(feature: &str) -> Option<(&'static str, String)> {
    Some(match feature {
        "disco#info" => ("get", info("")),
        "disco#items" | "rsm" => ("get", nodes("", "<max>1</max>")),
        "jabber:iq:version" => ("get", "<query xmlns='jabber:iq:version'/>".to_owned()),
        "urn:xmpp:time" => ("get", "<time xmlns='urn:xmpp:time'/>".to_owned()),
        "commands" | "pubsub#get-pending" => {
            let node = "http://jabber.org/protocol/pubsub#get-pending";
            ("set", format!("<command xmlns='http://jabber.org/protocol/commands' node='{node}'/>"))
        }
        "urn:xmpp:pubsub-filter:0" => {
            let form = "<x xmlns='jabber:x:data' type='submit'><field var='excluded-types'/></x>";
            let filter = format!("<filter xmlns='urn:xmpp:pubsub-filter:0'>{form}</filter>");
            ("get", format!("<query xmlns='http://jabber.org/protocol/disco#items'>{filter}</query>"))
        }
        "urn:xmpp:pubsub-caching:0" => ("get", info("node='news'")),
        "urn:xmpp:pubsub-relationships:0" => ("get", owner("<configure node='news'/>")),
        "urn:xmpp:ping" => ("get", "<ping xmlns='urn:xmpp:ping'/>".to_owned()),
        _ => return None,
    })
}

/// One request for each announced feature that a request can show; it must not be refused as not implemented.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one arm for each feature")]
async fn every_announced_feature_is_wired() {
    let fixture = Fixture::new().await;
    fixture.publish("news", "<item id='1'><b xmlns='urn:b'/></item>").await;
    for feature in features() {
        let short = feature.strip_prefix("http://jabber.org/protocol/").unwrap_or(&feature);
        let (kind, content) = match short {
            "pubsub#create-nodes" => ("set", pubsub("<create node='made'/>")),
            "pubsub#create-and-configure" => ("set", pubsub("<create node='formed'/><configure/>")),
            "pubsub#manage-subscriptions" | "pubsub#subscription-notifications" => {
                ("set", owner("<subscriptions node='news'/>"))
            }
            "pubsub#modify-affiliations" => ("set", owner("<affiliations node='news'/>")),
            "jabber:x:data" | "pubsub#config-node" => ("get", owner("<configure node='news'/>")),
            "pubsub#config-node-max" | "pubsub#multi-items" => {
                let field = "<field var='pubsub#max_items'><value>max</value></field>";
                let form = format!("<x xmlns='jabber:x:data' type='submit'>{field}</x>");
                ("set", owner(&format!("<configure node='news'>{form}</configure>")))
            }
            "pubsub#presence-notifications" => {
                let field = "<field var='pubsub#presence_based_delivery'><value>1</value></field>";
                let form = format!("<x xmlns='jabber:x:data' type='submit'>{field}</x>");
                ("set", owner(&format!("<configure node='news'>{form}</configure>")))
            }
            "pubsub#retrieve-default" => ("get", owner("<default/>")),
            "pubsub#meta-data" => ("get", info("node='news'")),
            "pubsub#auto-create" => {
                ("set", pubsub("<publish node='auto'><item id='1'><b/></item></publish>"))
            }
            "pubsub#publish-options" => {
                let publish = "<publish node='news'><item id='4'><b/></item></publish>";
                ("set", pubsub(&format!("{publish}<publish-options/>")))
            }
            "pubsub#collections" => ("set", pubsub("<create node='made-of-nodes' type='collection'/>")),
            "pubsub#multi-collection" | "pubsub#multi-collections" => {
                ("set", owner("<collection node='made-of-nodes'><associate node='news'/></collection>"))
            }
            "pubsub#instant-nodes" => ("set", pubsub("<create/>")),
            "pubsub#delete-nodes" => ("set", owner("<delete node='made'/>")),
            "pubsub#purge-nodes" => {
                fixture.create("full", AccessModel::Open).await;
                ("set", owner("<purge node='full'/>"))
            }
            "pubsub#publish" | "pubsub#publish-node-full" | "pubsub#item-ids" => {
                ("set", pubsub("<publish node='news'><item id='2'><b/></item></publish>"))
            }
            "pubsub#retract-items" => ("set", pubsub("<retract node='news'><item id='1'/></retract>")),
            "pubsub#delete-items" => {
                fixture.publish("news", "<item id='3'><b/></item>").await;
                ("set", pubsub("<retract node='news'><item id='3'/></retract>"))
            }
            "pubsub#retrieve-items" | "pubsub#persistent-items" | "pubsub" => {
                ("get", pubsub("<items node='news'/>"))
            }
            "pubsub#retrieve-subscriptions" => ("get", pubsub("<subscriptions/>")),
            "pubsub#retrieve-affiliations" => ("get", pubsub("<affiliations/>")),
            "pubsub#rsm" => ("get", pubsub(&format!("<items node='news'/><set xmlns='{RSM}'/>"))),
            "pubsub#subscribe" => ("set", pubsub("<subscribe node='news' jid='alice@example.org'/>")),
            "pubsub#multi-subscribe" | "shim" => ("get", info("node='http://jabber.org/protocol/shim'")),
            "pubsub#subscription-options" => {
                ("get", pubsub("<options node='news' jid='alice@example.org'/>"))
            }
            "pubsub#leased-subscription" => {
                let field = "<field var='pubsub#expire'><value>2999-01-01T00:00:00Z</value></field>";
                let options =
                    format!("<options><x xmlns='jabber:x:data' type='submit'>{field}</x></options>");
                ("set", pubsub(&format!("<subscribe node='news' jid='alice@example.org'/>{options}")))
            }
            "pubsub#retrieve-default-sub" => ("get", pubsub("<default/>")),
            "urn:xmpp:mam:2" => ("set", "<query xmlns='urn:xmpp:mam:2' node='news'/>".to_owned()),
            "urn:xmpp:mam:2#extended" => ("get", "<metadata xmlns='urn:xmpp:mam:2' node='news'/>".to_owned()),
            order if order.starts_with("urn:xmpp:order-by:1") => ordered(order),
            // Enforced by the rules' own tests, and seen on notifications and presence.
            "pubsub#access-open" | "urn:xmpp:sid:0" | "urn:xmpp:delay" | "caps" => continue,
            other if other.ends_with("-affiliation") => {
                let name = other.trim_start_matches("pubsub#").trim_end_matches("-affiliation");
                let affiliation = Affiliation::parse(name).expect("an affiliation");
                fixture.affiliate("news", "zoe@example.net", affiliation).await;
                continue;
            }
            other => of_companion(other).unwrap_or_else(|| panic!("no request shows {other}")),
        };
        let answer = fixture.ask(ALICE, kind, &content).await;
        assert!(answer.is_empty() || answer.starts_with('<'), "{feature}: {answer}");
    }
}

fn ordered(feature: &str) -> (&'static str, String) {
    if feature.ends_with("@urn:xmpp:mam:2") {
        return ("set", format!("<query xmlns='urn:xmpp:mam:2' node='news'>{ORDER}</query>"));
    }
    ("get", pubsub(&format!("<items node='news'/>{ORDER}")))
}

#[tokio::test]
async fn a_node_is_a_leaf_for_those_who_may_read_it() {
    let fixture = Fixture::new().await;
    fixture.create("closed", AccessModel::Whitelist).await;
    fixture.affiliate("news", "eve@example.net", Affiliation::Outcast).await;
    let leaf = "<query xmlns='disco#info' node='news'><identity category='pubsub' type='leaf'/>\
                <feature var='disco#info'/><feature var='disco#items'/><feature var='pubsub'/>\
                <feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:mam:2#extended'/><x ";
    let answer = fixture.ask(BOB, "get", &info("node='news'")).await;
    assert!(answer.starts_with(leaf), "{answer}");
    for (from, node, expected) in [
        (BOB, "none", "cancel/item-not-found"),
        (BOB, "closed", "cancel/not-allowed+closed-node"),
        ("eve@example.net/x", "news", "auth/forbidden"),
    ] {
        fixture.check(from, "get", &info(&format!("node='{node}'")), expected).await;
    }
}

#[tokio::test]
async fn a_nodes_items_are_named_by_their_ids() {
    let fixture = Fixture::new().await;
    fixture.create("closed", AccessModel::Whitelist).await;
    for id in ["a&amp;", "b"] {
        fixture.publish("news", &format!("<item id='{id}'><b xmlns='urn:b'/></item>")).await;
    }
    let items = "<query xmlns='disco#items' node='news'><item jid='events.example.org' name='a&amp;'/>\
                 <item jid='events.example.org' name='b'/></query>";
    fixture.check(BOB, "get", &nodes("node='news'", ""), items).await;
    let page = fixture.ask(BOB, "get", &nodes("node='news'", "<max>1</max>")).await;
    assert!(page.contains("name='a&amp;'") && page.contains("<count>2</count>"), "{page}");
    fixture.check(BOB, "get", &nodes("node='none'", ""), "cancel/item-not-found").await;
    fixture.check(BOB, "get", &nodes("node='closed'", ""), "cancel/not-allowed+closed-node").await;
}

#[tokio::test]
async fn nodes_are_listed_by_pages_and_only_to_those_who_may_read_them() {
    let limits = Limits { page_items_max: 3, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    for node in ["b&", "a", "p", "q"] {
        fixture.create(node, AccessModel::Open).await;
    }
    for node in ["c1", "c2", "c3", "c4", "c5"] {
        fixture.create(node, AccessModel::Whitelist).await;
    }
    let list = |names: &[&str], set: &str| {
        let item = |name: &&str| format!("<item jid='{DOMAIN}' node='{name}'/>");
        let items: String = names.iter().map(item).collect();
        format!("<query xmlns='disco#items'>{items}<set xmlns='rsm'>{set}</set></query>")
    };
    let first = list(&["a", "b&amp;", "news"], "<first index='0'>a</first><last>news</last>");
    fixture.check(BOB, "get", &nodes("", ""), &first).await;
    let rest = list(&["p", "q"], "<first>p</first><last>q</last>");
    fixture.check(BOB, "get", &nodes("", "<after>news</after>"), &rest).await;
    fixture.check(BOB, "get", &nodes("", "<after>q</after>"), &list(&[], "").replace("></set>", "/>")).await;
    let two = list(&["a", "b&amp;"], "<first index='0'>a</first><last>b&amp;</last>");
    fixture.check(BOB, "get", &nodes("", "<max>2</max>"), &two).await;
    let hidden = fixture.ask(ALICE, "get", &nodes("", "<after>b&amp;</after>")).await;
    assert!(hidden.contains("node='c1'"), "the owner sees it: {hidden}");
    for (set, expected) in [
        ("<before/>", "cancel/feature-not-implemented"),
        ("<before>q</before>", "cancel/feature-not-implemented"),
        ("<index>1</index>", "cancel/feature-not-implemented"),
        ("<max>0</max>", "cancel/feature-not-implemented"),
        ("<max>x</max>", "modify/bad-request"),
    ] {
        fixture.check(BOB, "get", &nodes("", set), expected).await;
    }
}

#[tokio::test]
async fn ping_and_version_are_answered() {
    let fixture = Fixture::new().await;
    fixture.check(BOB, "get", "<ping xmlns='urn:xmpp:ping'/>", "").await;
    let version = "<query xmlns='jabber:iq:version'><name>stanzabus</name><version>0.1</version></query>";
    fixture.check(BOB, "get", "<query xmlns='jabber:iq:version'/>", version).await;
}
