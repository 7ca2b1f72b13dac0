use bridge_grpc::v1;
use bridge_grpc::v1::sources_client::SourcesClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::{BearerToken, GrpcClient, GrpcError, refused};

impl GrpcClient {
    /// Makes a source.
    pub(crate) async fn create_source(&self, source: v1::Source) -> Result<v1::Source, GrpcError> {
        let what = format!("create the source {}", source.name);
        let request = v1::CreateSourceRequest { source: Some(source) };
        let answer = self.sources().create_source(request).await.map_err(|status| refused(what, &status))?;
        Ok(answer.into_inner().source.unwrap_or_default())
    }

    /// Shows a source.
    pub(crate) async fn source(&self, name: &str) -> Result<v1::Source, GrpcError> {
        let request = v1::GetSourceRequest { name: name.to_owned() };
        let answer = self.sources().get_source(request).await;
        let answer = answer.map_err(|status| refused(format!("show the source {name}"), &status))?;
        Ok(answer.into_inner().source.unwrap_or_default())
    }

    /// A page of sources.
    pub(crate) async fn sources_page(
        &self,
        page_token: String,
    ) -> Result<v1::ListSourcesResponse, GrpcError> {
        let answer = self.sources().list_sources(v1::ListSourcesRequest { page_size: 0, page_token }).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused("list sources".to_owned(), &status))
    }

    /// Removes a source.
    pub(crate) async fn delete_source(&self, name: &str) -> Result<(), GrpcError> {
        let request = v1::DeleteSourceRequest { name: name.to_owned() };
        let answer = self.sources().delete_source(request).await;
        answer.map(drop).map_err(|status| refused(format!("delete the source {name}"), &status))
    }

    fn sources(&self) -> SourcesClient<InterceptedService<Channel, BearerToken>> {
        SourcesClient::new(self.service.clone())
    }
}
