//! Between messages and the filters of durable subscriptions. Also for the command line, which writes them as JSON.

use std::collections::BTreeMap;

use bus_domain::consumer::Filter;
use bus_domain::consumer::filter::{DEPTH_MAX, FilterError, FilterProblem};
use tonic::Status;
use v1::event_filter::Dialect;

use crate::status::invalid_field;
use crate::v1;

/// A filter that keeps its bounds.
pub(super) fn filter_from_message(message: v1::EventFilter) -> Result<Filter, Status> {
    let checked = Filter::try_from(message).and_then(|filter| filter.check().map(|()| filter));
    checked.map_err(|FilterError { path, problem }| {
        // The message names this one otherwise.
        let path = path.replace(".not", ".not_matching");
        invalid_field(&format!("config.filter{path}"), problem)
    })
}

impl TryFrom<v1::EventFilter> for Filter {
    type Error = FilterError;

    /// Refuses what is no expression. [`Filter::check`] has the bounds.
    fn try_from(message: v1::EventFilter) -> Result<Self, FilterError> {
        filter_at("", 1, message)
    }
}

fn filter_at(path: &str, depth: usize, message: v1::EventFilter) -> Result<Filter, FilterError> {
    let wrong = |problem| FilterError { path: path.to_owned(), problem };
    if depth > DEPTH_MAX {
        return Err(wrong(FilterProblem::TooDeep));
    }
    let values = |values: v1::AttributeValues| values.attributes.into_iter().collect::<BTreeMap<_, _>>();
    let each = |name: &str, filters: v1::EventFilters| {
        let filters = filters.filters.into_iter().enumerate();
        let filters = filters.map(|(index, it)| filter_at(&format!("{path}.{name}[{index}]"), depth + 1, it));
        filters.collect::<Result<Vec<_>, _>>()
    };
    Ok(match message.dialect.ok_or_else(|| wrong(FilterProblem::Empty))? {
        Dialect::Exact(it) => Filter::Exact(values(it)),
        Dialect::Prefix(it) => Filter::Prefix(values(it)),
        Dialect::Suffix(it) => Filter::Suffix(values(it)),
        Dialect::All(filters) => Filter::All(each("all", filters)?),
        Dialect::Any(filters) => Filter::Any(each("any", filters)?),
        Dialect::NotMatching(filter) => {
            Filter::Not(Box::new(filter_at(&format!("{path}.not"), depth + 1, *filter)?))
        }
    })
}

impl From<&Filter> for v1::EventFilter {
    fn from(filter: &Filter) -> Self {
        let values = |values: &BTreeMap<String, String>| v1::AttributeValues {
            attributes: values.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let each =
            |filters: &[Filter]| v1::EventFilters { filters: filters.iter().map(Self::from).collect() };
        Self {
            dialect: Some(match filter {
                Filter::Exact(it) => Dialect::Exact(values(it)),
                Filter::Prefix(it) => Dialect::Prefix(values(it)),
                Filter::Suffix(it) => Dialect::Suffix(values(it)),
                Filter::All(filters) => Dialect::All(each(filters)),
                Filter::Any(filters) => Dialect::Any(each(filters)),
                Filter::Not(filter) => Dialect::NotMatching(Box::new(Self::from(&**filter))),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_lead_back_to_themselves() {
        let values = || [("type".to_owned(), "a".to_owned()), ("subject".to_owned(), "b".to_owned())].into();
        let each = vec![Filter::Exact(values()), Filter::Prefix(values()), Filter::Suffix(values())];
        let filter = Filter::All(vec![Filter::Any(each), Filter::Not(Box::new(Filter::Exact(values())))]);
        assert_eq!(Filter::try_from(v1::EventFilter::from(&filter)), Ok(filter));
    }

    #[test]
    fn what_is_no_expression_is_refused_where_it_stands() {
        let nothing = v1::EventFilter { dialect: None };
        let not = |inner| v1::EventFilter { dialect: Some(Dialect::NotMatching(Box::new(inner))) };
        let any = |filters| v1::EventFilter { dialect: Some(Dialect::Any(v1::EventFilters { filters })) };
        let path = |message: v1::EventFilter| Filter::try_from(message).unwrap_err().path;
        assert_eq!(path(nothing.clone()), "");
        assert_eq!(path(any(vec![not(nothing.clone())])), ".any[0].not");
        let deep = (0..DEPTH_MAX + 9).fold(nothing, |inner, _| not(inner));
        assert_eq!(Filter::try_from(deep).unwrap_err().problem, FilterProblem::TooDeep);
    }
}
