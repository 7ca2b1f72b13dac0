//! Devices of users, registered by themselves: what a client needs before it asks its server to push (XEP-0357 §5).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bus_domain::push::{
    AccountName, ApnsEnvironment, Inlet, InletId, InletTarget, PushAddress, PushProvider,
};
use bus_engine::{FoundInlet, Registration};

use crate::ad_hoc::table::{Ask, AskMore, Column, Entry, Found, Row, Turn, Who};
use crate::date_time;
use crate::errors::{CommandProblem, Refusal};
use crate::form::{encode_field, encode_form_type};
use crate::namespaces::{DATA_FORMS, PUSH_FORM};
use crate::push_service::PushServiceSettings;
use crate::xml::Xml;

/// The commands at the address that servers push to.
pub(super) const TABLE: &[Entry] = &[
    Entry {
        node: "urn:stanzabus:push:1#register-device",
        name: "Register a device for pushes",
        who: Who::PushUsers,
        ask: Some(Ask {
            form_type: PUSH_FORM,
            var: "provider",
            kind: "text-single",
            label: "Whose service reaches it: apns, fcm or webpush",
            more: &[
                AskMore { var: "token", label: "Its token (apns, fcm)" },
                AskMore { var: "bundle_id", label: "The app's bundle id (apns)" },
                AskMore { var: "environment", label: "production or sandbox (apns)" },
                AskMore { var: "endpoint", label: "Its push resource, an https URL (webpush)" },
                AskMore { var: "p256dh", label: "Its public key, in base64url (webpush)" },
                AskMore { var: "auth", label: "Its authentication secret, in base64url (webpush)" },
                AskMore { var: "account", label: "The operator's account that the app was built for" },
            ],
            options: None,
        }),
        tells_of_failure: true,
        is_direct: true,
        run: |turn| Box::pin(register(turn)),
    },
    Entry {
        node: WEB,
        name: "Get an address for the pushes of an application server",
        who: Who::PushUsers,
        ask: Some(Ask {
            form_type: PUSH_FORM,
            var: "title",
            kind: "text-single",
            label: "What it is for",
            more: &[AskMore {
                var: "vapid",
                label: "The key that the application server signs with (VAPID), in base64url",
            }],
            options: None,
        }),
        tells_of_failure: true,
        is_direct: true,
        run: |turn| Box::pin(register_web(turn)),
    },
    Entry {
        node: "urn:stanzabus:push:1#list-registrations",
        name: "List my registrations",
        who: Who::PushUsers,
        ask: None,
        tells_of_failure: true,
        is_direct: false,
        run: |turn| Box::pin(list(turn)),
    },
    Entry {
        node: "urn:stanzabus:push:1#remove-registration",
        name: "Remove one of my registrations",
        who: Who::PushUsers,
        ask: Some(Ask {
            form_type: PUSH_FORM,
            var: "node",
            kind: "text-single",
            label: "Its node",
            more: &[],
            options: None,
        }),
        tells_of_failure: true,
        is_direct: true,
        run: |turn| Box::pin(remove(turn)),
    },
    Entry {
        node: "urn:stanzabus:push:1#list-accounts",
        name: "List through what devices are reached",
        who: Who::PushUsers,
        ask: None,
        tells_of_failure: true,
        is_direct: false,
        run: |turn| Box::pin(async move { accounts(&turn) }),
    },
];

/// Offered where there are addresses to give out.
const WEB: &str = "urn:stanzabus:push:1#register-web-push";

const REGISTRATIONS: &[Column] = &[
    ("node", "Node"),
    ("kind", "Kind"),
    ("leads_to", "Leads to"),
    ("registered", "Registered"),
    ("set_aside", "Set aside because"),
];
const ACCOUNTS: &[Column] =
    &[("provider", "Provider"), ("account", "Account"), ("subscription_key", "Subscription key (VAPID)")];
/// Rows of a page.
const PAGE_MAX: u32 = 50;

/// Clients write base64url with padding and without.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Registers one of the actor's own devices, and tells what its server is to be enabled with. Whoever registers the same device
/// again gets the same.
async fn register(turn: Turn<'_>) -> Result<Found, Refusal> {
    let settings = turn.push()?;
    let account: Option<AccountName> =
        turn.value("account").map(str::parse).transpose().map_err(|error| wrong(&error))?;
    let registration =
        Registration { id: None, owner: turn.actor.bare().clone(), address: turn.address()?, account };
    let device = settings.pushes.register(turn.actor, registration).await?;
    let inlet = settings.pushes.open_inlet(turn.actor, device.id).await?;
    let mut out = Xml::default();
    out.start_in("x", DATA_FORMS).attribute("type", "result");
    encode_form_type(PUSH_FORM, &mut out);
    encode_field("jid", "jid-single", [settings.address.as_str()], &mut out);
    encode_field("node", "text-single", [inlet.id.to_string()], &mut out);
    encode_field("secret", "text-private", [inlet.secret.to_string()], &mut out);
    encode_field("device_id", "text-single", [device.id.to_string()], &mut out);
    Ok(Found::Form(out.finish()))
}

