//! Data forms (XEP-0004) as this service reads and writes them. What the fields mean is said by a table of
//! [`Field`]s, one for each kind of form.

use bus_domain::{BusError, Expire, Jid};
use bus_xml::Element;

use crate::date_time::{self, Round};
use crate::errors::Refusal;
use crate::namespaces::{DATA_FORMS, VALIDATE};
use crate::xml::Xml;

/// A field of a form about a `Subject`, with what makes a `Setting` of its value.
pub(crate) struct Field<Subject: 'static, Setting: 'static> {
    /// Its name.
    pub(crate) var: &'static str,
    /// What people read.
    pub(crate) label: &'static str,
    /// Which values it has, how they are read from the subject, and what they set.
    pub(crate) kind: Kind<Subject, Setting>,
}

/// What values a field may have.
pub(crate) enum Kind<Subject: 'static, Setting: 'static> {
    /// `boolean`.
    Boolean { get: fn(&Subject) -> bool, set: fn(bool) -> Setting },
    /// `text-single`; no value is none.
    Text { get: fn(&Subject) -> Option<&str>, set: fn(Option<String>) -> Setting },
    /// `text-single` with a number from 1 on. `none` stands for no bound: `max`, or no value at all.
    Number { none: &'static str, get: fn(&Subject) -> Option<u64>, set: fn(Option<u64>) -> Option<Setting> },
    /// `text-single` with a number from 0 on; `all` is none.
    Level { get: fn(&Subject) -> Option<u32>, set: fn(Option<u32>) -> Setting },
    /// `list-single`. `set` knows the options, and what else it takes.
    Choice {
        options: &'static [&'static str],
        get: fn(&Subject) -> &'static str,
        set: fn(&str) -> Result<Option<Setting>, Refusal>,
    },
    /// `list-multi` of texts that the subject has or somebody adds; no value empties it.
    Names { get: fn(&Subject) -> &[String], set: fn(Vec<String>) -> Setting },
    /// `list-multi` of some of these options; no value is none of them.
    Choices {
        options: &'static [&'static str],
        get: fn(&Subject) -> Vec<&'static str>,
        set: fn(&[String]) -> Option<Setting>,
    },
    /// `text-single` with a moment (XEP-0082) or the word `presence` (XEP-0060 §12.5); no value is none.
    Expire { get: fn(&Subject) -> Expire, set: fn(Expire) -> Setting },
    /// `jid-multi`.
    Addresses { get: fn(&Subject) -> &[Jid], set: fn(Vec<Jid>) -> Setting },
}

/// A form that somebody has filled in.
#[derive(Debug)]
pub(crate) enum Submission<'a> {
    /// Everything is to stay as it is.
    Cancelled,
    /// Values for some fields.
    Filled(Filled<'a>),
}

/// The values of a submitted form.
#[derive(Debug, Default)]
pub(crate) struct Filled<'a> {
    fields: Vec<(&'a str, Vec<String>)>,
}

/// Whether fields that the table does not have may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are passed over (XEP-0004 §3.1).
    Ignored,
    /// They are refused (XEP-0060 §7.1.5).
    Refused,
}

/// The form inside of a wrapper such as `<configure/>`.
pub(crate) fn form(wrapper: &Element) -> Option<&Element> {
    wrapper.get_child("x", DATA_FORMS)
}

/// Reads a form that was sent to us. It says what it is about or leaves that to its wrapper, with or without the `type`
/// of the field `FORM_TYPE` (XEP-0068 §5); what is about something else is refused.
pub(crate) fn read<'a>(form: &'a Element, form_type: &str) -> Result<Submission<'a>, Refusal> {
    match form.attr("type") {
        Some("cancel") => return Ok(Submission::Cancelled),
        Some("submit") => {}
        _ => return Err(BusError::bad_request("the form is neither submitted nor cancelled").into()),
    }
    fields(form, form_type).map(Submission::Filled)
}

/// Reads the values of a form, whether or not it is submitted.
pub(crate) fn fields<'a>(form: &'a Element, form_type: &str) -> Result<Filled<'a>, Refusal> {
    let mut filled = Filled::default();
    for field in form.children().filter(|child| child.is("field", DATA_FORMS)) {
        let Some(var) = field.attr("var") else { continue };
        let values: Vec<_> = field.children().filter(|child| child.is("value", DATA_FORMS)).collect();
        let values: Vec<_> = values.into_iter().map(Element::text).collect();
        if var == "FORM_TYPE" {
            if values != [form_type] {
                return Err(BusError::bad_request(format!("the form is not of the type {form_type}")).into());
            }
        } else if filled.fields.iter().any(|(known, _)| *known == var) {
            return Err(BusError::bad_request(format!("the field {var:.100} is there twice")).into());
        } else if filled.fields.len() >= FIELDS_MAX {
            return Err(BusError::bad_request(format!("the form has more than {FIELDS_MAX} fields")).into());
        } else {
            filled.fields.push((var, values));
        }
    }
    Ok(filled)
}

