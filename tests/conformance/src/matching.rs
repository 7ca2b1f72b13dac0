//! Whether a stanza is the one that a script expects.

use bus_xml::Element;

use crate::words::Words;

/// What a script need not say of a stanza: attributes that a server sets, and children that say more than was asked.
const FREE_ATTRIBUTES: [&str; 3] = ["from", "to", "id"];
/// `xml:lang`, wherever it stands.
const LANGUAGE: &str = "lang";
const FREE_CHILDREN: [(&str, &str); 6] = [
    ("position", "urn:stanzabus:position:1"),
    ("stanza-id", "urn:xmpp:sid:0"),
    ("delay", "urn:xmpp:delay"),
    ("validate", "http://jabber.org/protocol/xdata-validate"),
    ("command", "http://jabber.org/protocol/commands"),
    ("text", "urn:ietf:params:xml:ns:xmpp-stanzas"),
];
/// Any value, or any further children.
const ANY: &str = "{any}";
const MORE: &str = "{more}";
const FORM: &str = "jabber:x:data";
/// What people see of a form, and which values there are.
const FREE_IN_FORMS: [&str; 3] = ["option", "title", "instructions"];
const FREE_OF_FIELDS: [&str; 2] = ["label", "type"];

/// Compares, and gives the words of `expected` that have no value yet the values that they meet. Says what differs.
pub(crate) fn compare(expected: &Element, actual: &Element, words: &mut Words) -> Result<(), String> {
    compare_at("", expected, actual, true, words)
}

fn compare_at(
    above: &str,
    expected: &Element,
    actual: &Element,
    is_stanza: bool,
    words: &mut Words,
) -> Result<(), String> {
    let place = format!("{above}/{}", expected.name());
    if (expected.name(), expected.ns()) != (actual.name(), actual.ns()) {
        return Err(format!("{place}: <{} xmlns='{}'> instead of it", actual.name(), actual.ns()));
    }
    compare_attributes(&place, expected, actual, is_stanza, words)?;
    let text = expected.text().trim().replace(MORE, "");
    meet(&text, actual.text().trim(), words).map_err(|error| format!("{place}: {error}"))?;
    compare_children(&place, expected, actual, words)
}

fn compare_attributes(
    place: &str,
    expected: &Element,
    actual: &Element,
    is_stanza: bool,
    words: &mut Words,
) -> Result<(), String> {
    for (full_name @ (_, name), value) in expected.attrs() {
        let mut found = actual.attrs().into_iter().filter(|(other, _)| *other == full_name);
        let (_, found) = found.next().ok_or_else(|| format!("{place}: no attribute {name}"))?;
        meet(value, found, words).map_err(|error| format!("{place}/@{name}: {error}"))?;
    }
    for (full_name @ (_, name), value) in actual.attrs() {
        let is_free = name.as_str() == LANGUAGE
            || is_stanza && FREE_ATTRIBUTES.contains(&name.as_str())
            || actual.is("field", FORM) && FREE_OF_FIELDS.contains(&name.as_str());
        if !is_free && expected.attrs().into_iter().all(|(other, _)| other != full_name) {
            return Err(format!("{place}: {name}='{value}' besides what is expected"));
        }
    }
    Ok(())
}

/// Children in their order; the fields of a form in any.
fn compare_children(
    place: &str,
    expected: &Element,
    actual: &Element,
    words: &mut Words,
) -> Result<(), String> {
    let may_have_more = expected.text().contains(MORE);
    let is_ordered = expected.ns() != FORM && !may_have_more;
    let is_named = |child: &&Element| {
        let is_free = FREE_CHILDREN.contains(&(child.name(), child.ns().as_str()))
            || child.ns() == FORM && FREE_IN_FORMS.contains(&child.name());
        !is_free || expected.children().any(|one| (one.name(), one.ns()) == (child.name(), child.ns()))
    };
    let mut left: Vec<&Element> = actual.children().filter(is_named).collect();
    for child in expected.children() {
        let candidates = if is_ordered { left.len().min(1) } else { left.len() };
        let mut last = format!("{place}: no <{}>", child.name());
        let found =
            (0..candidates).find(|index| match compare_at(place, child, left[*index], false, words) {
                Ok(()) => true,
                Err(error) => {
                    last = if candidates > 1 {
                        format!("{place}: none is the expected <{}>", child.name())
                    } else {
                        error
                    };
                    false
                }
            });
        left.remove(found.ok_or(last)?);
    }
    match left.first() {
        Some(more) if !may_have_more => Err(format!("{place}: <{}> besides what is expected", more.name())),
        _ => Ok(()),
    }
}

/// `{$word}` takes the value, or has to be the one that it took before.
fn meet(expected: &str, actual: &str, words: &mut Words) -> Result<(), String> {
    if expected == ANY || expected == actual {
        return Ok(());
    }
    if let Some(word) = expected.strip_prefix("{$").and_then(|word| word.strip_suffix('}')) {
        let word = format!("${word}");
        match words.get(&word) {
            None => {
                words.set(&word, actual.to_owned());
                return Ok(());
            }
            Some(known) if known == actual => return Ok(()),
            Some(_) => {}
        }
    }
    Err(format!("'{actual}' instead of '{expected}'"))
}
