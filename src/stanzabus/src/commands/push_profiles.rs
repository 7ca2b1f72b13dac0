use bridge_grpc::v1;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use v1::push_audience::To;

use crate::cli::{AudienceArguments, ProfileArguments, ProfileUrgency, ProfilesCommand, TemplateArguments};
use crate::client::grpc::GrpcClient;
use crate::client::output;
use crate::failure::Failure;

/// `stanzabus push profiles …`
pub(crate) async fn run(client: &GrpcClient, command: ProfilesCommand) -> Result<(), Failure> {
    match command {
        ProfilesCommand::Create(arguments) => {
            let (name, config) = named_config(*arguments);
            let request = v1::CreatePushProfileRequest { name, config: Some(config) };
            output::print_json(&ProfileLine::of(client.create_push_profile(request).await?))
        }
        ProfilesCommand::Update(arguments) => {
            let (name, config) = named_config(*arguments);
            let request = v1::UpdatePushProfileRequest { name, config: Some(config) };
            output::print_json(&ProfileLine::of(client.update_push_profile(request).await?))
        }
        ProfilesCommand::List => {
            let mut page_token = String::new();
            loop {
                let page = client.push_profiles_page(page_token).await?;
                for profile in page.profiles {
                    output::print_json(&ProfileLine::of(profile))?;
                }
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                page_token = page.next_page_token;
            }
        }
        ProfilesCommand::Show { profile } => {
            output::print_json(&ProfileLine::of(client.push_profile(&profile).await?))
        }
        ProfilesCommand::Delete { profile } => {
            client.delete_push_profile(&profile).await?;
            output::status(&format!("deleted {profile}"));
            Ok(())
        }
        ProfilesCommand::Device { device, locale, topics } => {
            let request = v1::SetDevicePreferencesRequest { device_id: device.clone(), locale, topics };
            client.set_device_preferences(request).await?;
            output::status(&format!("set the preferences of {device}"));
            Ok(())
        }
    }
}

fn named_config(arguments: ProfileArguments) -> (String, v1::PushProfileConfig) {
    let when = if arguments.always { v1::PushWhen::Always } else { v1::PushWhen::Away };
    let urgency = match arguments.urgency {
        ProfileUrgency::VeryLow => v1::PushProfileUrgency::VeryLow,
        ProfileUrgency::Low => v1::PushProfileUrgency::Low,
        ProfileUrgency::Normal => v1::PushProfileUrgency::Normal,
        ProfileUrgency::High => v1::PushProfileUrgency::High,
    };
    let quiet_hours = arguments.quiet_hours.map(|(from_minute, to_minute)| v1::PushQuietHours {
        from_minute,
        to_minute,
        utc_offset_minutes: arguments.utc_offset_minutes,
        drop: arguments.drop_when_quiet,
    });
    let config = v1::PushProfileConfig {
        nodes: arguments.nodes,
        audience: Some(audience(arguments.audience)),
        when: when.into(),
        template: Some(template(arguments.template)),
        collapse_key: arguments.collapse_key,
        ttl: Some(seconds(arguments.ttl_seconds)),
        urgency: urgency.into(),
        quiet_hours,
        coalesce: Some(seconds(arguments.coalesce_seconds)),
    };
    (arguments.profile, config)
}

fn audience(arguments: AudienceArguments) -> v1::PushAudience {
    let to = match arguments.topic {
        Some(topic) => To::Topic(topic),
        None if arguments.subscribers => To::Subscribers(true),
        None => To::List(v1::PushList { jids: arguments.jids.iter().map(ToString::to_string).collect() }),
    };
    v1::PushAudience { to: Some(to) }
}

