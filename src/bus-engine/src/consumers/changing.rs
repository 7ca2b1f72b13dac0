use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bus_domain::consumer::ConsumerId;
use tokio::sync::OwnedMutexGuard;

/// Who claims, moves or removes a consumer: one at a time for each, whatever happens to others.
#[derive(Debug, Default)]
pub(super) struct Changing(Mutex<HashMap<ConsumerId, Weak<tokio::sync::Mutex<()>>>>);

impl Changing {
    /// Waits for its turn, which lasts until what is returned is dropped.
    pub(super) async fn turn(&self, consumer: ConsumerId) -> OwnedMutexGuard<()> {
        self.lock_of(consumer).lock_owned().await
    }

    fn lock_of(&self, consumer: ConsumerId) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = known.get(&consumer).and_then(Weak::upgrade) {
            return lock;
        }
        known.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        known.insert(consumer, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn who_changes_one_consumer_waits_for_no_other() {
        let changing = Changing::default();
        let first = changing.turn(ConsumerId(1)).now_or_never().expect("nobody is at it");
        let other = changing.turn(ConsumerId(2)).now_or_never();
        assert!(other.is_some(), "it is another consumer's turn");
        assert!(changing.turn(ConsumerId(1)).now_or_never().is_none(), "one at a time");
        drop(first);
        assert!(changing.turn(ConsumerId(1)).now_or_never().is_some());
        drop(other);
        changing.lock_of(ConsumerId(3));
        assert_eq!(changing.0.lock().unwrap().len(), 1, "what nobody waits for is forgotten");
    }
}
