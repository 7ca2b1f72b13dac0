use bus_domain::push::{AccountName, DeviceId, InletId, JobId};
use bus_domain::{Actor, BareJid};
use bus_engine::{JobFilter, PushError, PushOrder, PushTargets, Pushes, Registration};
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{
    account_to_message, address_from_message, bare_jid, device_id, device_to_message, inlet_to_message,
    job_id, job_ids, job_state_from_message, job_to_message, push_message_from_message, queued_to_message,
};
use crate::paging::{page_token, token};
use crate::status::{invalid_field, push_field_status, push_status};
use crate::v1;

/// The server of the service, over [`PushService`].
pub(crate) type PushServer = v1::push_server::PushServer<PushService>;

/// `stanzabus.v1.Push`.
#[derive(Debug)]
pub(crate) struct PushService {
    pub(crate) pushes: Pushes,
}

/// Devices and jobs of a page.
const PAGE_MAX: u32 = 500;
/// Bytes of an order's name.
const ORDER_ID_BYTES_MAX: usize = 255;

#[tonic::async_trait]
impl v1::push_server::Push for PushService {
    async fn register_device(
        &self,
        request: Request<v1::RegisterDeviceRequest>,
    ) -> Result<Response<v1::RegisterDeviceResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let owner = owner(&actor, &message.owner)?;
        let address = message.address.ok_or_else(|| invalid_field("address", "must be set"))?;
        let address = address_from_message("address", address)?;
        let account = account(&message.account)?;
        let device = self.register(&actor, Registration { id: None, owner, address, account }).await?;
        Ok(Response::new(v1::RegisterDeviceResponse { device: Some(device) }))
    }

    async fn update_device(
        &self,
        request: Request<v1::UpdateDeviceRequest>,
    ) -> Result<Response<v1::UpdateDeviceResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let id = device_id("device_id", &message.device_id)?;
        let known = self.pushes.device(&actor, id).await.map_err(refused)?;
        let address = message.address.map(|address| address_from_message("address", address)).transpose()?;
        let address = address.unwrap_or(known.address);
        let account = account(&message.account)?;
        let registration = Registration { id: Some(id), owner: known.owner, address, account };
        let device = self.register(&actor, registration).await?;
        Ok(Response::new(v1::UpdateDeviceResponse { device: Some(device) }))
    }

    async fn list_devices(
        &self,
        request: Request<v1::ListDevicesRequest>,
    ) -> Result<Response<v1::ListDevicesResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let owner = owner(&actor, &message.owner)?;
        let after = page_token(&message.page_token, |text| text.parse::<DeviceId>().ok())?;
        let size = page_size(message.page_size);
        let devices = self.pushes.devices(&actor, &owner, after, size).await.map_err(refused)?;
        let next = devices.last().filter(|_| is_full(devices.len(), size)).map(|device| device.id);
        Ok(Response::new(v1::ListDevicesResponse {
            devices: devices.into_iter().map(device_to_message).collect(),
            next_page_token: next.map_or_else(String::new, |id| token(&id.to_string())),
        }))
    }

    async fn delete_device(
        &self,
        request: Request<v1::DeleteDeviceRequest>,
    ) -> Result<Response<v1::DeleteDeviceResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let id = device_id("device_id", &message.device_id)?;
        self.pushes.remove_device(&actor, id).await.map_err(refused)?;
        Ok(Response::new(v1::DeleteDeviceResponse {}))
    }

    async fn list_push_registrations(
        &self,
        request: Request<v1::ListPushRegistrationsRequest>,
    ) -> Result<Response<v1::ListPushRegistrationsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let owner = owner(&actor, &message.owner)?;
        let after = page_token(&message.page_token, |text| text.parse::<InletId>().ok())?;
        let size = page_size(message.page_size);
        let found = self.pushes.inlets(&actor, &owner, after, size).await.map_err(refused)?;
        let next = found.last().filter(|_| is_full(found.len(), size)).map(|found| found.inlet.id);
        Ok(Response::new(v1::ListPushRegistrationsResponse {
            registrations: found.into_iter().map(|found| inlet_to_message(found.inlet)).collect(),
            next_page_token: next.map_or_else(String::new, |id| token(&id.to_string())),
        }))
    }

    async fn list_push_accounts(
        &self,
        request: Request<v1::ListPushAccountsRequest>,
    ) -> Result<Response<v1::ListPushAccountsResponse>, Status> {
        authenticated(request)?;
        let accounts = self.pushes.gauges().into_iter().map(account_to_message).collect();
        Ok(Response::new(v1::ListPushAccountsResponse { accounts }))
    }

    async fn send_push(
        &self,
        request: Request<v1::SendPushRequest>,
    ) -> Result<Response<v1::SendPushResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let order = order(&actor, message)?;
        let queued = self.pushes.send(&actor, order).await.map_err(|error| match error {
            PushError::Message(_) => push_field_status("message", &error),
            _ => push_status(&error),
        })?;
        let pushes = queued.into_iter().map(queued_to_message).collect();
        Ok(Response::new(v1::SendPushResponse { pushes }))
    }

    async fn list_push_jobs(
        &self,
        request: Request<v1::ListPushJobsRequest>,
    ) -> Result<Response<v1::ListPushJobsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let device = (!message.device_id.is_empty()).then(|| device_id("device_id", &message.device_id));
        let filter =
            JobFilter { device: device.transpose()?, state: job_state_from_message("state", message.state)? };
        let after = page_token(&message.page_token, |text| text.parse::<JobId>().ok())?;
        let page = self.pushes.list_jobs(&actor, filter, after, page_size(message.page_size)).await;
        let (jobs, next) = page.map_err(refused)?;
        Ok(Response::new(v1::ListPushJobsResponse {
            jobs: jobs.into_iter().map(job_to_message).collect(),
            next_page_token: next.map_or_else(String::new, |id| token(&id.to_string())),
        }))
    }

    async fn get_push_job(
        &self,
        request: Request<v1::GetPushJobRequest>,
    ) -> Result<Response<v1::GetPushJobResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let id = job_id("job_id", &message.job_id)?;
        let found = self.pushes.jobs(&actor, &[id]).await.map_err(refused)?;
        let job = found.into_iter().next().ok_or_else(|| push_status(&PushError::NoSuchJob))?;
        Ok(Response::new(v1::GetPushJobResponse { job: Some(job_to_message(job)) }))
    }

    async fn cancel_push_jobs(
        &self,
        request: Request<v1::CancelPushJobsRequest>,
    ) -> Result<Response<v1::CancelPushJobsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let ids = job_ids("job_ids", &message.job_ids)?;
        let cancelled = self.pushes.cancel(&actor, &ids).await.map_err(refused)?;
        Ok(Response::new(v1::CancelPushJobsResponse { cancelled_job_ids: texts(&cancelled) }))
    }

    async fn list_dead_push_jobs(
        &self,
        request: Request<v1::ListDeadPushJobsRequest>,
    ) -> Result<Response<v1::ListDeadPushJobsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let after = page_token(&message.page_token, |text| text.parse::<JobId>().ok())?;
        let size = page_size(message.page_size);
        let jobs = self.pushes.dead(&actor, after, size).await.map_err(refused)?;
        let next = jobs.last().filter(|_| is_full(jobs.len(), size)).map(|job| job.id);
        Ok(Response::new(v1::ListDeadPushJobsResponse {
            jobs: jobs.into_iter().map(job_to_message).collect(),
            next_page_token: next.map_or_else(String::new, |id| token(&id.to_string())),
        }))
    }

    async fn redrive_dead_push_jobs(
        &self,
        request: Request<v1::RedriveDeadPushJobsRequest>,
    ) -> Result<Response<v1::RedriveDeadPushJobsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let ids = job_ids("job_ids", &message.job_ids)?;
        let redriven = self.pushes.redrive(&actor, &ids).await.map_err(refused)?;
        Ok(Response::new(v1::RedriveDeadPushJobsResponse { redriven_job_ids: texts(&redriven) }))
    }

    async fn delete_dead_push_jobs(
        &self,
        request: Request<v1::DeleteDeadPushJobsRequest>,
    ) -> Result<Response<v1::DeleteDeadPushJobsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let ids = job_ids("job_ids", &message.job_ids)?;
        let deleted = self.pushes.remove_dead(&actor, &ids).await.map_err(refused)?;
        Ok(Response::new(v1::DeleteDeadPushJobsResponse { deleted_job_ids: texts(&deleted) }))
    }
}

