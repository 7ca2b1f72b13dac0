//! `stanzabus bench push`: pushes of a daemon on SQLite to the mock of push services, each in a process of its own.

mod rig;

use bridge_grpc::v1;
use bridge_grpc::v1::device_address::Provider;
use bus_domain::push::PushProvider;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::time::Instant;

use super::report::{Report, Unit};
use super::resident;
use crate::cli::PushBenchArguments;
use crate::client::grpc::GrpcClient;
use crate::client::output;
use crate::failure::Failure;
use rig::Rig;

/// Devices that one order names at most.
const DEVICES_PER_ORDER: usize = 1_000;
/// Orders on their way at a time.
const ORDERS_AT_ONCE: usize = 4;
/// Registrations on their way at a time.
const REGISTRATIONS_AT_ONCE: usize = 256;

/// All measurements of a run before those of the next one, so that what else the machine does meets all alike.
pub(super) async fn run(arguments: &PushBenchArguments) -> Result<Report, Failure> {
    let mut rig = Rig::start(arguments).await?;
    let mut report = Report::new(
        arguments.runs,
        json!({ "pushes": arguments.pushes, "devices": arguments.devices, "queued": arguments.queued }),
    );
    let mut lanes = Vec::new();
    for provider in rig.providers() {
        lanes.push((provider, register(&rig, provider, 0..arguments.devices).await?));
    }
    for _ in 0..arguments.runs {
        for (provider, devices) in &lanes {
            let rate = pushed(&rig, *provider, devices, arguments.pushes).await?;
            report.add(provider.as_str(), Unit::PushesPerSecond, rate);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    report.add("connections, of all providers and runs", Unit::Connections, rig.mock().connections() as f64);
    if arguments.queued > 0 {
        let first = arguments.devices;
        rig.send_providers_away();
        let queued = queue(&rig, first..first + arguments.queued);
        report.add(
            "resident memory that devices and jobs add",
            Unit::Bytes,
            resident::added_by(rig.metrics, queued).await?,
        );
    }
    Ok(report)
}

/// Pushes a second, from the first order to when the provider has taken the last one.
async fn pushed(rig: &Rig, provider: PushProvider, devices: &[String], pushes: u64) -> Result<f64, Failure> {
    let taken = rig.mock().counts(provider).taken;
    let began = Instant::now();
    let pushes_wanted = usize::try_from(pushes).unwrap_or(usize::MAX);
    let targets: Vec<String> = devices.iter().cycle().take(pushes_wanted).cloned().collect();
    send(&rig.client, &targets, devices.len().min(DEVICES_PER_ORDER)).await?;
    rig.mock().wait_for(provider, taken + pushes).await;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = pushes as f64 / began.elapsed().as_secs_f64();
    Ok(rate)
}

/// Registers devices, and has each of them wait for a push.
async fn queue(rig: &Rig, numbers: std::ops::Range<u64>) -> Result<(), Failure> {
    output::status("registering the devices whose pushes wait");
    let devices = register(rig, PushProvider::Apns, numbers).await?;
    output::status("ordering their pushes");
    send(&rig.client, &devices, DEVICES_PER_ORDER).await
}

async fn register(
    rig: &Rig,
    provider: PushProvider,
    numbers: std::ops::Range<u64>,
) -> Result<Vec<String>, Failure> {
    let calls = stream::iter(numbers).map(async |number| {
        let address = v1::DeviceAddress { provider: Some(address(rig, provider, number)) };
        let request = v1::RegisterDeviceRequest {
            owner: format!("{}-{number}@bench.example.org", provider.as_str()),
            address: Some(address),
            account: String::new(),
        };
        Ok::<_, Failure>(rig.client.register_device(request).await?.device_id)
    });
    calls.buffer_unordered(REGISTRATIONS_AT_ONCE).try_collect().await
}

fn address(rig: &Rig, provider: PushProvider, number: u64) -> Provider {
    match provider {
        PushProvider::Apns => Provider::Apns(v1::ApnsAddress {
            token: format!("{number:064x}"),
            bundle_id: "org.example.app".to_owned(),
            environment: v1::ApnsEnvironment::Production.into(),
        }),
        PushProvider::Fcm => Provider::Fcm(v1::FcmAddress { token: format!("token-{number}") }),
        PushProvider::WebPush => Provider::WebPush(rig.subscribe()),
    }
}

/// Orders a push for each device that is named, as often as it is.
async fn send(client: &GrpcClient, devices: &[String], devices_per_order: usize) -> Result<(), Failure> {
    let orders = stream::iter(devices.chunks(devices_per_order)).map(async |devices| {
        let message = v1::PushMessage {
            title: Some("Build 7".to_owned()),
            body: Some("It is green, after 14 minutes and 1,500 tests.".to_owned()),
            ttl: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
            ..v1::PushMessage::default()
        };
        let request = v1::SendPushRequest {
            device_ids: devices.to_vec(),
            message: Some(message),
            ..v1::SendPushRequest::default()
        };
        client.send_push(request).await?;
        Ok::<_, Failure>(())
    });
    orders.buffer_unordered(ORDERS_AT_ONCE).try_collect().await
}