/// XEP-0060 §12.5.
const WITH_PRESENCE: &str = "presence";
/// Fields that a form may have: several times what any table has.
const FIELDS_MAX: usize = 200;
/// Values that a field may have: several times what any table takes.
const VALUES_MAX: usize = 64;

impl<'a> Filled<'a> {
    /// Each field with its values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a str, &[String])> {
        self.fields.iter().map(|(var, values)| (*var, &**values))
    }

    /// The only value of a field.
    pub(crate) fn value(&self, var: &str) -> Option<&str> {
        if let [value] = self.values(var)? { Some(value) } else { None }
    }

    /// All values of a field.
    pub(crate) fn values(&self, var: &str) -> Option<&[String]> {
        self.fields.iter().find(|(known, _)| *known == var).map(|(_, values)| &values[..])
    }

    /// What the form sets, by a table of fields.
    pub(crate) fn settings<Subject, Setting>(
        &self,
        table: &[Field<Subject, Setting>],
        unknown: Unknown,
    ) -> Result<Vec<Setting>, Refusal> {
        let mut settings = Vec::with_capacity(self.fields.len());
        for (var, values) in &self.fields {
            match table.iter().find(|field| field.var == *var) {
                Some(field) => settings.extend(field.parse(values)?),
                None if unknown == Unknown::Ignored => {}
                None => {
                    return Err(BusError::bad_request(format!("the field {var:.100} is not known")).into());
                }
            }
        }
        Ok(settings)
    }
}

/// Writes a form to be filled in, with the values of `subject` and those options of a field (by its name) that are offered;
/// `more` adds fields that are in no table.
pub(crate) fn encode_form<'a, Subject: 'static, Setting: 'static>(
    form_type: &str,
    table: impl IntoIterator<Item = &'a Field<Subject, Setting>>,
    subject: &Subject,
    offers: impl Fn(&str, &str) -> bool,
    more: impl FnOnce(&mut Xml),
    out: &mut Xml,
) {
    out.start_in("x", DATA_FORMS).attribute("type", "form");
    encode_form_type(form_type, out);
    for field in table {
        out.start("field").attribute("var", field.var).attribute("type", field.kind.type_name());
        out.attribute("label", field.label);
        field.kind.encode_validation(out);
        field.encode_values(subject, out);
        let options: Vec<&str> = match field.kind {
            Kind::Choice { options, .. } | Kind::Choices { options, .. } => options.to_vec(),
            Kind::Names { get, .. } => get(subject).iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        for option in options.into_iter().filter(|option| offers(field.var, option)) {
            out.start("option").start("value").text(option).end().end();
        }
        out.end();
    }
    more(out);
    out.end();
}

/// Writes the values of `subject` as a result, and lets `more` add fields that nobody can set. Empty ones are left out.
pub(crate) fn encode_result<'a, Subject: 'static, Setting: 'static>(
    form_type: &str,
    table: impl IntoIterator<Item = &'a Field<Subject, Setting>>,
    subject: &Subject,
    more: impl FnOnce(&mut Xml),
    out: &mut Xml,
) {
    out.start_in("x", DATA_FORMS).attribute("type", "result");
    encode_form_type(form_type, out);
    for field in table {
        if !field.is_empty(subject) {
            out.start("field").attribute("var", field.var).attribute("type", field.kind.type_name());
            field.encode_values(subject, out);
            out.end();
        }
    }
    more(out);
    out.end();
}

/// Writes a field of a result.
pub(crate) fn encode_field(
    var: &str,
    kind: &str,
    values: impl IntoIterator<Item = impl AsRef<str>>,
    out: &mut Xml,
) {
    out.start("field").attribute("var", var).attribute("type", kind);
    for value in values {
        out.start("value").text(value.as_ref()).end();
    }
    out.end();
}

/// Writes what a form is about (XEP-0068).
pub(crate) fn encode_form_type(form_type: &str, out: &mut Xml) {
    encode_field("FORM_TYPE", "hidden", [form_type], out);
}

