//! Between messages and the values of push profiles.

use std::str::FromStr;

use bus_domain::consumer::NodePattern;
use bus_domain::push::profile::{Audience, QuietHours, QuietThen, Topic, When};
use bus_domain::push::template::{TemplateText, Texts};
use bus_domain::push::{ProfileConfig, PushProfile, Template, Urgency};
use tonic::Status;

use super::{bare_jid, duration, enum_value, optional_ms, timestamp};
use crate::status::invalid_field;
use crate::v1;
use crate::v1::push_audience::To;

/// What somebody wants a profile to do. What is beyond one field, the rules say.
pub(crate) fn profile_config(config: Option<v1::PushProfileConfig>) -> Result<ProfileConfig, Status> {
    let config = config.ok_or_else(|| invalid_field("config", "must be set"))?;
    let nodes = config.nodes.iter().enumerate().map(|(index, node)| {
        NodePattern::new(node).map_err(|problem| invalid_field(&format!("config.nodes[{index}]"), problem))
    });
    let template = config.template.ok_or_else(|| invalid_field("config.template", "must be set"))?;
    let ttl_ms = optional_ms("config.ttl", config.ttl.as_ref())?.unwrap_or(0);
    let coalesce_ms = optional_ms("config.coalesce", config.coalesce.as_ref())?.unwrap_or(0);
    Ok(ProfileConfig {
        nodes: nodes.collect::<Result<_, _>>()?,
        audience: audience(config.audience)?,
        when: match enum_value("config.when", config.when)? {
            Some(v1::PushWhen::Always) => When::Always,
            Some(v1::PushWhen::Away) => When::Away,
            Some(v1::PushWhen::Unspecified) | None => {
                return Err(invalid_field("config.when", "must be set"));
            }
        },
        template: self::template(template)?,
        collapse_key: match &*config.collapse_key {
            "" => None,
            key => Some(text("config.collapse_key", key)?),
        },
        ttl_s: u32::try_from(ttl_ms.div_ceil(1_000)).unwrap_or(u32::MAX),
        urgency: match enum_value("config.urgency", config.urgency)? {
            Some(v1::PushProfileUrgency::VeryLow) => Urgency::VeryLow,
            Some(v1::PushProfileUrgency::Low) => Urgency::Low,
            Some(v1::PushProfileUrgency::High) => Urgency::High,
            Some(v1::PushProfileUrgency::Normal | v1::PushProfileUrgency::Unspecified) | None => {
                Urgency::Normal
            }
        },
        quiet_hours: config.quiet_hours.map(quiet_hours).transpose()?,
        coalesce_ms: u32::try_from(coalesce_ms).unwrap_or(u32::MAX),
    })
}

/// A profile as it is.
pub(crate) fn profile_to_message(profile: &PushProfile) -> v1::PushProfile {
    v1::PushProfile {
        name: profile.name.as_str().to_owned(),
        owner: profile.owner.to_string(),
        config: Some(config_to_message(&profile.config)),
        create_time: Some(timestamp(profile.created_at_ms)),
        failed_events: profile.failures,
        last_failure: profile.last_failure.clone().unwrap_or_default(),
    }
}

fn audience(audience: Option<v1::PushAudience>) -> Result<Audience, Status> {
    match audience.and_then(|audience| audience.to) {
        None => Err(invalid_field("config.audience", "must say for whom")),
        Some(To::Subscribers(true)) => Ok(Audience::Subscribers),
        Some(To::Subscribers(false)) => {
            Err(invalid_field("config.audience.subscribers", "must be true, or not set"))
        }
        Some(To::List(list)) => {
            let jids = list.jids.iter().enumerate();
            let jids = jids.map(|(index, jid)| bare_jid(&format!("config.audience.list.jids[{index}]"), jid));
            jids.collect::<Result<_, _>>().map(Audience::List)
        }
        Some(To::Topic(topic)) => self::topic("config.audience.topic", &topic).map(Audience::Topic),
    }
}

/// What devices are registered under.
pub(crate) fn topic(field: &str, text: &str) -> Result<Topic, Status> {
    Topic::new(text)
        .map_err(|_| invalid_field(field, "must be 1 to 255 bytes of printable ASCII without spaces"))
}

