use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_grpc::v1;
use serde::Deserialize;
use v1::device_address::Provider;

use super::lines::{DeviceLine, RegistrationLine};
use crate::cli::{PushDevicesCommand, PushRegisterArguments};
use crate::client::grpc::GrpcClient;
use crate::client::output;
use crate::failure::Failure;

/// A subscription as browsers write it (`PushSubscription.toJSON()`); what else it has is not needed.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: SubscriptionKeys,
}

#[derive(Deserialize)]
struct SubscriptionKeys {
    p256dh: String,
    auth: String,
}

/// `stanzabus push devices …`
pub(super) async fn run(client: &GrpcClient, command: PushDevicesCommand) -> Result<(), Failure> {
    match command {
        PushDevicesCommand::Register(arguments) => {
            let device = register(client, arguments).await?;
            output::print_json(&DeviceLine::of(device))
        }
        PushDevicesCommand::List { owner } => {
            let owner = owner.map(|owner| owner.to_string()).unwrap_or_default();
            let mut page_token = String::new();
            loop {
                let page = client.devices_page(&owner, page_token).await?;
                page.devices
                    .into_iter()
                    .try_for_each(|device| output::print_json(&DeviceLine::of(device)))?;
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                page_token = page.next_page_token;
            }
        }
        PushDevicesCommand::Delete { device } => {
            client.delete_device(&device).await?;
            output::status(&format!("deleted {device}"));
            Ok(())
        }
    }
}

/// `stanzabus push registrations`
pub(super) async fn print_registrations(client: &GrpcClient, owner: &str) -> Result<(), Failure> {
    let mut page_token = String::new();
    loop {
        let page = client.push_registrations_page(owner, page_token).await?;
        let mut found = page.registrations.into_iter();
        found.try_for_each(|registration| output::print_json(&RegistrationLine::of(registration)))?;
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        page_token = page.next_page_token;
    }
}

async fn register(client: &GrpcClient, arguments: PushRegisterArguments) -> Result<v1::Device, Failure> {
    let PushRegisterArguments { owner, address, bundle_id, sandbox, account, device } = arguments;
    let provider = if let Some(token) = address.apns_token {
        let environment =
            if sandbox { v1::ApnsEnvironment::Sandbox } else { v1::ApnsEnvironment::Production };
        let bundle_id = bundle_id.unwrap_or_default();
        Provider::Apns(v1::ApnsAddress { token, bundle_id, environment: environment.into() })
    } else if let Some(token) = address.fcm_token {
        Provider::Fcm(v1::FcmAddress { token })
    } else {
        Provider::WebPush(read_subscription(&address.web_push_file.unwrap_or_default())?)
    };
    let address = Some(v1::DeviceAddress { provider: Some(provider) });
    let account = account.unwrap_or_default();
    Ok(if let Some(device_id) = device {
        client.update_device(v1::UpdateDeviceRequest { device_id, address, account }).await?
    } else {
        let owner = owner.map(|owner| owner.to_string()).unwrap_or_default();
        client.register_device(v1::RegisterDeviceRequest { owner, address, account }).await?
    })
}

fn read_subscription(path: &Path) -> Result<v1::WebPushAddress, Failure> {
    let text =
        fs::read_to_string(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    let wrong = |problem: String| {
        Failure::Usage(format!("--web-push-file: {} holds no subscription: {problem}", path.display()))
    };
    let Subscription { endpoint, keys } =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let bytes = |name: &str, text: &str| {
        URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|error| wrong(format!("{name} is not base64url: {error}")))
    };
    Ok(v1::WebPushAddress {
        endpoint,
        public_key: bytes("keys.p256dh", &keys.p256dh)?,
        auth_secret: bytes("keys.auth", &keys.auth)?,
    })
}
