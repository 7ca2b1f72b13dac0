//! What owners see and change of their nodes.

use serde_json::Value;

use crate::bus::{Bus, Said};

fn done(said: &Said) {
    assert_eq!(said.status, Some(0), "{said:?}");
}

fn lines(said: &Said) -> Vec<Value> {
    done(said);
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn nodes_are_placed_and_shown_where_they_are() {
    let bus = Bus::initialised();
    let _daemon = bus.serve();
    for node in ["house", "room"] {
        done(&bus.run(&["node", "create", node]));
    }
    done(&bus.run(&["node", "place", "room", "--parent", "house"]));
    assert_eq!(lines(&bus.run(&["node", "show", "room"]))[0]["parent"], "house");
    done(&bus.run(&["node", "place", "room", "--parent", ""]));
    assert_eq!(lines(&bus.run(&["node", "show", "room"]))[0]["parent"], Value::Null);
    let nowhere = bus.run(&["node", "place", "room", "--parent", "nowhere"]);
    assert!(nowhere.status == Some(1) && nowhere.stderr.contains("no such node"), "{nowhere:?}");
}

#[test]
fn standings_and_subscribers_are_listed_and_items_taken_back() {
    let bus = Bus::initialised();
    let _daemon = bus.serve();
    done(&bus.run(&["node", "create", "news"]));
    done(&bus.run(&["node", "affiliate", "news", "bob@example.org", "member"]));
    let standings = lines(&bus.run(&["node", "affiliations", "news"]));
    assert_eq!((standings.len(), &standings[0]["affiliation"]), (2, &"member".into()));
    done(&bus.run(&["node", "subscriber", "news", "bob@example.org", "subscribed"]));
    let subscribers = lines(&bus.run(&["node", "subscribers", "news"]));
    assert_eq!((subscribers.len(), &subscribers[0]["jid"]), (1, &"bob@example.org".into()));
    assert_eq!(lines(&bus.run(&["node", "subscribers", "news", "--pending"])).len(), 0);
    done(&bus.run(&["node", "subscriber", "news", "bob@example.org", "none"]));
    assert_eq!(lines(&bus.run(&["node", "subscribers", "news"])).len(), 0);

    done(&bus.run(&["pub", "news", "--id", "a", "--xml", "<a xmlns='urn:a'/>"]));
    done(&bus.run(&["node", "retract", "news", "a"]));
    assert_eq!(lines(&bus.run(&["node", "items", "news"])).len(), 0);
    assert_eq!(bus.run(&["node", "retract", "news", "a"]).status, Some(1), "it is gone already");
}