fn template(template: v1::PushTemplate) -> Result<Template, Status> {
    let locales = template.locales.into_iter().map(|(locale, texts)| {
        let texts = self::texts(&format!("config.template.locales[{locale}]"), Some(texts))?;
        Ok((locale, texts))
    });
    let data = template.data.into_iter().map(|(key, source)| {
        let text = text(&format!("config.template.data[{key}]"), &source)?;
        Ok((key, text))
    });
    Ok(Template {
        texts: texts("config.template.texts", template.texts)?,
        locales: locales.collect::<Result<_, Status>>()?,
        data: data.collect::<Result<_, Status>>()?,
        fallback: match template.fallback {
            Some(fallback) => Some(texts("config.template.fallback", Some(fallback))?),
            None => None,
        },
    })
}

fn texts(field: &str, texts: Option<v1::PushTexts>) -> Result<Texts, Status> {
    let texts = texts.unwrap_or_default();
    let one = |name: &str, source: Option<String>| {
        source.map(|source| text(&format!("{field}.{name}"), &source)).transpose()
    };
    Ok(Texts { title: one("title", texts.title)?, body: one("body", texts.body)? })
}

fn text(field: &str, source: &str) -> Result<TemplateText, Status> {
    TemplateText::from_str(source)
        .map_err(|problem| invalid_field(field, format!("is no template: {problem}")))
}

fn quiet_hours(quiet: v1::PushQuietHours) -> Result<QuietHours, Status> {
    let minute = |name: &str, minute: u32| {
        let field = format!("config.quiet_hours.{name}");
        u16::try_from(minute).map_err(|_| invalid_field(&field, "must be from 0 to 1439"))
    };
    let offset = i16::try_from(quiet.utc_offset_minutes);
    let field = "config.quiet_hours.utc_offset_minutes";
    Ok(QuietHours {
        from_minute: minute("from_minute", quiet.from_minute)?,
        to_minute: minute("to_minute", quiet.to_minute)?,
        utc_offset_minutes: offset.map_err(|_| invalid_field(field, "must be from -840 to 840"))?,
        then: if quiet.drop { QuietThen::Drop } else { QuietThen::Hold },
    })
}

fn config_to_message(config: &ProfileConfig) -> v1::PushProfileConfig {
    let to = match &config.audience {
        Audience::Subscribers => To::Subscribers(true),
        Audience::List(list) => {
            To::List(v1::PushList { jids: list.iter().map(ToString::to_string).collect() })
        }
        Audience::Topic(topic) => To::Topic(topic.as_str().to_owned()),
    };
    let when = match config.when {
        When::Always => v1::PushWhen::Always,
        When::Away => v1::PushWhen::Away,
    };
    let urgency = match config.urgency {
        Urgency::VeryLow => v1::PushProfileUrgency::VeryLow,
        Urgency::Low => v1::PushProfileUrgency::Low,
        Urgency::Normal => v1::PushProfileUrgency::Normal,
        Urgency::High => v1::PushProfileUrgency::High,
    };
    let quiet = |quiet: QuietHours| v1::PushQuietHours {
        from_minute: quiet.from_minute.into(),
        to_minute: quiet.to_minute.into(),
        utc_offset_minutes: quiet.utc_offset_minutes.into(),
        drop: quiet.then == QuietThen::Drop,
    };
    v1::PushProfileConfig {
        nodes: config.nodes.iter().map(ToString::to_string).collect(),
        audience: Some(v1::PushAudience { to: Some(to) }),
        when: when.into(),
        template: Some(template_to_message(&config.template)),
        collapse_key: config.collapse_key.as_ref().map(ToString::to_string).unwrap_or_default(),
        ttl: Some(duration(u64::from(config.ttl_s) * 1_000)),
        urgency: urgency.into(),
        quiet_hours: config.quiet_hours.map(quiet),
        coalesce: Some(duration(config.coalesce_ms.into())),
    }
}

fn template_to_message(template: &Template) -> v1::PushTemplate {
    let locales = template.locales.iter().map(|(locale, texts)| (locale.clone(), texts_to_message(texts)));
    v1::PushTemplate {
        texts: Some(texts_to_message(&template.texts)),
        locales: locales.collect(),
        data: template.data.iter().map(|(key, text)| (key.clone(), text.to_string())).collect(),
        fallback: template.fallback.as_ref().map(texts_to_message),
    }
}

fn texts_to_message(texts: &Texts) -> v1::PushTexts {
    let text = |text: &Option<TemplateText>| text.as_ref().map(ToString::to_string);
    v1::PushTexts { title: text(&texts.title), body: text(&texts.body) }
}
