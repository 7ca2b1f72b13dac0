use bridge_grpc::v1;
use bridge_grpc::v1::push_client::PushClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::{BearerToken, GrpcClient, GrpcError, refused};

type Client = PushClient<InterceptedService<Channel, BearerToken>>;

impl GrpcClient {
    /// Registers a device.
    pub(crate) async fn register_device(
        &self,
        request: v1::RegisterDeviceRequest,
    ) -> Result<v1::Device, GrpcError> {
        let answer = self.push().register_device(request).await;
        let answer = answer.map_err(|status| refused("register the device".to_owned(), &status))?;
        Ok(answer.into_inner().device.unwrap_or_default())
    }

    /// Says where a known device is now.
    pub(crate) async fn update_device(
        &self,
        request: v1::UpdateDeviceRequest,
    ) -> Result<v1::Device, GrpcError> {
        let what = format!("register the device {}", request.device_id);
        let answer = self.push().update_device(request).await;
        let answer = answer.map_err(|status| refused(what, &status))?;
        Ok(answer.into_inner().device.unwrap_or_default())
    }

    /// A page of somebody's devices.
    pub(crate) async fn devices_page(
        &self,
        owner: &str,
        page_token: String,
    ) -> Result<v1::ListDevicesResponse, GrpcError> {
        let request = v1::ListDevicesRequest { owner: owner.to_owned(), page_size: 0, page_token };
        let answer = self.push().list_devices(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused("list devices".to_owned(), &status))
    }

    /// Removes a device.
    pub(crate) async fn delete_device(&self, device_id: &str) -> Result<(), GrpcError> {
        let request = v1::DeleteDeviceRequest { device_id: device_id.to_owned() };
        let answer = self.push().delete_device(request).await;
        answer.map(drop).map_err(|status| refused(format!("delete the device {device_id}"), &status))
    }

    /// A page of what somebody has registered for pushes to come in.
    pub(crate) async fn push_registrations_page(
        &self,
        owner: &str,
        page_token: String,
    ) -> Result<v1::ListPushRegistrationsResponse, GrpcError> {
        let request = v1::ListPushRegistrationsRequest { owner: owner.to_owned(), page_size: 0, page_token };
        let answer = self.push().list_push_registrations(request).await;
        let what = || "list registrations".to_owned();
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what(), &status))
    }

    /// The accounts at providers.
    pub(crate) async fn push_accounts(&self) -> Result<Vec<v1::PushAccount>, GrpcError> {
        let answer = self.push().list_push_accounts(v1::ListPushAccountsRequest {}).await;
        let answer = answer.map_err(|status| refused("list accounts".to_owned(), &status))?;
        Ok(answer.into_inner().accounts)
    }

    /// Sends a message to devices.
    pub(crate) async fn send_push(
        &self,
        request: v1::SendPushRequest,
    ) -> Result<Vec<v1::QueuedPush>, GrpcError> {
        let answer = self.push().send_push(request).await;
        let answer = answer.map_err(|status| refused("send the push".to_owned(), &status))?;
        Ok(answer.into_inner().pushes)
    }

    /// A page of jobs.
    pub(crate) async fn push_jobs_page(
        &self,
        request: v1::ListPushJobsRequest,
    ) -> Result<v1::ListPushJobsResponse, GrpcError> {
        let answer = self.push().list_push_jobs(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused("list push jobs".to_owned(), &status))
    }

    /// A job.
    pub(crate) async fn push_job(&self, job_id: &str) -> Result<v1::PushJob, GrpcError> {
        let answer = self.push().get_push_job(v1::GetPushJobRequest { job_id: job_id.to_owned() }).await;
        let answer = answer.map_err(|status| refused(format!("show the push job {job_id}"), &status))?;
        Ok(answer.into_inner().job.unwrap_or_default())
    }

    /// Takes jobs back, and says which.
    pub(crate) async fn cancel_push_jobs(&self, job_ids: Vec<String>) -> Result<Vec<String>, GrpcError> {
        let answer = self.push().cancel_push_jobs(v1::CancelPushJobsRequest { job_ids }).await;
        let answer = answer.map_err(|status| refused("cancel push jobs".to_owned(), &status))?;
        Ok(answer.into_inner().cancelled_job_ids)
    }

    /// A page of jobs that were given up.
    pub(crate) async fn dead_push_jobs_page(
        &self,
        page_token: String,
    ) -> Result<v1::ListDeadPushJobsResponse, GrpcError> {
        let request = v1::ListDeadPushJobsRequest { page_size: 0, page_token };
        let answer = self.push().list_dead_push_jobs(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused("list dead push jobs".to_owned(), &status))
    }

    /// Has jobs begin anew that were given up, and says which.
    pub(crate) async fn redrive_push_jobs(&self, job_ids: Vec<String>) -> Result<Vec<String>, GrpcError> {
        let answer = self.push().redrive_dead_push_jobs(v1::RedriveDeadPushJobsRequest { job_ids }).await;
        let answer = answer.map_err(|status| refused("redrive dead push jobs".to_owned(), &status))?;
        Ok(answer.into_inner().redriven_job_ids)
    }

    /// Removes jobs that were given up, and says which.
    pub(crate) async fn delete_push_jobs(&self, job_ids: Vec<String>) -> Result<Vec<String>, GrpcError> {
        let answer = self.push().delete_dead_push_jobs(v1::DeleteDeadPushJobsRequest { job_ids }).await;
        let answer = answer.map_err(|status| refused("delete dead push jobs".to_owned(), &status))?;
        Ok(answer.into_inner().deleted_job_ids)
    }

    fn push(&self) -> Client {
        PushClient::new(self.service.clone())
    }
}
