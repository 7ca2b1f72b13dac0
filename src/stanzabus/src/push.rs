//! Pushing, put together: the accounts of the configuration with their senders, and what becomes of them when files change.

mod feedback;

use std::sync::{Arc, Mutex, PoisonError};

use bridge_push::apns::ApnsSink;
use bridge_push::fcm::FcmSink;
use bridge_push::webpush::WebPushSink;
use bus_domain::push::PushLane;
use bus_engine::{
    Engine, PushAccount, PushFeedback, PushSettings, PushSink, PushStore, Pushes, SystemClock, SystemIds,
};
use outbound_http::{Client, Settings};
use xmpp_pubsub::PushServiceSettings;

use feedback::FeedbackNode;

use crate::config::{ConfigError, ConfiguredAccount, Loaded, PushConnections, PushCredentials, push_key};

/// What the daemon has of pushing.
#[derive(Clone)]
pub(crate) struct PushParts {
    /// Devices, jobs, senders.
    pub(crate) pushes: Pushes,
    /// Has the senders use what the files hold now.
    pub(crate) credentials: Arc<PushCredentialsInForce>,
    /// Accounts whose credentials cannot be used; everything for them waits.
    pub(crate) broken: Vec<(PushLane, String)>,
}

/// What the senders were made from.
pub(crate) struct PushCredentialsInForce(Mutex<InUse>);

#[derive(Default)]
struct InUse {
    http: Option<(PushConnections, Client)>,
    accounts: Vec<(PushLane, PushCredentials)>,
}

/// An account, and what it is sent through or why it cannot be.
struct Prepared {
    lane: PushLane,
    bundle_ids: Vec<String>,
    made: Result<(PushCredentials, Arc<dyn PushSink>), ConfigError>,
}

/// Makes the senders. An account with broken credentials is without one, and the others go on.
pub(crate) fn start(
    loaded: &Loaded,
    engine: &Engine,
    store: Arc<dyn PushStore>,
) -> Result<PushParts, ConfigError> {
    let config = &loaded.config;
    let mut in_use = InUse::default();
    let (mut accounts, mut broken) = (Vec::new(), Vec::new());
    for Prepared { lane, bundle_ids, made } in prepare(loaded, &mut in_use)? {
        let sink = match made {
            Ok((credentials, sink)) => {
                in_use.accounts.push((lane.clone(), credentials));
                Some(sink)
            }
            Err(error) => {
                broken.push((lane.clone(), error.to_string()));
                None
            }
        };
        accounts.push(PushAccount { lane, bundle_ids, sink });
    }
    let service = config.xmpp.domain()?;
    let feedback = config
        .push
        .feedback_node()?
        .map(|node| Arc::new(FeedbackNode::new(engine.clone(), service, node)) as Arc<dyn PushFeedback>);
    let senders = config.push.senders()?;
    let settings = PushSettings { accounts, senders, feedback, limits: config.limits.push() };
    let pushes = Pushes::new(store, settings, Arc::new(SystemClock), Arc::new(SystemIds));
    let credentials = Arc::new(PushCredentialsInForce(Mutex::new(in_use)));
    Ok(PushParts { pushes, credentials, broken })
}

/// The address that XMPP servers push to, if there is to be one.
pub(crate) fn service(loaded: &Loaded, pushes: &Pushes) -> Result<Option<PushServiceSettings>, ConfigError> {
    let xmpp = &loaded.config.xmpp;
    let Some(service) = loaded.config.push.service() else { return Ok(None) };
    let public_url = loaded.config.http.public_url()?;
    Ok(Some(PushServiceSettings {
        pushes: pushes.clone(),
        address: service.address(&xmpp.domain()?)?,
        domains: service.domains(xmpp.host()?)?,
        alert: service.alert(),
        public_url: public_url.map(|url| url.as_str().trim_end_matches('/').to_owned()),
    }))
}

