//! `stanzabus push profiles`.

use clap::{Args, Subcommand, ValueEnum};
use jid::BareJid;

/// `stanzabus push profiles …`
#[derive(Debug, Subcommand)]
pub(crate) enum ProfilesCommand {
    /// Make a push profile: what is published on nodes from now on becomes pushes. Prints it as JSON.
    Create(Box<ProfileArguments>),
    /// Give a push profile another configuration, in place of all that it has. Prints it as JSON.
    Update(Box<ProfileArguments>),
    /// Print your push profiles, one JSON object per line; everybody's, for an admin.
    List,
    /// Print a push profile as JSON, with what went wrong.
    Show {
        /// The profile.
        profile: String,
    },
    /// Remove a push profile. Pushes that it has enqueued are still sent.
    Delete {
        /// The profile.
        profile: String,
    },
    /// Set in which language a device is told and under which topics, in place of what was set before.
    Device {
        /// The device's id.
        device: String,
        /// A language tag, for example de-AT [default: none].
        #[arg(long, value_name = "TAG", default_value = "", hide_default_value = true)]
        locale: String,
        /// What it is registered under.
        #[arg(long = "topic", value_name = "TOPIC")]
        topics: Vec<String>,
    },
}

/// `stanzabus push profiles create`, and `update`
#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    /// Its name: printable ASCII without spaces.
    pub(crate) profile: String,
    /// The nodes whose items are pushed: names, or patterns with * for one level and > at the end for all below.
    #[arg(required = true)]
    pub(crate) nodes: Vec<String>,
    /// For whom.
    #[command(flatten)]
    pub(crate) audience: AudienceArguments,
    /// Push also to whom the event reaches anyway: over XMPP, or over an open stream of gRPC or HTTP.
    #[arg(long)]
    pub(crate) always: bool,
    /// What they say.
    #[command(flatten)]
    pub(crate) template: TemplateArguments,
    /// A text with placeholders; a later push of the same key takes the place of one that has not arrived.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) collapse_key: String,
    /// How long an event is worth a push, in seconds; 0 tries once.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub(crate) ttl_seconds: u32,
    /// How soon pushes have to be there.
    #[arg(long, value_enum, default_value = "normal")]
    pub(crate) urgency: ProfileUrgency,
    /// Hours in which pushes wait, for example 22:00-06:30.
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = quiet_hours)]
    pub(crate) quiet_hours: Option<(u32, u32)>,
    /// How far the clock of these hours is ahead of UTC, in minutes; may be negative.
    #[arg(
        long,
        value_name = "MINUTES",
        requires = "quiet_hours",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) utc_offset_minutes: i32,
    /// Send nothing in these hours, instead of waiting.
    #[arg(long, requires = "quiet_hours")]
    pub(crate) drop_when_quiet: bool,
    /// How long a push waits for later ones of its collapse key for the same device, of which the last is sent.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) coalesce_seconds: u32,
}

/// For whom: one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AudienceArguments {
    /// For the node's subscribers.
    #[arg(long)]
    pub(crate) subscribers: bool,
    /// For these addresses.
    #[arg(long = "jid", value_name = "JID")]
    pub(crate) jids: Vec<BareJid>,
    /// For the devices under this topic.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
}

/// What pushes say: texts with placeholders such as {event.subject}, {data.order.id|none}, {xml.order.@id}, {node}.
#[derive(Debug, Args)]
pub(crate) struct TemplateArguments {
    /// The first line.
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// The text below it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// The first line in a language.
    #[arg(long, value_name = "TAG=TEXT", value_parser = key_and_text)]
    pub(crate) title_in: Vec<(String, String)>,
    /// The text below it in a language.
    #[arg(long, value_name = "TAG=TEXT", value_parser = key_and_text)]
    pub(crate) body_in: Vec<(String, String)>,
    /// An entry for the app.
    #[arg(long, value_name = "KEY=TEXT", value_parser = key_and_text)]
    pub(crate) data: Vec<(String, String)>,
    /// The first line when an event lacks a field that the rest needs; nothing is pushed then without a fallback.
    #[arg(long, value_name = "TEXT")]
    pub(crate) fallback_title: Option<String>,
    /// The text below it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) fallback_body: Option<String>,
}

/// How soon pushes have to be there.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProfileUrgency {
    /// When the device is on power and Wi-Fi.
    VeryLow,
    /// When it is on either.
    Low,
    /// When it is on neither.
    Normal,
    /// Also when its battery is low.
    High,
}

fn key_and_text(argument: &str) -> Result<(String, String), &'static str> {
    let (key, text) = argument.split_once('=').ok_or("must have a key, then =, then a text")?;
    Ok((key.to_owned(), text.to_owned()))
}

fn quiet_hours(argument: &str) -> Result<(u32, u32), &'static str> {
    let problem = "must be two times of the day such as 22:00-06:30";
    let minute = |time: &str| {
        let (hours, minutes) = time.split_once(':')?;
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let (from, to) = argument.split_once('-').ok_or(problem)?;
    minute(from).zip(minute(to)).ok_or(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_two_times_of_the_day() {
        assert_eq!(quiet_hours("22:00-06:30"), Ok((1_320, 390)));
        for wrong in ["", "22-6", "24:00-06:00", "22:60-06:00", "22:00", "a:b-c:d"] {
            assert!(quiet_hours(wrong).is_err(), "{wrong}");
        }
    }
}
