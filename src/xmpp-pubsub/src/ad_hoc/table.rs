//! The one table of commands.

use std::collections::VecDeque;
use std::fmt;

use bus_domain::Actor;
use bus_engine::Engine;
use futures::future::BoxFuture;

use crate::ad_hoc::{entity, inspect_node, list_nodes, node_changes, pending, subscribers};
use crate::errors::Refusal;
use crate::push_service::PushServiceSettings;

/// The commands, in the order in which they are listed.
pub(super) const TABLE: &[Entry] = &[
    Entry {
        node: "http://jabber.org/protocol/pubsub#get-pending",
        name: "Ask me about those who wait for approval",
        who: Who::Owners,
        ask: Some(Ask {
            form_type: "http://jabber.org/protocol/pubsub#subscribe_authorization",
            var: "pubsub#node",
            kind: "list-single",
            label: "The node",
            more: &[],
            options: Some(|engine, actor| Box::pin(pending::options(engine, actor))),
        }),
        // XEP-0060 §8.7.3 names errors.
        tells_of_failure: false,
        is_direct: false,
        run: |turn| Box::pin(pending::ask(turn)),
    },
    of_admins("urn:stanzabus:command:1#list-nodes", "List the nodes", None, |turn| {
        Box::pin(list_nodes::page(turn))
    }),
    of_admins("urn:stanzabus:command:1#inspect-node", "Inspect a node", Some(A_NODE), |turn| {
        Box::pin(inspect_node::inspect(turn))
    }),
    of_admins(
        "urn:stanzabus:command:1#node-subscriptions",
        "List the subscriptions to a node",
        Some(A_NODE),
        |turn| Box::pin(subscribers::subscriptions(turn)),
    ),
    of_admins(
        "urn:stanzabus:command:1#node-affiliations",
        "List the affiliations of a node",
        Some(A_NODE),
        |turn| Box::pin(subscribers::affiliations(turn)),
    ),
    of_admins("urn:stanzabus:command:1#purge-node", "Remove all items of a node", Some(A_NODE), |turn| {
        Box::pin(node_changes::purge(turn))
    }),
    of_admins("urn:stanzabus:command:1#delete-node", "Delete a node", Some(A_NODE), |turn| {
        Box::pin(node_changes::delete(turn))
    }),
    of_admins(
        "urn:stanzabus:command:1#user-subscriptions",
        "List the subscriptions of a user",
        Some(A_USER),
        |turn| Box::pin(entity::subscriptions(turn)),
    ),
    of_admins(
        "urn:stanzabus:command:1#user-affiliations",
        "List the affiliations of a user",
        Some(A_USER),
        |turn| Box::pin(entity::affiliations(turn)),
    ),
];

/// What the forms of our own commands are about.
pub(super) const COMMAND_FORM: &str = "urn:stanzabus:command:1";

const A_NODE: Ask = Ask {
    form_type: COMMAND_FORM,
    var: "node",
    kind: "text-single",
    label: "The node",
    more: &[],
    options: None,
};
const A_USER: Ask = Ask {
    form_type: COMMAND_FORM,
    var: "address",
    kind: "jid-single",
    label: "The user's bare address",
    more: &[],
    options: None,
};

/// A command of admins, which asks for one thing at most.
const fn of_admins(node: &'static str, name: &'static str, ask: Option<Ask>, run: Run) -> Entry {
    Entry { node, name, who: Who::Admins, ask, tells_of_failure: true, is_direct: false, run }
}

/// What a command does.
type Run = for<'a> fn(Turn<'a>) -> BoxFuture<'a, Result<Found, Refusal>>;

/// One command.
pub(crate) struct Entry {
    /// Its node.
    pub(super) node: &'static str,
    /// Its name for people.
    pub(super) name: &'static str,
    /// Who may use it.
    pub(super) who: Who,
    /// What it asks for first.
    pub(super) ask: Option<Ask>,
    /// Whether what the bus refuses completes the command, with a note; else it is an error.
    pub(super) tells_of_failure: bool,
    /// Whether its form may come with the first request, from apps that know it.
    pub(super) is_direct: bool,
    /// What it does.
    pub(super) run: Run,
}

/// Who may use a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Those who own a node, and the operator's admins.
    Owners,
    /// The operator's admins.
    Admins,
    /// Those who may register devices.
    PushUsers,
}

/// A form: a field that must have a value, and others.
pub(super) struct Ask {
    /// What the form is about.
    pub(super) form_type: &'static str,
    /// The field.
    pub(super) var: &'static str,
    /// Its type.
    pub(super) kind: &'static str,
    /// What people read.
    pub(super) label: &'static str,
    /// The other fields.
    pub(super) more: &'static [AskMore],
    /// Finds its options, if it has some.
    pub(super) options: Option<FindOptions>,
}

