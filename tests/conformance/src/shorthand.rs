//! Short forms of stanzas, so that a script shows what matters.

/// The stanza that a text of a script stands for; a text that begins with `<` is one itself.
///
/// * `set CHILD`, `get CHILD`, `result CHILD`: an IQ. `pubsub` or `owner` before the child puts it into that element.
/// * `ok`: an empty result.
/// * `error TYPE/CONDITION`: an error, `+CONDITION` adds one of XEP-0060, `+unsupported:FEATURE` that one with its feature.
/// * `event CHILD`: a notification.
/// * `archived UID CHILD`: a notification out of an archive, which has it under this UID.
///
/// In any of them, `[submit TYPE: VAR=VALUE; VAR=VALUE|VALUE]` is a form of XEP-0004 about `pubsub#TYPE`, or about
/// `urn:xmpp:mam:2` with the type `mam`; `[form …]` and `[result …]` are such that may have more fields, `[cancel]` is one that is cancelled.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    let text = &*forms(text)?;
    if text.starts_with('<') {
        return Ok(text.to_owned());
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "set" | "get" | "result" => Ok(format!("<iq type='{word}'>{}</iq>", content(rest))),
        "ok" => Ok("<iq type='result'/>".to_owned()),
        "error" => error(rest).ok_or_else(|| format!("no such error: {rest}")),
        "archived" => archived(rest).ok_or_else(|| format!("no UID: {rest}")),
        "event" => Ok(format!("<message><event xmlns='pubsub#event'>{rest}</event></message>")),
        _ => Err(format!("neither a stanza nor a short form of one: {text}")),
    }
}

fn archived(text: &str) -> Option<String> {
    let (uid, event) = text.split_once(' ')?;
    let event = format!(
        "<message xmlns='jabber:client' from='{{service}}'><event xmlns='pubsub#event'>{event}</event></message>"
    );
    let forwarded = format!("<forwarded xmlns='forward'>{event}</forwarded>");
    Some(format!(
        "<message><result xmlns='mam' id='{uid}'>{forwarded}</result><no-store xmlns='hints'/></message>"
    ))
}

fn forms(text: &str) -> Result<String, String> {
    let mut pieces = text.split('[');
    let mut expanded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (short, rest) = piece.split_once(']').ok_or_else(|| format!("a form without an end: {text}"))?;
        expanded.push_str(&form(short).ok_or_else(|| format!("no such form: {short}"))?);
        expanded.push_str(rest);
    }
    Ok(expanded)
}

fn form(short: &str) -> Option<String> {
    if short == "cancel" {
        return Some("<x xmlns='data' type='cancel'/>".to_owned());
    }
    let (kind, rest) = short.split_once(' ')?;
    let more = match kind {
        "submit" => "",
        "form" | "result" => "{more}",
        _ => return None,
    };
    let (about, fields) = rest.split_once(':').unwrap_or((rest, ""));
    let fields = fields.split(';').map(str::trim).filter(|field| !field.is_empty());
    let fields = fields.map(|text| text.split_once('=').map(|(var, values)| field(var, "", values)));
    let fields: String = fields.collect::<Option<_>>()?;
    let about = match about {
        "mam" => "urn:xmpp:mam:2".to_owned(),
        about => format!("http://jabber.org/protocol/pubsub#{about}"),
    };
    let form_type = field("FORM_TYPE", " type='hidden'", &about);
    Some(format!("<x xmlns='data' type='{kind}'>{more}{form_type}{fields}</x>"))
}

fn field(var: &str, attributes: &str, values: &str) -> String {
    let values: Vec<_> = values.split('|').filter(|value| !value.is_empty()).collect();
    let inside = if values.is_empty() {
        String::new()
    } else {
        format!("<value>{}</value>", values.join("</value><value>"))
    };
    format!("<field var='{var}'{attributes}>{inside}</field>")
}

fn content(text: &str) -> String {
    if let Some(children) = text.strip_prefix("pubsub ") {
        format!("<pubsub xmlns='pubsub'>{children}</pubsub>")
    } else if let Some(children) = text.strip_prefix("owner ") {
        format!("<pubsub xmlns='pubsub#owner'>{children}</pubsub>")
    } else {
        text.to_owned()
    }
}

fn error(text: &str) -> Option<String> {
    let (kind, conditions) = text.split_once('/')?;
    let mut conditions = conditions.split('+');
    let condition = conditions.next()?;
    let ours: String = conditions.map(own_condition).collect();
    Some(format!("<iq type='error'><error type='{kind}'><{condition} xmlns='stanzas'/>{ours}</error></iq>"))
}

fn own_condition(condition: &str) -> String {
    match condition.split_once(':') {
        Some((name, feature)) => format!("<{name} xmlns='pubsub#errors' feature='{feature}'/>"),
        None => format!("<{condition} xmlns='pubsub#errors'/>"),
    }
}