fn template(arguments: TemplateArguments) -> v1::PushTemplate {
    let TemplateArguments { title, body, title_in, body_in, data, fallback_title, fallback_body } = arguments;
    let mut locales: HashMap<String, v1::PushTexts> = HashMap::new();
    for (locale, title) in title_in {
        locales.entry(locale).or_default().title = Some(title);
    }
    for (locale, body) in body_in {
        locales.entry(locale).or_default().body = Some(body);
    }
    let has_fallback = fallback_title.is_some() || fallback_body.is_some();
    v1::PushTemplate {
        texts: Some(v1::PushTexts { title, body }),
        locales,
        data: data.into_iter().collect(),
        fallback: has_fallback.then_some(v1::PushTexts { title: fallback_title, body: fallback_body }),
    }
}

fn seconds(seconds: u32) -> prost_types::Duration {
    prost_types::Duration { seconds: seconds.into(), nanos: 0 }
}

/// A profile as one line.
#[derive(Serialize)]
struct ProfileLine {
    profile: String,
    owner: String,
    nodes: Vec<String>,
    #[serde(flatten)]
    audience: AudiencePart,
    when: &'static str,
    #[serde(flatten)]
    texts: TextsPart,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    locales: BTreeMap<String, TextsPart>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<TextsPart>,
    #[serde(skip_serializing_if = "String::is_empty")]
    collapse_key: String,
    ttl_seconds: i64,
    urgency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_hours: Option<QuietPart>,
    coalesce_seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    failed_events: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_failure: String,
}

#[derive(Serialize, Default)]
struct AudiencePart {
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
}

#[derive(Serialize)]
struct TextsPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

#[derive(Serialize)]
struct QuietPart {
    from: String,
    to: String,
    utc_offset_minutes: i32,
    drop: bool,
}

impl ProfileLine {
    fn of(profile: v1::PushProfile) -> Self {
        let config = profile.config.unwrap_or_default();
        let (when, urgency) = (when(config.when()), urgency(config.urgency()));
        let template = config.template.unwrap_or_default();
        let audience = match config.audience.and_then(|audience| audience.to) {
            None => AudiencePart::default(),
            Some(To::Subscribers(_)) => AudiencePart { subscribers: Some(true), ..AudiencePart::default() },
            Some(To::List(list)) => AudiencePart { jids: Some(list.jids), ..AudiencePart::default() },
            Some(To::Topic(topic)) => AudiencePart { topic: Some(topic), ..AudiencePart::default() },
        };
        let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let quiet = |quiet: v1::PushQuietHours| QuietPart {
            from: time(quiet.from_minute),
            to: time(quiet.to_minute),
            utc_offset_minutes: quiet.utc_offset_minutes,
            drop: quiet.drop,
        };
        Self {
            profile: profile.name,
            owner: profile.owner,
            nodes: config.nodes,
            audience,
            when,
            texts: TextsPart::of(template.texts.unwrap_or_default()),
            locales: template.locales.into_iter().map(|(tag, texts)| (tag, TextsPart::of(texts))).collect(),
            data: template.data.into_iter().collect(),
            fallback: template.fallback.map(TextsPart::of),
            collapse_key: config.collapse_key,
            ttl_seconds: config.ttl.map_or(0, |ttl| ttl.seconds),
            urgency,
            quiet_hours: config.quiet_hours.map(quiet),
            coalesce_seconds: config.coalesce.map_or(0, |window| window.seconds),
            created_at: profile.create_time.map(|time| time.to_string()),
            failed_events: profile.failed_events,
            last_failure: profile.last_failure,
        }
    }
}

impl TextsPart {
    fn of(texts: v1::PushTexts) -> Self {
        Self { title: texts.title, body: texts.body }
    }
}

fn when(when: v1::PushWhen) -> &'static str {
    match when {
        v1::PushWhen::Always => "always",
        v1::PushWhen::Away | v1::PushWhen::Unspecified => "away",
    }
}

fn urgency(urgency: v1::PushProfileUrgency) -> &'static str {
    match urgency {
        v1::PushProfileUrgency::VeryLow => "very-low",
        v1::PushProfileUrgency::Low => "low",
        v1::PushProfileUrgency::Normal | v1::PushProfileUrgency::Unspecified => "normal",
        v1::PushProfileUrgency::High => "high",
    }
}
