use bus_domain::push::PushProvider;
use serde_json::{Map, Value, json};

use super::script::Rule;
use super::server::{Answer, Asked};
use super::state::State;

/// What can be asked of the mock itself:
///
/// - `POST /mock/subscriptions`: a new subscription, bound to `{"vapid_key": …}` if the body has it
/// - `GET /mock/received?after=NUMBER`: what was taken
/// - `GET /mock/counts`: how much was taken, refused and failed
/// - `POST /mock/faults`: a list of rules; `DELETE` forgets all of them
pub(super) fn answer(state: &State, name: &str, asked: &Asked) -> Answer {
    match (asked.method.as_str(), name) {
        ("POST", "subscriptions") => {
            let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
            Answer::json(201, &json!(state.subscribe(body["vapid_key"].as_str())))
        }
        ("GET", "received") => {
            let after = asked.query.strip_prefix("after=").and_then(|after| after.parse().ok());
            Answer::json(200, &json!(state.received_after(after.unwrap_or(0))))
        }
        ("GET", "counts") => {
            let counts = PushProvider::ALL
                .map(|provider| (provider.as_str().to_owned(), json!(state.counts(provider))));
            Answer::json(200, &Value::Object(Map::from_iter(counts)))
        }
        ("POST", "faults") => match serde_json::from_slice::<Vec<Rule>>(&asked.body) {
            Ok(rules) => {
                state.script(rules);
                Answer::empty(204)
            }
            Err(error) => Answer::json(400, &json!({ "error": error.to_string() })),
        },
        ("DELETE", "faults") => {
            state.clear_script();
            Answer::empty(204)
        }
        _ => Answer::empty(404),
    }
}
