use tokio::sync::watch;

/// How many batches have begun, and how many are over: what they have changed is known to everybody here. The next one begins
/// before that.
#[derive(Debug, Default)]
pub(crate) struct BatchProgress(watch::Sender<Counts>);

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    begun: u64,
    over: u64,
}

impl BatchProgress {
    pub(super) fn begin(&self) {
        self.0.send_modify(|counts| counts.begun += 1);
    }

    /// To be called in the order in which they began.
    pub(super) fn end(&self) {
        self.0.send_modify(|counts| counts.over += 1);
    }

    /// Resolves when every batch is over that has begun when this is called.
    pub(crate) async fn all_over(&self) {
        let mut counts = self.0.subscribe();
        let begun = counts.borrow().begun;
        // The sender lives as long as this borrow of it.
        let _ = counts.wait_for(|counts| counts.over >= begun).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn what_has_begun_is_waited_for_and_not_what_begins_later() {
        let batches = BatchProgress::default();
        assert!(batches.all_over().now_or_never().is_some());
        batches.begin();
        let mut first = Box::pin(batches.all_over());
        assert!(first.as_mut().now_or_never().is_none());
        batches.begin();
        let mut second = Box::pin(batches.all_over());
        assert!(second.as_mut().now_or_never().is_none());
        batches.end();
        assert!(first.now_or_never().is_some());
        assert!(second.as_mut().now_or_never().is_none());
        batches.end();
        assert!(second.now_or_never().is_some());
    }
}
