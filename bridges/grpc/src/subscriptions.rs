use bus_domain::consumer::ConsumerName;
use bus_domain::{BusError, Seq};
use bus_engine::Engine;
use outbound_http::Guard;
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{
    backlog_to_message, consumer_name, consumer_to_message, dead_letter_to_message, duration, item_id,
    node_name, start_from_message, timestamp, wish_from_message,
};
use crate::paging::{page_size, page_token, token};
use crate::status::{invalid_field, status};
use crate::v1;

/// The server of the service, over [`SubscriptionsService`].
pub(crate) type SubscriptionsServer = v1::subscriptions_server::SubscriptionsServer<SubscriptionsService>;

/// `stanzabus.v1.Subscriptions`.
#[derive(Debug)]
pub(crate) struct SubscriptionsService {
    pub(crate) engine: Engine,
    /// Where destinations may be.
    pub(crate) guard: Guard,
}

#[tonic::async_trait]
impl v1::subscriptions_server::Subscriptions for SubscriptionsService {
    async fn create_subscription(
        &self,
        request: Request<v1::CreateSubscriptionRequest>,
    ) -> Result<Response<v1::CreateSubscriptionResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let wish = wish_from_message(message.config, message.start, &self.guard)?;
        let created = self.engine.create_consumer(&actor, name, &wish).await.map_err(refused)?;
        Ok(Response::new(v1::CreateSubscriptionResponse {
            subscription: Some(consumer_to_message(&created)),
        }))
    }

    async fn get_subscription(
        &self,
        request: Request<v1::GetSubscriptionRequest>,
    ) -> Result<Response<v1::GetSubscriptionResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let consumer = self.engine.consumer(&actor, &name).await.map_err(refused)?;
        Ok(Response::new(v1::GetSubscriptionResponse { subscription: Some(consumer_to_message(&consumer)) }))
    }

    async fn list_subscriptions(
        &self,
        request: Request<v1::ListSubscriptionsRequest>,
    ) -> Result<Response<v1::ListSubscriptionsResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let after = page_token(&message.page_token, |text| ConsumerName::new(text).ok())?;
        let page = self.engine.consumers(&actor, after.as_ref(), page_size(message.page_size)).await;
        let page = page.map_err(refused)?;
        Ok(Response::new(v1::ListSubscriptionsResponse {
            subscriptions: page.consumers.iter().map(consumer_to_message).collect(),
            next_page_token: page.next_after.map_or_else(String::new, |name| token(name.as_str())),
        }))
    }

    async fn delete_subscription(
        &self,
        request: Request<v1::DeleteSubscriptionRequest>,
    ) -> Result<Response<v1::DeleteSubscriptionResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        self.engine.delete_consumer(&actor, &name).await.map_err(refused)?;
        Ok(Response::new(v1::DeleteSubscriptionResponse {}))
    }

    async fn pause_subscription(
        &self,
        request: Request<v1::PauseSubscriptionRequest>,
    ) -> Result<Response<v1::PauseSubscriptionResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let consumer = self.engine.pause_consumer(&actor, &name, true).await.map_err(refused)?;
        Ok(Response::new(v1::PauseSubscriptionResponse {
            subscription: Some(consumer_to_message(&consumer)),
        }))
    }

    async fn resume_subscription(
        &self,
        request: Request<v1::ResumeSubscriptionRequest>,
    ) -> Result<Response<v1::ResumeSubscriptionResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let consumer = self.engine.pause_consumer(&actor, &name, false).await.map_err(refused)?;
        Ok(Response::new(v1::ResumeSubscriptionResponse {
            subscription: Some(consumer_to_message(&consumer)),
        }))
    }

    async fn seek_subscription(
        &self,
        request: Request<v1::SeekSubscriptionRequest>,
    ) -> Result<Response<v1::SeekSubscriptionResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let node = (!message.node.is_empty()).then(|| node_name("node", &message.node)).transpose()?;
        let start = message.start.ok_or_else(|| invalid_field("start", "must be set"))?;
        let start = start_from_message(start)?;
        self.engine.seek_consumer(&actor, &name, node.as_ref(), start).await.map_err(refused)?;
        Ok(Response::new(v1::SeekSubscriptionResponse {}))
    }

    async fn get_backlog(
        &self,
        request: Request<v1::GetBacklogRequest>,
    ) -> Result<Response<v1::GetBacklogResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let backlog = self.engine.consumer_backlog(&actor, &name).await.map_err(refused)?;
        let age_ms = |at_ms: i64| u64::try_from(self.engine.now_ms() - at_ms).unwrap_or_default();
        Ok(Response::new(v1::GetBacklogResponse {
            nodes: backlog.nodes.iter().map(backlog_to_message).collect(),
            oldest_unsettled_time: backlog.oldest_unsettled_at_ms.map(timestamp),
            oldest_unsettled_age: backlog.oldest_unsettled_at_ms.map(|at_ms| duration(age_ms(at_ms))),
        }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("subscription", &message.subscription)?;
        let after = page_token(&message.page_token, |text| text.parse::<Seq>().ok())?;
        let page = self.engine.dead_letters(&actor, &name, after, page_size(message.page_size)).await;
        let (letters, next) = page.map_err(refused)?;
        Ok(Response::new(v1::ListDeadLettersResponse {
            dead_letters: letters.into_iter().map(dead_letter_to_message).collect(),
            next_page_token: next.map_or_else(String::new, |seq| token(&seq.to_string())),
        }))
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<v1::RedriveDeadLettersRequest>,
    ) -> Result<Response<v1::RedriveDeadLettersResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("subscription", &message.subscription)?;
        let ids = message.item_ids.iter().enumerate();
        let ids = ids.map(|(index, id)| item_id(&format!("item_ids[{index}]"), id));
        let ids = ids.collect::<Result<Vec<_>, Status>>()?;
        let redriven = self.engine.redrive_dead_letters(&actor, &name, &ids).await;
        let (redriven, gone) = redriven.map_err(refused)?;
        Ok(Response::new(v1::RedriveDeadLettersResponse {
            redriven: u32::try_from(redriven).unwrap_or(u32::MAX),
            gone_item_ids: gone.iter().map(|id| id.as_str().to_owned()).collect(),
        }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn refused(error: BusError) -> Status {
    status(&error)
}
