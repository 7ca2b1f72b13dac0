use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::Problem;
use crate::routes::Api;

/// What stands behind the question mark.
pub(crate) struct Query(BTreeMap<String, String>);

impl FromRequestParts<Arc<Api>> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Problem::invalid(&name, "is given more than once"));
            }
        }
        Ok(Self(parameters))
    }
}

impl Query {
    /// A parameter, if it is given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is true or false; false if it is not given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(_) => Err(Problem::invalid(name, "must be true or false")),
        }
    }

    /// Refuses what nothing is known of: a misspelt parameter would be ignored otherwise.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if known.is_empty() => Err(Problem::invalid(name, "is no parameter of this request")),
            Some(name) => {
                let known = known.join(", ");
                Err(Problem::invalid(name, format!("is no parameter of this request; it takes {known}")))
            }
        }
    }
}
