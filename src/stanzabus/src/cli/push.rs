//! `stanzabus push`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jid::BareJid;

use super::ProfilesCommand;

/// `stanzabus push …`
#[derive(Debug, Subcommand)]
pub(crate) enum PushCommand {
    /// Register, list and remove devices.
    Devices {
        /// What to do with them.
        #[command(subcommand)]
        command: PushDevicesCommand,
    },
    /// Make, change, remove, list and show push profiles, and say how devices are told.
    Profiles {
        /// What to do with them.
        #[command(subcommand)]
        command: ProfilesCommand,
    },
    /// Print what was registered for pushes to come in, one JSON object per line, without the secrets.
    Registrations {
        /// Whose [default: your own].
        #[arg(long, value_name = "JID")]
        owner: Option<BareJid>,
    },
    /// Print the daemon's accounts at providers, one JSON object per line, with the key that apps subscribe with (Web Push).
    Accounts,
    /// Send a message to devices; prints one JSON object per device once its job is on disk.
    Send(Box<PushSendArguments>),
    /// Look at jobs, and take back those that wait.
    Jobs {
        /// What to do with them.
        #[command(subcommand)]
        command: PushJobsCommand,
    },
    /// Look at the jobs that were given up, have them begin anew, or remove them.
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        command: PushDeadCommand,
    },
}

/// `stanzabus push devices …`
#[derive(Debug, Subcommand)]
pub(crate) enum PushDevicesCommand {
    /// Register a device, or say once more that it is there. Prints it as JSON.
    Register(PushRegisterArguments),
    /// Print devices, one JSON object per line.
    List {
        /// Whose [default: your own].
        #[arg(long, value_name = "JID")]
        owner: Option<BareJid>,
    },
    /// Remove a device. What is on its way to it goes nowhere.
    Delete {
        /// The device's id, as `list` shows it.
        device: String,
    },
}

/// `stanzabus push devices register`
#[derive(Debug, Args)]
pub(crate) struct PushRegisterArguments {
    /// Whose it is [default: your own].
    #[arg(long, value_name = "JID")]
    pub(crate) owner: Option<BareJid>,
    /// Where it is.
    #[command(flatten)]
    pub(crate) address: PushAddressArguments,
    /// The bundle id of the app that the token of APNs is of.
    #[arg(long, value_name = "ID", requires = "apns_token")]
    pub(crate) bundle_id: Option<String>,
    /// The token of APNs is of an app under development.
    #[arg(long, requires = "apns_token")]
    pub(crate) sandbox: bool,
    /// The account that reaches it, as `push accounts` names it [default: the first that can].
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// The device that is known and is there now, by its id: its provider has given it another token [default: a new one].
    #[arg(long, value_name = "DEVICE", conflicts_with = "owner")]
    pub(crate) device: Option<String>,
}

/// Where a device is: one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PushAddressArguments {
    /// Its token of APNs, in hexadecimal digits; goes with --bundle-id.
    #[arg(long, value_name = "TOKEN", requires = "bundle_id")]
    pub(crate) apns_token: Option<String>,
    /// Its registration token of FCM.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) fcm_token: Option<String>,
    /// A file with its subscription of Web Push, as browsers write it in JSON: {"endpoint": …, "keys": {"p256dh": …, "auth": …}}.
    #[arg(long, value_name = "FILE")]
    pub(crate) web_push_file: Option<PathBuf>,
}

/// `stanzabus push send`
#[derive(Debug, Args)]
pub(crate) struct PushSendArguments {
    /// To whom.
    #[command(flatten)]
    pub(crate) targets: PushTargetArguments,
    /// The first line that people see.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// The text below it.
    #[arg(long)]
    pub(crate) body: Option<String>,
    /// Something for the app; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) data: Vec<(String, String)>,
    /// For how long it is of use, and is kept for a device that is away; 0 tries once.
    #[arg(long, value_name = "N", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=2_419_200))]
    pub(crate) ttl_seconds: u32,
    /// How soon it has to be there.
    #[arg(long, value_enum, default_value = "normal")]
    pub(crate) urgency: PushUrgency,
    /// A later message of the same key takes the place of one that has not arrived.
    #[arg(long, value_name = "KEY")]
    pub(crate) collapse_key: Option<String>,
    /// A name for this order: whoever sends it again under the same name sends nothing, and gets the same jobs.
    #[arg(long, value_name = "NAME")]
    pub(crate) order_id: Option<String>,
    /// What kind it is for Apple: alert, background, location, voip, complication, fileprovider, mdm, liveactivity, pushtotalk,
    /// widgets, controls [default: alert with a title or a body, else background].
    #[arg(long, value_name = "TYPE")]
    pub(crate) apns_push_type: Option<String>,
    /// The whole payload for Apple, in place of one made of the rest.
    #[arg(long, value_name = "JSON")]
    pub(crate) apns_payload: Option<String>,
    /// Members of FCM's message, which go before what is made of the rest.
    #[arg(long, value_name = "JSON")]
    pub(crate) fcm_message: Option<String>,
}

/// To whom: addresses or devices.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PushTargetArguments {
    /// To all devices of this address; may be given several times.
    #[arg(long, value_name = "JID")]
    pub(crate) to: Vec<BareJid>,
    /// To this device; may be given several times.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Vec<String>,
}

/// How soon a message has to be there (RFC 8030, section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PushUrgency {
    /// When the device is on power and Wi-Fi.
    VeryLow,
    /// When it is on power or Wi-Fi.
    Low,
    /// When it is on neither.
    Normal,
    /// Also when its battery is low.
    High,
}

/// `stanzabus push jobs …`
#[derive(Debug, Subcommand)]
pub(crate) enum PushJobsCommand {
    /// Print jobs, one JSON object per line.
    List {
        /// Only those that stand so.
        #[arg(long, value_enum)]
        state: Option<PushJobState>,
        /// Only those for this device.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
    /// Print a job as JSON.
    Show {
        /// The job.
        job: String,
    },
    /// Take jobs back that wait; prints the ids of those that were. What is under way right now may arrive all the same.
    Cancel {
        /// The jobs.
        #[arg(required = true)]
        jobs: Vec<String>,
    },
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PushJobState {
    /// It is tried when it is due.
    Waiting,
    /// Its provider has taken it.
    Delivered,
    /// It was given up.
    Dead,
}

/// `stanzabus push dead …`
#[derive(Debug, Subcommand)]
pub(crate) enum PushDeadCommand {
    /// Print jobs that were given up, one JSON object per line, with the reason.
    List,
    /// Have jobs begin anew, with as much time as they had at first; prints the ids of those that do.
    Redrive(PushDeadArguments),
    /// Remove jobs; prints the ids of those that were there.
    Delete(PushDeadArguments),
}

/// Which jobs: some, or all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PushDeadArguments {
    /// The jobs.
    pub(crate) jobs: Vec<String>,
    /// All that were given up until now.
    #[arg(long)]
    pub(crate) all: bool,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| "write KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}