/// A field that may be left empty.
pub(super) struct AskMore {
    /// The field.
    pub(super) var: &'static str,
    /// What people read.
    pub(super) label: &'static str,
}

/// What a form was filled in with: the first field of the form, and those of the others that have a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) first: String,
    pub(super) more: Vec<(&'static str, String)>,
}

type FindOptions = for<'a> fn(&'a Engine, &'a Actor) -> BoxFuture<'a, Result<Options, Refusal>>;

/// Options of a field.
#[derive(Debug)]
pub(super) struct Options {
    /// Their values; others may be given too.
    pub(super) values: Vec<String>,
    /// What is said beside them.
    pub(super) note: Option<String>,
    /// What is said when there are none.
    pub(super) none: String,
}

/// What a command is run with.
pub(super) struct Turn<'a> {
    pub(super) engine: &'a Engine,
    /// What devices are registered with, if they are.
    pub(super) push: Option<&'a PushServiceSettings>,
    /// Who may use it.
    pub(super) actor: &'a Actor,
    /// What was given for the field that is asked for.
    pub(super) argument: &'a str,
    /// What was given for the others.
    pub(super) more: &'a [(&'static str, String)],
    /// The UID of the row or so that this page is behind.
    pub(super) after: Option<&'a str>,
}

/// What a command has done or found.
#[derive(Debug)]
pub(super) enum Found {
    /// Something to be said. With a UID there is more to do behind it.
    Said { kind: NoteKind, text: String, next_after: Option<String> },
    /// A form with what was found, as markup.
    Form(String),
    /// A page of a table.
    Rows { columns: &'static [Column], rows: Vec<Row>, has_more: bool },
}

/// A column's name and its label.
pub(super) type Column = (&'static str, &'static str);

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it stands: the next page begins behind it.
    pub(super) uid: String,
    /// A value for each column.
    pub(super) cells: Vec<String>,
}

/// How grave a note is (XEP-0050 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoteKind {
    Info,
    Error,
}

impl Given {
    /// About how many bytes it takes.
    pub(super) fn len_bytes(&self) -> usize {
        self.first.len() + self.more.iter().map(|(_, value)| value.len()).sum::<usize>()
    }
}

impl Found {
    /// It is done.
    pub(super) fn done(text: &str) -> Self {
        Self::Said { kind: NoteKind::Info, text: text.to_owned(), next_after: None }
    }

    /// It has failed.
    pub(super) fn failure(refusal: &Refusal) -> Self {
        Self::Said { kind: NoteKind::Error, text: refusal.to_string(), next_after: None }
    }
}

/// Where a session stands in what its command lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// What it lists something of.
    pub(super) given: Given,
    /// The UID that the page is behind.
    pub(super) after: Option<String>,
    /// The UID that the next page is behind.
    pub(super) next_after: Option<String>,
    /// The same of the pages before it, the nearest ones.
    before: VecDeque<Option<String>>,
}

/// Pages that one can go back.
const PAGES_BACK_MAX: usize = 16;

impl Place {
    /// The first page.
    pub(super) fn first(given: Given) -> Self {
        Self { given, ..Self::default() }
    }

    /// The next page.
    pub(super) fn next(mut self) -> Self {
        if self.before.len() >= PAGES_BACK_MAX {
            self.before.pop_front();
        }
        self.before.push_back(self.after);
        Self { after: self.next_after, next_after: None, ..self }
    }

    /// The page before it, if it is remembered.
    pub(super) fn previous(mut self) -> Option<Self> {
        let after = self.before.pop_back()?;
        Some(Self { after, next_after: None, ..self })
    }

    /// Nobody goes back from here.
    pub(super) fn forget_previous(&mut self) {
        self.before.clear();
    }

    /// Whether there is a page to go back to.
    pub(super) fn has_previous(&self) -> bool {
        !self.before.is_empty()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_commands_are_unique() {
        let mut nodes: Vec<_> = TABLE.iter().map(|entry| entry.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), TABLE.len());
    }

    #[test]
    fn one_goes_back_as_far_as_is_remembered() {
        let mut place = Place::first(Given { first: "n".to_owned(), more: Vec::new() });
        for number in 0..40 {
            place = Place { next_after: Some(number.to_string()), ..place }.next();
        }
        assert_eq!(place.after.as_deref(), Some("39"));
        let mut pages_back = 0;
        while let Some(previous) = place.clone().previous() {
            place = previous;
            pages_back += 1;
        }
        assert_eq!((pages_back, place.after.as_deref()), (PAGES_BACK_MAX, Some("23")));
        assert!(!place.has_previous() && place.given.first == "n");
    }
}
