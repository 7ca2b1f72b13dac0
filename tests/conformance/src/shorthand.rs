//! Short forms of stanzas, so that a script shows what matters.

/// The stanza that a text of a script stands for; a text that begins with `<` is one itself.
///
/// * `set CHILD`, `get CHILD`, `result CHILD`: an IQ. `pubsub` or `owner` before the child puts it into that element.
/// * `ok`: an empty result.
/// * `error TYPE/CONDITION`: an error, `+CONDITION` adds one of XEP-0060, `+unsupported:FEATURE` that one with its feature.
/// * `event CHILD`: a notification.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    if text.starts_with('<') {
        return Ok(text.to_owned());
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "set" | "get" | "result" => Ok(format!("<iq type='{word}'>{}</iq>", content(rest))),
        "ok" => Ok("<iq type='result'/>".to_owned()),
        "error" => error(rest).ok_or_else(|| format!("no such error: {rest}")),
        "event" => Ok(format!("<message><event xmlns='pubsub#event'>{rest}</event></message>")),
        _ => Err(format!("neither a stanza nor a short form of one: {text}")),
    }
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