impl<Subject, Setting> Field<Subject, Setting> {
    fn parse(&self, values: &[String]) -> Result<Option<Setting>, Refusal> {
        if values.len() > VALUES_MAX {
            return Err(self.wrong("has too many values"));
        }
        let single = || match values {
            [] => Ok(""),
            [value] => Ok(value.as_str()),
            _ => Err(self.wrong("has more than one value")),
        };
        match &self.kind {
            Kind::Boolean { set, .. } => match single()? {
                "0" | "false" => Ok(Some(set(false))),
                "1" | "true" => Ok(Some(set(true))),
                _ => Err(self.wrong("must be 0, 1, false or true")),
            },
            Kind::Text { set, .. } => {
                let text = single()?;
                Ok(Some(set(Some(text.to_owned()).filter(|text| !text.is_empty()))))
            }
            Kind::Number { none, set, .. } => {
                let text = single()?.trim();
                let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = match text {
                    _ if text == *none || text.is_empty() => Some(None),
                    _ if is_digits => text.parse().ok().map(Some),
                    _ => None,
                };
                let setting = number.and_then(set);
                setting.map(Some).ok_or_else(|| self.wrong("is not a number that can be set here"))
            }
            Kind::Level { set, .. } => match single()?.trim() {
                "all" => Ok(Some(set(None))),
                text => match text.parse() {
                    Ok(level) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(set(Some(level)))),
                    _ => Err(self.wrong("is neither a number nor all")),
                },
            },
            Kind::Expire { set, .. } => match single()?.trim() {
                "" => Ok(Some(set(Expire::Never))),
                WITH_PRESENCE => Ok(Some(set(Expire::WithPresence))),
                text => match date_time::parse(text, Round::Down) {
                    Ok(since_1970_ms) => Ok(Some(set(Expire::AtMs(since_1970_ms)))),
                    Err(_) => Err(self.wrong("is neither presence nor a date and time with its zone")),
                },
            },
            Kind::Choices { set, .. } => {
                set(values).map(Some).ok_or_else(|| self.wrong("has no such option"))
            }
            Kind::Choice { set, .. } => set(single()?),
            Kind::Names { set, .. } => {
                let names = values.iter().filter(|value| !value.is_empty());
                Ok(Some(set(names.cloned().collect())))
            }
            Kind::Addresses { set, .. } => {
                let mut jids: Vec<Jid> = Vec::with_capacity(values.len());
                for value in values.iter().filter(|value| !value.is_empty()) {
                    let jid = Jid::new(value).map_err(|_| self.wrong("holds what is not a JID"))?;
                    if !jids.contains(&jid) {
                        jids.push(jid);
                    }
                }
                Ok(Some(set(jids)))
            }
        }
    }

    fn wrong(&self, problem: &str) -> Refusal {
        BusError::invalid_config(format!("{} {problem}", self.var)).into()
    }

    fn is_empty(&self, subject: &Subject) -> bool {
        match self.kind {
            Kind::Boolean { .. } | Kind::Choice { .. } | Kind::Level { .. } => false,
            Kind::Text { get, .. } => get(subject).is_none(),
            Kind::Expire { get, .. } => get(subject) == Expire::Never,
            Kind::Choices { get, .. } => get(subject).is_empty(),
            Kind::Number { none, get, .. } => none.is_empty() && get(subject).is_none(),
            Kind::Names { get, .. } => get(subject).is_empty(),
            Kind::Addresses { get, .. } => get(subject).is_empty(),
        }
    }

    fn encode_values(&self, subject: &Subject, out: &mut Xml) {
        let mut value = |text: &str| {
            out.start("value").text(text).end();
        };
        match self.kind {
            _ if self.is_empty(subject) => {}
            Kind::Boolean { get, .. } => value(if get(subject) { "1" } else { "0" }),
            Kind::Text { get, .. } => value(get(subject).unwrap_or_default()),
            Kind::Number { none, get, .. } => match get(subject) {
                Some(number) => value(&number.to_string()),
                None => value(none),
            },
            Kind::Level { get, .. } => match get(subject) {
                Some(level) => value(&level.to_string()),
                None => value("all"),
            },
            Kind::Expire { get, .. } => match get(subject) {
                Expire::Never => {}
                Expire::AtMs(at_ms) => value(&date_time::encode(at_ms)),
                Expire::WithPresence => value(WITH_PRESENCE),
            },
            Kind::Choices { get, .. } => get(subject).into_iter().for_each(value),
            Kind::Choice { get, .. } => value(get(subject)),
            Kind::Names { get, .. } => get(subject).iter().for_each(|name| value(name)),
            Kind::Addresses { get, .. } => get(subject).iter().for_each(|jid| value(jid.as_str())),
        }
    }
}

impl<Subject, Setting> Kind<Subject, Setting> {
    /// Writes which numbers are taken, for clients to check (XEP-0122; XEP-0060 §12.23). What comes back is checked all the
    /// same.
    fn encode_validation(&self, out: &mut Xml) {
        let Self::Number { none, .. } = self else { return };
        let datatype = if none.is_empty() { "xs:integer" } else { "pubsub:integer-or-max" };
        out.start_in("validate", VALIDATE).attribute("datatype", datatype);
        out.start("range").attribute("min", "1").end().end();
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean { .. } => "boolean",
            Self::Text { .. } | Self::Number { .. } | Self::Level { .. } | Self::Expire { .. } => {
                "text-single"
            }
            Self::Choice { .. } => "list-single",
            Self::Names { .. } | Self::Choices { .. } => "list-multi",
            Self::Addresses { .. } => "jid-multi",
        }
    }
}
