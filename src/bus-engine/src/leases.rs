use std::sync::Arc;
use std::time::Duration;

use bus_domain::expire::{Expiry, ExpiryCause};
use bus_domain::{Actor, Role};
use bus_store::{LeaseOver, Leg, StoreError};
use tokio_util::sync::CancellationToken;

use crate::engine::EngineShared;
use crate::{Command, EntitySubscription, SubscriptionKey, Verb};

/// Subscriptions that are ended with one read.
const SUBSCRIPTIONS_MAX: u32 = 200;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Ends subscriptions whose lease is over (XEP-0060 §12.19), until it is told to stop. What is published after the end of
/// a lease is not due whether or not it was ended here already, so nothing hangs on how soon that is; what was published
/// before is delivered first.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    let interval = Duration::from_millis(shared.settings.engine.retention_interval_ms);
    let mut after = None;
    loop {
        let turn = async {
            let pause = match end_page(&shared, &mut after).await {
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

/// Ends those of a page that have got everything from before the end of their leases. `after` goes on behind it, and
/// begins anew at the end: what cannot be ended now is in nobody's way. Says whether there is more to do at once.
async fn end_page(
    shared: &Arc<EngineShared>,
    after: &mut Option<(i64, SubscriptionKey)>,
) -> Result<bool, StoreError> {
    let now_ms = shared.clock.now_ms();
    let over = shared.store.leases_over(Leg::Xmpp, now_ms, *after, SUBSCRIPTIONS_MAX).await?;
    let is_full = over.len() >= SUBSCRIPTIONS_MAX as usize;
    *after = over.last().filter(|_| is_full).map(LeaseOver::place);
    let mut ended = 0;
    for LeaseOver { entry, .. } in over.into_iter().filter(|lease| lease.is_delivered) {
        let EntitySubscription { name, subscription, .. } = entry;
        let actor = Actor::new(subscription.jid.to_bare(), Role::User);
        let expiry =
            Expiry { subscription: subscription.id, jid: subscription.jid, cause: ExpiryCause::Lease };
        let command = Command { actor, node: name, verb: Verb::Expire(expiry) };
        if matches!(shared.queue.submit(command, shared).await, Ok(Ok(_))) {
            ended += 1;
        }
    }
    shared.statistics.leases_ended.add(ended);
    Ok(is_full && ended > 0)
}
