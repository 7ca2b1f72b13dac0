//! `stanzabus push`: devices, and messages for them.

mod devices;
mod lines;

use std::path::Path;

use bridge_grpc::v1;

use super::push_profiles;
use crate::cli::{
    PushCommand, PushDeadArguments, PushDeadCommand, PushJobState, PushJobsCommand, PushSendArguments,
    PushUrgency,
};
use crate::client::grpc::GrpcClient;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

use lines::{AccountLine, JobLine, QueuedLine};

/// Jobs that one request names.
const JOBS_AT_ONCE: usize = 1_000;

/// `stanzabus push …`
pub(crate) async fn run(config: &Path, command: PushCommand) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    match command {
        PushCommand::Profiles { command } => push_profiles::run(&client, command).await,
        PushCommand::Devices { command } => devices::run(&client, command).await,
        PushCommand::Registrations { owner } => {
            let owner = owner.map(|owner| owner.to_string()).unwrap_or_default();
            devices::print_registrations(&client, &owner).await
        }
        PushCommand::Accounts => {
            let accounts = client.push_accounts().await?;
            accounts.into_iter().try_for_each(|account| output::print_json(&AccountLine::of(account)))
        }
        PushCommand::Send(arguments) => send(&client, *arguments).await,
        PushCommand::Jobs { command } => jobs(&client, command).await,
        PushCommand::Dead { command } => dead(&client, command).await,
    }
}

async fn send(client: &GrpcClient, arguments: PushSendArguments) -> Result<(), Failure> {
    let urgency = match arguments.urgency {
        PushUrgency::VeryLow => v1::PushUrgency::VeryLow,
        PushUrgency::Low => v1::PushUrgency::Low,
        PushUrgency::Normal => v1::PushUrgency::Normal,
        PushUrgency::High => v1::PushUrgency::High,
    };
    let ttl = prost_types::Duration { seconds: arguments.ttl_seconds.into(), nanos: 0 };
    let message = v1::PushMessage {
        title: arguments.title,
        body: arguments.body,
        data: arguments.data.into_iter().collect(),
        collapse_key: arguments.collapse_key.unwrap_or_default(),
        ttl: Some(ttl),
        urgency: urgency.into(),
        apns_push_type: arguments.apns_push_type.unwrap_or_default(),
        apns_payload: arguments.apns_payload.unwrap_or_default(),
        fcm_message: arguments.fcm_message.unwrap_or_default(),
        webpush_payload: None,
    };
    let request = v1::SendPushRequest {
        order_id: arguments.order_id.unwrap_or_default(),
        owners: arguments.targets.to.iter().map(ToString::to_string).collect(),
        device_ids: arguments.targets.device,
        message: Some(message),
    };
    let pushes = client.send_push(request).await?;
    if pushes.is_empty() {
        output::status("nobody has a device: nothing is sent");
    }
    pushes.into_iter().try_for_each(|push| output::print_json(&QueuedLine::of(push)))
}

async fn jobs(client: &GrpcClient, command: PushJobsCommand) -> Result<(), Failure> {
    match command {
        PushJobsCommand::List { state, device } => {
            let state = state.map_or(v1::PushJobState::Unspecified, |state| match state {
                PushJobState::Waiting => v1::PushJobState::Waiting,
                PushJobState::Delivered => v1::PushJobState::Delivered,
                PushJobState::Dead => v1::PushJobState::Dead,
            });
            let mut request = v1::ListPushJobsRequest {
                state: state.into(),
                device_id: device.unwrap_or_default(),
                ..v1::ListPushJobsRequest::default()
            };
            loop {
                let page = client.push_jobs_page(request.clone()).await?;
                page.jobs.into_iter().try_for_each(|job| output::print_json(&JobLine::of(job)))?;
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                request.page_token = page.next_page_token;
            }
        }
        PushJobsCommand::Show { job } => output::print_json(&JobLine::of(client.push_job(&job).await?)),
        PushJobsCommand::Cancel { jobs } => {
            for jobs in jobs.chunks(JOBS_AT_ONCE) {
                print_ids(&client.cancel_push_jobs(jobs.to_vec()).await?)?;
            }
            Ok(())
        }
    }
}

async fn dead(client: &GrpcClient, command: PushDeadCommand) -> Result<(), Failure> {
    match command {
        PushDeadCommand::List => {
            let mut page_token = String::new();
            loop {
                let page = client.dead_push_jobs_page(page_token).await?;
                page.jobs.into_iter().try_for_each(|job| output::print_json(&JobLine::of(job)))?;
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                page_token = page.next_page_token;
            }
        }
        PushDeadCommand::Redrive(arguments) => {
            for jobs in named(client, arguments).await?.chunks(JOBS_AT_ONCE) {
                print_ids(&client.redrive_push_jobs(jobs.to_vec()).await?)?;
            }
            Ok(())
        }
        PushDeadCommand::Delete(arguments) => {
            for jobs in named(client, arguments).await?.chunks(JOBS_AT_ONCE) {
                print_ids(&client.delete_push_jobs(jobs.to_vec()).await?)?;
            }
            Ok(())
        }
    }
}

/// The jobs that are meant; all of them are read before the first one is changed.
async fn named(client: &GrpcClient, arguments: PushDeadArguments) -> Result<Vec<String>, Failure> {
    if !arguments.all {
        return Ok(arguments.jobs);
    }
    let (mut jobs, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = client.dead_push_jobs_page(page_token).await?;
        jobs.extend(page.jobs.into_iter().map(|job| job.job_id));
        if page.next_page_token.is_empty() {
            return Ok(jobs);
        }
        page_token = page.next_page_token;
    }
}

fn print_ids(ids: &[String]) -> Result<(), Failure> {
    ids.iter().try_for_each(|id| output::print_line(id))
}
