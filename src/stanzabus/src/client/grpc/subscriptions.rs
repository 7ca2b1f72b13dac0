use bridge_grpc::v1;
use bridge_grpc::v1::subscriptions_client::SubscriptionsClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::{BearerToken, GrpcClient, GrpcError, refused};

type Client = SubscriptionsClient<InterceptedService<Channel, BearerToken>>;

impl GrpcClient {
    /// Makes a durable subscription.
    pub(crate) async fn create_subscription(
        &self,
        request: v1::CreateSubscriptionRequest,
    ) -> Result<v1::Subscription, GrpcError> {
        let what = format!("create the subscription {}", request.name);
        let answer = self.subscriptions().create_subscription(request).await;
        let answer = answer.map_err(|status| refused(what, &status))?;
        Ok(answer.into_inner().subscription.unwrap_or_default())
    }

    /// Shows a durable subscription.
    pub(crate) async fn subscription(&self, name: &str) -> Result<v1::Subscription, GrpcError> {
        let request = v1::GetSubscriptionRequest { name: name.to_owned() };
        let answer = self.subscriptions().get_subscription(request).await;
        let answer = answer.map_err(|status| refused(format!("show the subscription {name}"), &status))?;
        Ok(answer.into_inner().subscription.unwrap_or_default())
    }

    /// A page of durable subscriptions.
    pub(crate) async fn subscriptions_page(
        &self,
        page_token: String,
    ) -> Result<v1::ListSubscriptionsResponse, GrpcError> {
        let request = v1::ListSubscriptionsRequest { page_size: 0, page_token };
        let answer = self.subscriptions().list_subscriptions(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused("list subscriptions".to_owned(), &status))
    }

    /// Removes a durable subscription.
    pub(crate) async fn delete_subscription(&self, name: &str) -> Result<(), GrpcError> {
        let request = v1::DeleteSubscriptionRequest { name: name.to_owned() };
        let answer = self.subscriptions().delete_subscription(request).await;
        answer.map(drop).map_err(|status| refused(format!("delete the subscription {name}"), &status))
    }

    /// Has a durable subscription rest, or go on.
    pub(crate) async fn pause_subscription(&self, name: &str, pauses: bool) -> Result<(), GrpcError> {
        let name = name.to_owned();
        if pauses {
            let what = format!("pause the subscription {name}");
            let answer = self.subscriptions().pause_subscription(v1::PauseSubscriptionRequest { name }).await;
            answer.map(drop).map_err(|status| refused(what, &status))
        } else {
            let what = format!("resume the subscription {name}");
            let answer =
                self.subscriptions().resume_subscription(v1::ResumeSubscriptionRequest { name }).await;
            answer.map(drop).map_err(|status| refused(what, &status))
        }
    }

    /// Moves a durable subscription.
    pub(crate) async fn seek_subscription(
        &self,
        request: v1::SeekSubscriptionRequest,
    ) -> Result<(), GrpcError> {
        let what = format!("move the subscription {}", request.name);
        let answer = self.subscriptions().seek_subscription(request).await;
        answer.map(drop).map_err(|status| refused(what, &status))
    }

    /// What a durable subscription still has to do.
    pub(crate) async fn backlog(&self, name: &str) -> Result<v1::GetBacklogResponse, GrpcError> {
        let answer = self.subscriptions().get_backlog(v1::GetBacklogRequest { name: name.to_owned() }).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused(format!("show the backlog of {name}"), &status))
    }

    /// A page of dead letters.
    pub(crate) async fn dead_letters(
        &self,
        subscription: &str,
        page_token: String,
    ) -> Result<v1::ListDeadLettersResponse, GrpcError> {
        let subscription = subscription.to_owned();
        let what = format!("list the dead letters of {subscription}");
        let request = v1::ListDeadLettersRequest { subscription, page_size: 0, page_token };
        let answer = self.subscriptions().list_dead_letters(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Hands dead letters out again.
    pub(crate) async fn redrive(
        &self,
        request: v1::RedriveDeadLettersRequest,
    ) -> Result<v1::RedriveDeadLettersResponse, GrpcError> {
        let what = format!("redrive the dead letters of {}", request.subscription);
        let answer = self.subscriptions().redrive_dead_letters(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    fn subscriptions(&self) -> Client {
        SubscriptionsClient::new(self.service.clone())
    }
}
