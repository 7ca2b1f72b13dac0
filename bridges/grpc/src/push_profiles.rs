use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::push::template::normal_locale;
use bus_domain::push::{DeviceId, ProfileName};
use bus_engine::{DevicePreferences, PushError, PushProfileError, PushProfiles};
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{consumer_name, profile_config, profile_to_message, topic};
use crate::status::{invalid_field, no_such_device, profile_status, status};
use crate::v1;

/// The server of the service, over [`PushProfilesService`].
pub(crate) type PushProfilesServer = v1::push_profiles_server::PushProfilesServer<PushProfilesService>;

/// `stanzabus.v1.PushProfiles`.
#[derive(Debug)]
pub(crate) struct PushProfilesService {
    pub(crate) profiles: PushProfiles,
}

#[tonic::async_trait]
impl v1::push_profiles_server::PushProfiles for PushProfilesService {
    async fn create_push_profile(
        &self,
        request: Request<v1::CreatePushProfileRequest>,
    ) -> Result<Response<v1::CreatePushProfileResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let config = profile_config(message.config)?;
        let profile = self.profiles.create(&actor, name, config).await.map_err(refused)?;
        Ok(Response::new(v1::CreatePushProfileResponse { profile: Some(profile_to_message(&profile)) }))
    }

    async fn get_push_profile(
        &self,
        request: Request<v1::GetPushProfileRequest>,
    ) -> Result<Response<v1::GetPushProfileResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let profile = self.profiles.get(&actor, &name).await.map_err(refused)?;
        Ok(Response::new(v1::GetPushProfileResponse { profile: Some(profile_to_message(&profile)) }))
    }

    async fn list_push_profiles(
        &self,
        request: Request<v1::ListPushProfilesRequest>,
    ) -> Result<Response<v1::ListPushProfilesResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let after = page_token(&message.page_token)?;
        let page_size = if message.page_size == 0 { u32::MAX } else { message.page_size };
        let page = self.profiles.list(&actor, after.as_ref(), page_size).await.map_err(refused)?;
        Ok(Response::new(v1::ListPushProfilesResponse {
            profiles: page.profiles.iter().map(profile_to_message).collect(),
            next_page_token: page
                .next_after
                .map_or_else(String::new, |name| URL_SAFE_NO_PAD.encode(name.as_str())),
        }))
    }

    async fn update_push_profile(
        &self,
        request: Request<v1::UpdatePushProfileRequest>,
    ) -> Result<Response<v1::UpdatePushProfileResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let config = profile_config(message.config)?;
        let profile = self.profiles.update(&actor, &name, config).await.map_err(refused)?;
        Ok(Response::new(v1::UpdatePushProfileResponse { profile: Some(profile_to_message(&profile)) }))
    }

    async fn delete_push_profile(
        &self,
        request: Request<v1::DeletePushProfileRequest>,
    ) -> Result<Response<v1::DeletePushProfileResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        self.profiles.delete(&actor, &name).await.map_err(refused)?;
        Ok(Response::new(v1::DeletePushProfileResponse {}))
    }

    async fn set_device_preferences(
        &self,
        request: Request<v1::SetDevicePreferencesRequest>,
    ) -> Result<Response<v1::SetDevicePreferencesResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let device: DeviceId = message
            .device_id
            .parse()
            .map_err(|problem| invalid_field("device_id", format!("is none: {problem}")))?;
        let locale = match &*message.locale {
            "" => None,
            tag => Some(normal_locale(tag).ok_or_else(|| invalid_field("locale", "is no language tag"))?),
        };
        let topics = message.topics.iter().enumerate();
        let topics = topics.map(|(index, text)| topic(&format!("topics[{index}]"), text));
        let preferences = DevicePreferences { locale, topics: topics.collect::<Result<_, Status>>()? };
        match self.profiles.pushes().set_device_preferences(&actor, device, &preferences).await {
            Ok(()) => Ok(Response::new(v1::SetDevicePreferencesResponse {})),
            Err(PushError::Store(error)) => Err(status(&self.profiles.unavailable(&error))),
            Err(error @ PushError::NoSuchDevice) => Err(no_such_device(error.to_string())),
            Err(error) => Err(invalid_field("topics", error)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn refused(error: PushProfileError) -> Status {
    profile_status(&error)
}

fn page_token(token: &str) -> Result<Option<ProfileName>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let name = text.and_then(|text| ProfileName::new(&text).ok());
    name.map(Some).ok_or_else(|| invalid_field("page_token", "is not a token of this call"))
}
