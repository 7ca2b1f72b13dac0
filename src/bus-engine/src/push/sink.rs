use async_trait::async_trait;
use bus_domain::push::{PushAddress, PushMessage, PushProvider, PushVerdict};
use thiserror::Error;

/// Brings messages to the devices of one provider. A bridge implements it.
#[async_trait]
pub trait PushSink: Send + Sync + 'static {
    /// Whose devices.
    fn provider(&self) -> PushProvider;

    /// Says, without asking anybody, what the provider would refuse for certain: for devices that register and messages
    /// that are enqueued.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self, address: &PushAddress, message: &PushMessage) -> Result<(), Unfit>;

    /// Until when what it shows the provider counts, in milliseconds since 1970; `None` if it has nothing now, or nothing that ends.
    fn credentials_end_at_ms(&self) -> Option<i64> {
        None
    }

    /// What apps subscribe with, where they need it (Web Push: `applicationServerKey`, in base64url).
    fn subscription_key(&self) -> Option<String> {
        None
    }

    /// Sends one message to one device, once. It ends within a minute.
    async fn send(&self, push: &Push<'_>) -> PushOutcome;
}

/// One message for one device.
#[derive(Debug, Clone, Copy)]
pub struct Push<'a> {
    /// The same at every attempt, so that the provider's log shows which ones are repeats.
    pub id: [u8; 16],
    /// Where the device is.
    pub address: &'a PushAddress,
    /// What it is told.
    pub message: &'a PushMessage,
    /// When it is of no use any more, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOutcome {
    /// What it means.
    pub verdict: PushVerdict,
    /// Why, as one of the words of the provider's table.
    pub reason: &'static str,
    /// What the provider said besides, for people.
    pub detail: Option<String>,
}

/// What no attempt would change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It is too long on the wire.
    #[error("the payload has {bytes} bytes as it is sent, {} more than the {bytes_max} that may be", bytes - bytes_max)]
    PayloadTooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// What should be JSON is not, or is no object.
    #[error("{field} must be a JSON object{}", problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default())]
    NotAnObject {
        /// Which field.
        field: &'static str,
        /// What the parser says.
        problem: Option<String>,
    },
    /// The address cannot be used.
    #[error("{0}")]
    Address(String),
    /// The fields do not go together.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Push<'_> {
    /// For how many seconds the provider shall keep it; 0 means: try once.
    pub fn ttl_left_s(&self, now_ms: i64) -> u32 {
        // How long such a job may wait for us is no time for the provider.
        if self.message.ttl_s == 0 {
            return 0;
        }
        let left_s = self.expires_at_ms.saturating_sub(now_ms).div_euclid(1_000).max(0);
        u32::try_from(left_s).unwrap_or(u32::MAX).min(PushMessage::TTL_S_MAX)
    }
}

impl PushOutcome {
    /// Without anything for people.
    pub fn new(verdict: PushVerdict, reason: &'static str) -> Self {
        Self { verdict, reason, detail: None }
    }

    /// With what the provider said, cut to a length that is fit for logs.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        /// Providers' texts are cut, because they are logged and stored.
        const DETAIL_BYTES_MAX: usize = 300;
        let mut detail: String = detail.into();
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
        self.detail = Some(detail);
        self
    }
}

impl From<Unfit> for PushOutcome {
    fn from(unfit: Unfit) -> Self {
        let reason = match &unfit {
            Unfit::PayloadTooLarge { .. } => "payload_too_large",
            Unfit::NotAnObject { .. } | Unfit::Contradiction(_) => "bad_message",
            Unfit::Address(_) => {
                return Self::new(PushVerdict::Quarantine, "bad_address").with_detail(unfit.to_string());
            }
        };
        Self::new(PushVerdict::Rejected, reason).with_detail(unfit.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_tried_once_is_kept_by_no_provider() {
        let address = PushAddress::Fcm { token: "token".to_owned() };
        let left_s = |ttl_s| {
            let message = PushMessage { ttl_s, ..PushMessage::default() };
            Push { id: [0; 16], address: &address, message: &message, expires_at_ms: 30_000 }
                .ttl_left_s(1_000)
        };
        assert_eq!((left_s(0), left_s(30)), (0, 29));
    }
}
