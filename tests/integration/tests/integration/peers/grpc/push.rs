use bridge_grpc::v1;
use bridge_grpc::v1::push_client::PushClient;
use tonic::Status;
use tonic::transport::Channel;

use super::GrpcCaller;
use crate::peers::PATIENCE;

impl GrpcCaller {
    /// Registers a device.
    pub(crate) async fn register_device(
        &self,
        request: v1::RegisterDeviceRequest,
    ) -> Result<v1::Device, Status> {
        let answer = self.push().register_device(self.with_token(request)).await?;
        Ok(answer.into_inner().device.expect("a device"))
    }

    /// Sends a message to devices.
    pub(crate) async fn send_push(
        &self,
        request: v1::SendPushRequest,
    ) -> Result<Vec<v1::QueuedPush>, Status> {
        Ok(self.push().send_push(self.with_token(request)).await?.into_inner().pushes)
    }

    /// A job, once it is over.
    pub(crate) async fn settled_push_job(&self, job_id: &str) -> v1::PushJob {
        let settled = async || {
            let request = v1::GetPushJobRequest { job_id: job_id.to_owned() };
            let answer = self.push().get_push_job(self.with_token(request)).await;
            let job = answer.expect("the job is known").into_inner().job.expect("a job");
            (job.state() != v1::PushJobState::Waiting).then_some(job)
        };
        harness::wait_until("the end of a push job", PATIENCE, settled).await.expect("it is over")
    }

    /// All jobs that are known.
    pub(crate) async fn all_push_jobs(&self) -> Vec<v1::PushJob> {
        let (mut jobs, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListPushJobsRequest { page_token, ..v1::ListPushJobsRequest::default() };
            let page =
                self.push().list_push_jobs(self.with_token(request)).await.expect("a page").into_inner();
            jobs.extend(page.jobs);
            if page.next_page_token.is_empty() {
                return jobs;
            }
            page_token = page.next_page_token;
        }
    }

    fn push(&self) -> PushClient<Channel> {
        PushClient::new(self.channel.clone())
    }
}
