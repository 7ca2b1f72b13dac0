use std::sync::Arc;
use std::time::Duration;

use bus_domain::expire::Expiry;
use bus_domain::{Actor, Role};
use bus_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineShared;
use crate::{Command, EntitySubscription, Verb};

/// Subscriptions that are ended with one read.
const SUBSCRIPTIONS_MAX: u32 = 200;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Ends subscriptions whose lease is over (XEP-0060 §12.19), until it is told to stop. What is published after the end of
/// a lease is not due whether or not it was ended here already, so nothing hangs on how soon that is.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    let interval = Duration::from_millis(shared.settings.engine.retention_interval_ms);
    loop {
        let turn = async {
            let pause = match end_page(&shared).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => interval,
                Err(error) => {
                    tracing::warn!(%error, "leases wait for the store");
                    STORE_PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = turn => {}
        }
    }
}

/// Ends the oldest; says whether there may be more. What cannot be ended now comes again.
async fn end_page(shared: &Arc<EngineShared>) -> Result<bool, StoreError> {
    let over = shared.store.leases_over(shared.clock.now_ms(), SUBSCRIPTIONS_MAX).await?;
    let is_full = over.len() >= SUBSCRIPTIONS_MAX as usize;
    let mut ended = 0;
    for EntitySubscription { name, subscription, .. } in over {
        let actor = Actor::new(subscription.jid.to_bare(), Role::User);
        let expiry = Expiry { subscription: subscription.id, jid: subscription.jid };
        let command = Command { actor, node: name, verb: Verb::Expire(expiry) };
        if matches!(shared.queue.submit(command, shared).await, Ok(Ok(_))) {
            ended += 1;
        }
    }
    shared.statistics.leases_ended.add(ended);
    Ok(is_full && ended > 0)
}
