use bridge_grpc::v1;
use bridge_grpc::v1::push_profiles_client::PushProfilesClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::{BearerToken, GrpcClient, GrpcError, refused};

type Client = PushProfilesClient<InterceptedService<Channel, BearerToken>>;

impl GrpcClient {
    /// Makes a push profile.
    pub(crate) async fn create_push_profile(
        &self,
        request: v1::CreatePushProfileRequest,
    ) -> Result<v1::PushProfile, GrpcError> {
        let what = format!("create the push profile {}", request.name);
        let answer = self.push_profiles().create_push_profile(request).await;
        Ok(answer.map_err(|status| refused(what, &status))?.into_inner().profile.unwrap_or_default())
    }

    /// Gives a push profile another configuration.
    pub(crate) async fn update_push_profile(
        &self,
        request: v1::UpdatePushProfileRequest,
    ) -> Result<v1::PushProfile, GrpcError> {
        let what = format!("update the push profile {}", request.name);
        let answer = self.push_profiles().update_push_profile(request).await;
        Ok(answer.map_err(|status| refused(what, &status))?.into_inner().profile.unwrap_or_default())
    }

    /// Shows a push profile.
    pub(crate) async fn push_profile(&self, name: &str) -> Result<v1::PushProfile, GrpcError> {
        let request = v1::GetPushProfileRequest { name: name.to_owned() };
        let answer = self.push_profiles().get_push_profile(request).await;
        let answer = answer.map_err(|status| refused(format!("show the push profile {name}"), &status))?;
        Ok(answer.into_inner().profile.unwrap_or_default())
    }

    /// A page of push profiles.
    pub(crate) async fn push_profiles_page(
        &self,
        page_token: String,
    ) -> Result<v1::ListPushProfilesResponse, GrpcError> {
        let request = v1::ListPushProfilesRequest { page_size: 0, page_token };
        let answer = self.push_profiles().list_push_profiles(request).await;
        let answer = answer.map_err(|status| refused("list push profiles".to_owned(), &status))?;
        Ok(answer.into_inner())
    }

    /// Removes a push profile.
    pub(crate) async fn delete_push_profile(&self, name: &str) -> Result<(), GrpcError> {
        let request = v1::DeletePushProfileRequest { name: name.to_owned() };
        let answer = self.push_profiles().delete_push_profile(request).await;
        answer.map(drop).map_err(|status| refused(format!("delete the push profile {name}"), &status))
    }

    /// Sets how a device is told.
    pub(crate) async fn set_device_preferences(
        &self,
        request: v1::SetDevicePreferencesRequest,
    ) -> Result<(), GrpcError> {
        let what = format!("set the preferences of the device {}", request.device_id);
        let answer = self.push_profiles().set_device_preferences(request).await;
        answer.map(drop).map_err(|status| refused(what, &status))
    }

    fn push_profiles(&self) -> Client {
        PushProfilesClient::new(self.service.clone())
    }
}
