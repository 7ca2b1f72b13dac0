use std::sync::Arc;

use bus_domain::push::{AccountName, PushAddress, PushLane, PushProvider};
use tokio::sync::{Notify, watch};

use super::statistics::LaneGauges;
use super::{PushError, PushSink, Pushes};

/// One of our accounts at a provider.
pub struct PushAccount {
    /// The provider, and its name.
    pub lane: PushLane,
    /// The apps that are reached through it, by their bundle ids; all, if it names none. Only APNs' devices say which app they are.
    pub bundle_ids: Vec<String>,
    /// What sends. Without one, because its credentials cannot be used, everything waits for it.
    pub sink: Option<Arc<dyn PushSink>>,
}

/// What belongs to one account.
pub(super) struct Lane {
    pub(super) id: PushLane,
    bundle_ids: Vec<String>,
    pub(super) sink: watch::Sender<Option<Arc<dyn PushSink>>>,
    /// There is something new to send.
    pub(super) enqueued: Notify,
    pub(super) gauges: LaneGauges,
}

impl From<Arc<dyn PushSink>> for PushAccount {
    /// The account without a name of its own, for all apps.
    fn from(sink: Arc<dyn PushSink>) -> Self {
        Self { lane: sink.provider().into(), bundle_ids: Vec::new(), sink: Some(sink) }
    }
}

impl Lane {
    pub(super) fn new(account: PushAccount) -> Self {
        let PushAccount { lane, bundle_ids, sink } = account;
        Self {
            id: lane,
            bundle_ids,
            sink: watch::Sender::new(sink),
            enqueued: Notify::new(),
            gauges: LaneGauges::default(),
        }
    }

    /// What sends now.
    pub(super) fn sink(&self) -> Option<Arc<dyn PushSink>> {
        self.sink.borrow().clone()
    }

    fn reaches(&self, address: &PushAddress) -> bool {
        let knows_app = |bundle_id| self.bundle_ids.is_empty() || self.bundle_ids.contains(bundle_id);
        match address {
            PushAddress::Apns { bundle_id, .. } => knows_app(bundle_id),
            PushAddress::Fcm { .. } | PushAddress::WebPush { .. } => true,
        }
    }
}

impl Pushes {
    /// The account through which an address is reached: the one that is named, or the first that can be.
    pub(super) fn account_for(
        &self,
        address: &PushAddress,
        named: Option<AccountName>,
    ) -> Result<&Lane, PushError> {
        let provider = address.provider();
        if let Some(account) = named {
            let lane = self.0.lane(&PushLane { provider, account })?;
            return if lane.reaches(address) { Ok(lane) } else { Err(not_of_account(lane, address)) };
        }
        let mut of_provider = self.0.lanes.iter().filter(|lane| lane.id.provider == provider).peekable();
        if of_provider.peek().is_none() {
            return Err(PushError::ProviderNotConfigured { provider });
        }
        of_provider.find(|lane| lane.reaches(address)).ok_or_else(|| no_account(provider, address))
    }
}

fn not_of_account(lane: &Lane, address: &PushAddress) -> PushError {
    PushError::AppNotConfigured { bundle_id: bundle_id(address), place: format!("the account {}", lane.id) }
}

fn no_account(provider: PushProvider, address: &PushAddress) -> PushError {
    let place = format!("any account of {}", provider.as_str());
    PushError::AppNotConfigured { bundle_id: bundle_id(address), place }
}

fn bundle_id(address: &PushAddress) -> String {
    match address {
        PushAddress::Apns { bundle_id, .. } => bundle_id.clone(),
        PushAddress::Fcm { .. } | PushAddress::WebPush { .. } => String::new(),
    }
}