/// Makes an address for an application server, whose pushes become items on a node of the actor's.
async fn register_web(turn: Turn<'_>) -> Result<Found, Refusal> {
    let settings = turn.push()?;
    let public_url = settings.public_url.as_ref().ok_or(CommandProblem::NoSuchCommand)?;
    let sender_key = turn.value("vapid").map(|_| turn.bytes("vapid")).transpose()?;
    let opened = settings.pushes.open_web_inlet(turn.engine, turn.actor, turn.argument, sender_key).await;
    let Inlet { id, secret, target, .. } = opened?;
    let mut out = Xml::default();
    out.start_in("x", DATA_FORMS).attribute("type", "result");
    encode_form_type(PUSH_FORM, &mut out);
    encode_field("endpoint", "text-private", [format!("{public_url}/v1/push/{id}{secret}")], &mut out);
    encode_field("node", "text-single", [id.to_string()], &mut out);
    encode_field("service", "jid-single", [settings.address.domain().as_str()], &mut out);
    if let InletTarget::Node { node, .. } = target {
        encode_field("leads_to", "text-single", [node.as_str()], &mut out);
    }
    Ok(Found::Form(out.finish()))
}

/// Whether a command is offered.
pub(super) fn is_offered(entry: &Entry, settings: &PushServiceSettings) -> bool {
    entry.node != WEB || settings.public_url.is_some()
}

/// A page of what the actor has registered.
async fn list(turn: Turn<'_>) -> Result<Found, Refusal> {
    let after: Option<InletId> = turn.after.and_then(|uid| uid.parse().ok());
    let found = turn.push()?.pushes.inlets(turn.actor, turn.actor.bare(), after, PAGE_MAX).await?;
    let has_more = found.len() >= PAGE_MAX as usize;
    Ok(Found::Rows { columns: REGISTRATIONS, rows: found.iter().map(row).collect(), has_more })
}

fn row(FoundInlet { inlet, device }: &FoundInlet) -> Row {
    let (kind, leads_to) = match (&inlet.target, device) {
        (InletTarget::Node { node, .. }, _) => ("web", node.to_string()),
        (InletTarget::Device(id), device) => {
            (device.as_ref().map_or("device", |device| device.address.provider().as_str()), id.to_string())
        }
    };
    let set_aside = device.as_ref().and_then(|device| device.quarantined.clone()).unwrap_or_default();
    let node = inlet.id.to_string();
    let registered = date_time::encode(inlet.created_at_ms);
    Row { uid: node.clone(), cells: vec![node, kind.to_owned(), leads_to, registered, set_aside] }
}

/// Removes one of the actor's own registrations, with its device or its node.
async fn remove(turn: Turn<'_>) -> Result<Found, Refusal> {
    let id: InletId = turn.argument.parse().map_err(|_| bus_engine::PushError::NoSuchInlet)?;
    turn.push()?.pushes.close_inlet(turn.engine, turn.actor, id).await?;
    Ok(Found::done("The registration is removed."))
}

/// What devices can be reached through, with what a browser or a distributor is subscribed with.
fn accounts(turn: &Turn<'_>) -> Result<Found, Refusal> {
    let rows = turn.push()?.pushes.gauges().into_iter().map(|gauges| {
        let account = gauges.lane.account.to_string();
        let cells = vec![
            gauges.lane.provider.as_str().to_owned(),
            account,
            gauges.subscription_key.unwrap_or_default(),
        ];
        Row { uid: gauges.lane.to_string(), cells }
    });
    Ok(Found::Rows { columns: ACCOUNTS, rows: rows.collect(), has_more: false })
}

impl Turn<'_> {
    fn push(&self) -> Result<&PushServiceSettings, Refusal> {
        self.push.ok_or_else(|| CommandProblem::NoSuchCommand.into())
    }

    fn value(&self, var: &str) -> Option<&str> {
        self.more.iter().find(|(known, _)| *known == var).map(|(_, value)| value.as_str())
    }

    fn required(&self, var: &str) -> Result<String, Refusal> {
        let value = self.value(var).map(str::to_owned);
        value.ok_or_else(|| CommandProblem::bad_payload(format!("{var} has no value")).into())
    }

    fn bytes(&self, var: &str) -> Result<Vec<u8>, Refusal> {
        let decoded = BASE64URL.decode(self.required(var)?);
        decoded.map_err(|_| CommandProblem::bad_payload(format!("{var} is not base64url")).into())
    }

    /// Where the device is. What is wrong with it beyond its form, those who bring pushes there say.
    fn address(&self) -> Result<PushAddress, Refusal> {
        let provider = PushProvider::from_name(self.argument);
        Ok(match provider.ok_or_else(|| wrong(&"the provider is apns, fcm or webpush"))? {
            PushProvider::Apns => PushAddress::Apns {
                token: self.required("token")?.to_ascii_lowercase(),
                bundle_id: self.required("bundle_id")?,
                environment: match self.value("environment") {
                    None | Some("production") => ApnsEnvironment::Production,
                    Some("sandbox") => ApnsEnvironment::Sandbox,
                    Some(_) => return Err(wrong(&"the environment is production or sandbox").into()),
                },
            },
            PushProvider::Fcm => PushAddress::Fcm { token: self.required("token")? },
            PushProvider::WebPush => PushAddress::WebPush {
                endpoint: self.required("endpoint")?,
                public_key: self.bytes("p256dh")?,
                auth_secret: self.bytes("auth")?,
            },
        })
    }
}

fn wrong(problem: &impl ToString) -> CommandProblem {
    CommandProblem::bad_payload(problem.to_string())
}