impl PushService {
    async fn register(&self, actor: &Actor, registration: Registration) -> Result<v1::Device, Status> {
        let registered = self.pushes.register(actor, registration).await.map_err(|error| match error {
            PushError::Address(_) | PushError::Unfit(_) => push_field_status("address", &error),
            PushError::AccountNotConfigured { .. } => push_field_status("account", &error),
            _ => push_status(&error),
        })?;
        Ok(device_to_message(registered))
    }
}

fn order(actor: &Actor, message: v1::SendPushRequest) -> Result<PushOrder, Status> {
    let v1::SendPushRequest { order_id, owners, device_ids, message } = message;
    if order_id.len() > ORDER_ID_BYTES_MAX {
        return Err(invalid_field("order_id", format!("has more than {ORDER_ID_BYTES_MAX} bytes")));
    }
    let indexed = |name: &str, index: usize| format!("{name}[{index}]");
    let targets = match (owners.is_empty(), device_ids.is_empty()) {
        (false, true) => {
            let owners = owners.iter().enumerate();
            let owners = owners.map(|(index, owner)| bare_jid(&indexed("owners", index), owner));
            PushTargets::Owners(owners.collect::<Result<_, _>>()?)
        }
        (true, false) => {
            let ids = device_ids.iter().enumerate();
            let ids = ids.map(|(index, id)| device_id(&indexed("device_ids", index), id));
            PushTargets::Devices(ids.collect::<Result<_, _>>()?)
        }
        _ => return Err(invalid_field("owners", "or device_ids must be set, and not both")),
    };
    let message = message.ok_or_else(|| invalid_field("message", "must be set"))?;
    let id = (!order_id.is_empty()).then(|| PushOrder::id_of(actor.bare(), &order_id));
    Ok(PushOrder { id, targets, message: push_message_from_message("message", message)? })
}

/// Whose devices are meant: the caller's, if nobody is named.
fn owner(actor: &Actor, text: &str) -> Result<BareJid, Status> {
    if text.is_empty() { Ok(actor.bare().clone()) } else { bare_jid("owner", text) }
}

fn account(text: &str) -> Result<Option<AccountName>, Status> {
    let account = (!text.is_empty()).then(|| text.parse());
    account.transpose().map_err(|problem| invalid_field("account", format!("cannot be used: {problem}")))
}

fn page_size(asked: u32) -> u32 {
    if asked == 0 { PAGE_MAX } else { asked.min(PAGE_MAX) }
}

/// Whether there may be more behind a page.
fn is_full(found: usize, size: u32) -> bool {
    u32::try_from(found).is_ok_and(|found| found >= size)
}

fn texts(ids: &[JobId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn refused(error: PushError) -> Status {
    push_status(&error)
}
