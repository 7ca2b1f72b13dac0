use bridge_grpc::v1;

use super::{GrpcClient, GrpcError, refused};

impl GrpcClient {
    /// Takes items back.
    pub(crate) async fn retract(&self, node: &str, item_ids: Vec<String>) -> Result<(), GrpcError> {
        let request =
            v1::RetractItemsRequest { node: node.to_owned(), item_ids, ..v1::RetractItemsRequest::default() };
        let answer = self.nodes().retract_items(request).await;
        answer.map(drop).map_err(|status| refused(format!("take items of {node} back"), &status))
    }

    /// A page of those who have a standing.
    pub(crate) async fn affiliations_page(
        &self,
        node: &str,
        page_token: String,
    ) -> Result<v1::ListAffiliationsResponse, GrpcError> {
        let request = v1::ListAffiliationsRequest { node: node.to_owned(), page_size: 0, page_token };
        let answer = self.nodes().list_affiliations(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused(format!("list the affiliations of {node}"), &status))
    }

    /// A page of those who are subscribed over XMPP, or wait for it.
    pub(crate) async fn subscribers_page(
        &self,
        node: &str,
        state: v1::SubscriberState,
        page_token: String,
    ) -> Result<v1::ListSubscribersResponse, GrpcError> {
        let (node, state) = (node.to_owned(), state.into());
        let what = format!("list the subscribers of {node}");
        let request = v1::ListSubscribersRequest { node, state, page_size: 0, page_token };
        let answer = self.nodes().list_subscribers(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Approves a subscription or ends it. What holds instead is answered.
    pub(crate) async fn set_subscriber(
        &self,
        node: &str,
        entry: v1::NodeSubscriber,
    ) -> Result<Vec<v1::NodeSubscriber>, GrpcError> {
        let request = v1::SetSubscribersRequest { node: node.to_owned(), entries: vec![entry] };
        let answer = self.nodes().set_subscribers(request).await;
        let answer = answer.map_err(|status| refused(format!("change subscribers of {node}"), &status))?;
        Ok(answer.into_inner().rejected)
    }
}
