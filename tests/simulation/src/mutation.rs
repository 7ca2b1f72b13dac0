/// A way to be wrong. The simulation is worth something only if it finds each of them: they are built into its own
/// driver and store, never into the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Requesters are answered when a batch is written, before it is committed.
    ReplyBeforeCommit,
    /// What the lane has taken counts as handed over.
    CursorBeforeProof,
    /// Subscriptions are taken to be due the whole log.
    SinceSeqIgnored,
    /// The dispatcher does not hear of cuts.
    CutForgotten,
    /// After a cut delivery goes on behind what was sent instead of behind what was proven.
    ResumeAtSent,
    /// The lane takes what is meant for a stream that has ended.
    StaleHandOffTaken,
    /// The store moves a head whatever the version of its rules.
    RulesVersionIgnored,
    /// Pages of recipients claim to be newer than they are.
    RecipientsOverstated,
    /// Signals do not carry what has changed for recipients.
    DeltasLost,
    /// Resuming stops behind the first page.
    ResumeCutShort,
    /// Cursors are stored one event too far.
    CursorTooFar,
    /// A commit of which nobody can say what became of it counts as failed.
    UnknownMeansFailed,
    /// The dispatcher does not know that others commit to its store.
    OthersIgnored,
    /// Retention does not wait for delivery.
    TrimmedBeforeDelivery,
    /// Cursors are stored before the rows of those whose notifications came back in front of the proof.
    CursorBeforeLaggingRow,
    /// A process that starts does not know who lagged.
    LaggingRowsForgotten,
    /// What cannot be judged because the store is away is forgotten.
    BouncesDropped,
    /// Subscriptions that go with their node are still counted as somebody's.
    ReapedStillCounted,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::ReplyBeforeCommit,
        Self::CursorBeforeProof,
        Self::SinceSeqIgnored,
        Self::CutForgotten,
        Self::ResumeAtSent,
        Self::StaleHandOffTaken,
        Self::RulesVersionIgnored,
        Self::RecipientsOverstated,
        Self::DeltasLost,
        Self::ResumeCutShort,
        Self::CursorTooFar,
        Self::UnknownMeansFailed,
        Self::OthersIgnored,
        Self::TrimmedBeforeDelivery,
        Self::CursorBeforeLaggingRow,
        Self::LaggingRowsForgotten,
        Self::BouncesDropped,
        Self::ReapedStillCounted,
    ];
}
