//! Values of forms at their edges.

use super::*;

fn configure(fields: &str) -> String {
    let form_type = "http://jabber.org/protocol/pubsub#node_config";
    let form_type = format!("<field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>");
    let form = format!("<x xmlns='jabber:x:data' type='submit'>{form_type}{fields}</x>");
    owner(&format!("<configure node='news'>{form}</configure>"))
}

fn field(var: &str, values: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let values = values.into_iter().map(|value| format!("<value>{}</value>", value.as_ref()));
    format!("<field var='pubsub#{var}'>{}</field>", values.collect::<String>())
}

#[tokio::test]
async fn a_field_has_64_values_at_most() {
    let fixture = Fixture::new().await;
    for (values, expected) in [(64, ""), (65, "modify/not-acceptable"), (66, "modify/not-acceptable")] {
        let groups = field("roster_groups_allowed", (0..values).map(|number| format!("Group {number}")));
        fixture.check(ALICE, "set", &configure(&groups), expected).await;
    }
    let shown = fixture.ask(ALICE, "get", &owner("<configure node='news'/>")).await;
    for part in ["<value>Group 63</value>", "<option><value>Group 63</value></option>"] {
        assert!(shown.contains(part), "{part} is to be chosen and is chosen: {shown}");
    }
}

/// What only Rust takes for a number is none.
#[tokio::test]
async fn numbers_have_digits_alone() {
    let fixture = Fixture::new().await;
    for (value, expected) in [
        ("5", ""),
        (" 5 ", ""),
        ("+5", "modify/not-acceptable"),
        ("-5", "modify/not-acceptable"),
        ("5.0", "modify/not-acceptable"),
        ("five", "modify/not-acceptable"),
        ("max", ""),
    ] {
        fixture.check(ALICE, "set", &configure(&field("max_items", [value])), expected).await;
    }
    let options = |depth: &str| {
        let form_type = "http://jabber.org/protocol/pubsub#subscribe_options";
        let form_type = format!("<field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>");
        let depth = field("subscription_depth", [depth]);
        let form = format!("<x xmlns='jabber:x:data' type='submit'>{form_type}{depth}</x>");
        pubsub(&format!("<options node='news' jid='{BOB}'>{form}</options>"))
    };
    let subscribed = fixture.ask(BOB, "set", &pubsub(&format!("<subscribe node='news' jid='{BOB}'/>"))).await;
    assert!(subscribed.contains("subscribed"), "{subscribed}");
    for (depth, expected) in [("1", ""), ("all", ""), ("+1", "modify/bad-request+invalid-options")] {
        fixture.check(BOB, "set", &options(depth), expected).await;
    }
}

#[tokio::test]
async fn a_filter_names_64_types_at_most() {
    let fixture = Fixture::new().await;
    for (count, expected) in
        [(64, "<query xmlns='disco#items'/>"), (65, "modify/bad-request"), (66, "modify/bad-request")]
    {
        let types =
            (0..count).map(|number| format!("<value>urn:{number}</value>")).collect::<Vec<_>>().concat();
        let query = format!(
            "<query xmlns='http://jabber.org/protocol/disco#items'><filter xmlns='urn:xmpp:pubsub-filter:0'>\
             <x xmlns='jabber:x:data' type='submit'><field var='included-types'>{types}</field></x>\
             </filter></query>"
        );
        fixture.check(ALICE, "get", &query, expected).await;
    }
}

#[tokio::test]
async fn a_queryid_has_128_bytes_at_most() {
    let fixture = Fixture::new().await;
    for (bytes, is_fine) in [(128, true), (129, false)] {
        let id = "q".repeat(bytes);
        let query = format!("<query xmlns='urn:xmpp:mam:2' node='news' queryid='{id}'/>");
        let answer = fixture.ask(BOB, "set", &query).await;
        assert_eq!(answer.starts_with("<fin"), is_fine, "{answer}");
    }
}

/// A model that rosters decide can be chosen where they can be read, and kept where it is chosen already.
#[test]
fn a_form_offers_what_can_be_chosen() {
    let config = |access_model| NodeConfig { access_model, ..NodeConfig::default() };
    let (open, roster) = (config(AccessModel::Open), config(AccessModel::Roster));
    for (config, are_readable, var, option, offered) in [
        (&open, true, "pubsub#access_model", "roster", true),
        (&open, false, "pubsub#access_model", "roster", false),
        (&open, false, "pubsub#access_model", "presence", false),
        (&open, false, "pubsub#access_model", "whitelist", true),
        (&open, false, "pubsub#access_model", "open", true),
        (&roster, false, "pubsub#access_model", "roster", true),
        (&roster, false, "pubsub#access_model", "presence", false),
        (&open, false, "pubsub#publish_model", "roster", true),
    ] {
        let is_offered = crate::node_form::offers(config, are_readable, var, option);
        assert_eq!(is_offered, offered, "{var} {option}");
    }
}