/// What is wrong with the credentials of each account, if anything: for those who check a configuration.
pub(crate) fn check(loaded: &Loaded) -> Result<Vec<(PushLane, Option<ConfigError>)>, ConfigError> {
    let prepared = prepare(loaded, &mut InUse::default())?;
    Ok(prepared.into_iter().map(|account| (account.lane, account.made.err())).collect())
}

impl PushCredentialsInForce {
    /// Gives each account whose files hold something else than before a new sender. One that cannot be used stays as it was.
    pub(crate) fn replace(&self, loaded: &Loaded, pushes: &Pushes) -> Result<(), ConfigError> {
        // What it holds is whole at any time.
        let mut in_use = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = in_use.connections();
        let prepared = prepare(loaded, &mut in_use)?;
        let is_same_client = before == in_use.connections();
        let mut first_error = None;
        for Prepared { lane, made, .. } in prepared {
            match made {
                Ok((credentials, _)) if is_same_client && in_use.has(&lane, &credentials) => {}
                Ok((_, sink)) if !pushes.replace_sink(&lane, Arc::clone(&sink)) => {
                    tracing::warn!(%lane, "the account is new in the configuration: it takes a restart");
                }
                Ok((credentials, _)) => {
                    tracing::info!(%lane, "pushes are sent with new credentials");
                    in_use.accounts.retain(|(known, _)| *known != lane);
                    in_use.accounts.push((lane, credentials));
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

impl InUse {
    fn connections(&self) -> Option<PushConnections> {
        self.http.as_ref().map(|(connections, _)| connections.clone())
    }

    fn has(&self, lane: &PushLane, credentials: &PushCredentials) -> bool {
        self.accounts.iter().any(|(known, used)| known == lane && used == credentials)
    }
}

/// A sender for each account, all over one client.
fn prepare(loaded: &Loaded, in_use: &mut InUse) -> Result<Vec<Prepared>, ConfigError> {
    let accounts = loaded.config.push.accounts(&loaded.folder)?;
    let prepare = |account: ConfiguredAccount| {
        let ConfiguredAccount { lane, bundle_ids, credentials } = account;
        let made = credentials.and_then(|credentials| {
            let sink = sink(&lane, &credentials, client(loaded, in_use)?)?;
            Ok((credentials, sink))
        });
        Prepared { lane, bundle_ids, made }
    };
    Ok(accounts.into_iter().map(prepare).collect())
}

/// The client of before, if nothing about it has changed.
fn client(loaded: &Loaded, in_use: &mut InUse) -> Result<Client, ConfigError> {
    let connections = loaded.config.push.connections(&loaded.folder)?;
    if let Some((known, client)) = &in_use.http
        && *known == connections
    {
        return Ok(client.clone());
    }
    let settings = Settings {
        guard: connections.guard(),
        authorities_pem: connections.authorities_pem.clone(),
        connections_per_origin_max: loaded.config.limits.push_connections_per_origin_max(),
        ..Settings::default()
    };
    let client = Client::new(settings)
        .map_err(|error| ConfigError::invalid("push.authorities_file", error.to_string()))?;
    in_use.http = Some((connections, client.clone()));
    Ok(client)
}

fn sink(
    lane: &PushLane,
    credentials: &PushCredentials,
    http: Client,
) -> Result<Arc<dyn PushSink>, ConfigError> {
    let clock = Arc::new(SystemClock);
    let made: Result<Arc<dyn PushSink>, String> = match credentials {
        PushCredentials::Apns(settings) => {
            ApnsSink::new(settings, http, clock).map(|sink| Arc::new(sink) as _).map_err(|it| it.to_string())
        }
        PushCredentials::Fcm(settings) => {
            FcmSink::new(settings, http, clock).map(|sink| Arc::new(sink) as _).map_err(|it| it.to_string())
        }
        PushCredentials::WebPush(settings) => WebPushSink::new(settings, http, clock, Arc::new(SystemIds))
            .map(|sink| Arc::new(sink) as _)
            .map_err(|error| error.to_string()),
    };
    made.map_err(|problem| {
        let message = format!("the account {:?}: {problem}", lane.account.as_str());
        ConfigError::invalid(push_key(lane.provider), message)
    })
}
