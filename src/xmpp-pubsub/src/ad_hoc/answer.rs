use crate::ad_hoc::sessions::Stage;
use crate::ad_hoc::table::{Ask, Column, Entry, Found, NoteKind, Options, Place, Row};
use crate::form::encode_field;
use crate::namespaces::{COMMANDS, DATA_FORMS, DISCO_INFO, DISCO_ITEMS, VALIDATE};
use crate::page::{Entries, Keep};
use crate::xml::Xml;

/// `<command/>` as it is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    /// What may be asked for next, the first one by default.
    actions: Vec<&'static str>,
    notes: Vec<(NoteKind, String)>,
    /// The form behind them.
    form: String,
}

/// How a session stands (XEP-0050 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Executing,
    Completed,
    Canceled,
}

impl Answer {
    /// It is over.
    pub(super) fn only(status: Status) -> Self {
        Self { status, actions: Vec::new(), notes: Vec::new(), form: String::new() }
    }

    /// It is done, and this is to be said.
    pub(super) fn note(text: String) -> Self {
        Self { notes: vec![(NoteKind::Info, text)], ..Self::only(Status::Completed) }
    }

    /// A form to be filled in.
    pub(super) fn asking(ask: &Ask, options: Option<&Options>) -> Self {
        let mut out = Xml::default();
        out.start_in("x", DATA_FORMS).attribute("type", "form");
        encode_field("FORM_TYPE", "hidden", [ask.form_type], &mut out);
        out.start("field")
            .attribute("var", ask.var)
            .attribute("type", ask.kind)
            .attribute("label", ask.label);
        out.start("required").end();
        if let Some(options) = options {
            // Others than these may be given.
            out.start_in("validate", VALIDATE).attribute("datatype", "xs:string").start("open").end().end();
            for value in &options.values {
                out.start("option").start("value").text(value).end().end();
            }
        }
        out.end();
        for field in ask.more {
            out.start("field").attribute("var", field.var).attribute("type", "text-single");
            out.attribute("label", field.label).end();
        }
        let note = options.and_then(|options| options.note.clone());
        Self {
            status: Status::Executing,
            actions: vec!["complete"],
            notes: note.into_iter().map(|text| (NoteKind::Info, text)).collect(),
            form: out.finish(),
        }
    }

    /// What was done or found, with the session's stage if there is more.
    pub(super) fn found(found: Found, mut place: Place, answer_bytes_max: usize) -> (Self, Option<Stage>) {
        let (notes, form, next_after) = match found {
            Found::Said { kind, text, next_after } => {
                // What was done is not done again.
                place.forget_previous();
                (vec![(kind, text)], String::new(), next_after)
            }
            Found::Form(markup) => (Vec::new(), markup, None),
            Found::Rows { columns, rows, has_more } => {
                let (form, next_after) = encode_rows(columns, &rows, has_more, answer_bytes_max);
                (Vec::new(), form, next_after)
            }
        };
        let Some(next_after) = next_after else {
            return (Self { notes, form, ..Self::only(Status::Completed) }, None);
        };
        let actions =
            if place.has_previous() { vec!["next", "prev", "complete"] } else { vec!["next", "complete"] };
        place.next_after = Some(next_after);
        (Self { status: Status::Executing, actions, notes, form }, Some(Stage::Page(place)))
    }

    /// Writes it. Texts are English.
    pub(super) fn encode(&self, entry: &Entry, session: &str, out: &mut Xml) {
        out.start_in("command", COMMANDS).attribute("node", entry.node).attribute("sessionid", session);
        out.attribute("status", self.status.as_str()).attribute("xml:lang", "en");
        if let Some(default) = self.actions.first() {
            out.start("actions").attribute("execute", default);
            // In the order of the schema.
            for action in ["prev", "next", "complete"].into_iter().filter(|it| self.actions.contains(it)) {
                out.start(action).end();
            }
            out.end();
        }
        for (kind, text) in &self.notes {
            out.start("note").attribute("type", kind.as_str()).text(text).end();
        }
        out.raw(&self.form).end();
    }
}

/// Writes the rows that fit, and says where the next page begins if there is one.
fn encode_rows(
    columns: &[Column],
    rows: &[Row],
    has_more: bool,
    answer_bytes_max: usize,
) -> (String, Option<String>) {
    let mut out = Xml::default();
    out.start_in("x", DATA_FORMS).attribute("type", "result").start("reported");
    for (var, label) in columns {
        out.start("field")
            .attribute("var", var)
            .attribute("type", "text-single")
            .attribute("label", label)
            .end();
    }
    out.end();
    let entries = Entries::new(rows, |row, out| {
        out.start("item");
        for ((var, _), cell) in columns.iter().zip(&row.cells) {
            out.start("field").attribute("var", var).start("value").text(cell).end().end();
        }
        out.end();
    });
    let written = entries.append(Keep::First, answer_bytes_max, &mut out);
    let is_cut = written.len() < rows.len();
    let last = rows[written].last().map(|row| row.uid.clone());
    (out.finish(), last.filter(|_| has_more || is_cut))
}

/// Writes what the list of commands is.
pub(super) fn encode_list_info(out: &mut Xml) {
    out.start_in("query", DISCO_INFO).attribute("node", COMMANDS);
    out.start("identity").attribute("category", "automation").attribute("type", "command-list");
    out.attribute("name", "Commands").end();
    encode_features(&[DISCO_INFO, DISCO_ITEMS, COMMANDS], out);
    out.end();
}

/// Writes what a command is (§2.1).
pub(super) fn encode_command_info(entry: &Entry, out: &mut Xml) {
    out.start_in("query", DISCO_INFO).attribute("node", entry.node);
    out.start("identity").attribute("category", "automation").attribute("type", "command-node");
    out.attribute("name", entry.name).end();
    encode_features(&[DISCO_INFO, COMMANDS, DATA_FORMS], out);
    out.end();
}

/// Writes commands.
pub(super) fn encode_list(service: &str, node: &str, entries: &[&Entry], out: &mut Xml) {
    out.start_in("query", DISCO_ITEMS).attribute("node", node);
    for entry in entries {
        out.start("item").attribute("jid", service).attribute("node", entry.node);
        out.attribute("name", entry.name).end();
    }
    out.end();
}

fn encode_features(features: &[&str], out: &mut Xml) {
    for feature in features {
        out.start("feature").attribute("var", feature).end();
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Executing => "executing",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
        }
    }
}

impl NoteKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_answer_is_full() {
        let rows: Vec<_> =
            (0..9).map(|n| Row { uid: n.to_string(), cells: vec!["x".repeat(1_000)] }).collect();
        let rows_of = |has_more, bytes_max| {
            let (markup, next) = encode_rows(&[("a", "A")], &rows, has_more, bytes_max);
            (markup.matches("<item>").count(), next)
        };
        assert_eq!(rows_of(false, 99_999), (9, None));
        assert_eq!(rows_of(true, 99_999), (9, Some("8".to_owned())));
        assert_eq!(rows_of(false, 20_000), (3, Some("2".to_owned())));
        assert_eq!(rows_of(false, 0), (1, Some("0".to_owned())));
    }
}
