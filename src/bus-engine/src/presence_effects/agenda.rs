use std::collections::{BTreeMap, BTreeSet};

use bus_domain::BareJid;
use bus_store::SubscriptionKey;

/// Accounts of which it is to be found out whether they have gone. Of more, the next round looks.
const ACCOUNTS_MAX: usize = 10_000;
/// How often they are looked at.
const LOOK_MS: u64 = 1_000;
/// The longest pause. Other instances may have made what hangs on presence.
const PAUSE_MS_MAX: u64 = 600_000;

/// How an account has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaving {
    /// These resources have said so.
    Went(BTreeSet<String>),
    /// It was there when the link went.
    InDoubt,
}

/// What is to be done when: without I/O, in milliseconds of a clock that never jumps.
#[derive(Debug)]
pub(super) struct Agenda {
    leaving: BTreeMap<BareJid, Leaving>,
    look_at_ms: u64,
    /// The first pause between two rounds, while somebody's presence is not known; the next one is twice as long.
    pause_ms_min: u64,
    round: Round,
}

/// A walk through all subscriptions that hang on presence.
#[derive(Debug, Default)]
struct Round {
    /// `None` until there is a link.
    due_at_ms: Option<u64>,
    after: Option<SubscriptionKey>,
    has_unknown: bool,
    /// Another one is to follow at once.
    is_wanted_again: bool,
    pause_ms: u64,
}

impl Agenda {
    /// Nothing to do. An answer to a question about presence may take so long.
    pub(super) fn new(answer_ms_max: u64) -> Self {
        // A little longer: for who answers at the last moment, too.
        let pause_ms_min = answer_ms_max.saturating_add(answer_ms_max / 10).clamp(1, PAUSE_MS_MAX);
        Self { leaving: BTreeMap::new(), look_at_ms: 0, pause_ms_min, round: Round::default() }
    }

    /// Starts a round; behind one that is under way, so that no row of reasons keeps it from its end.
    pub(super) fn begin_round(&mut self, now_ms: u64) {
        self.round.pause_ms = self.pause_ms_min;
        if self.round.after.is_some() {
            self.round.is_wanted_again = true;
        } else {
            self.round.due_at_ms = Some(now_ms);
        }
    }

    /// Takes note that nobody's presence is known any more, and that of these was. Without a link there are no rounds.
    pub(super) fn forget(&mut self, in_doubt: Vec<BareJid>, is_up: bool, now_ms: u64) {
        self.round = Round::default();
        for account in in_doubt {
            self.put(account, Leaving::InDoubt);
        }
        if is_up {
            self.begin_round(now_ms);
        }
    }

    /// Takes note that a resource has gone. It is looked at at once.
    pub(super) fn leave(&mut self, account: BareJid, resource: String, now_ms: u64) {
        self.look_at_ms = now_ms;
        let mut resources = BTreeSet::from([resource]);
        if let Some(Leaving::Went(before)) = self.leaving.get(&account) {
            resources.extend(before.iter().cloned());
        }
        self.put(account, Leaving::Went(resources));
    }

    /// When there is something to do; `None` until something happens.
    pub(super) fn due_at_ms(&self) -> Option<u64> {
        let look = (!self.leaving.is_empty()).then_some(self.look_at_ms);
        [look, self.round.due_at_ms].into_iter().flatten().min()
    }

    /// The accounts to be looked at now.
    pub(super) fn take_leaving(&mut self, now_ms: u64) -> BTreeMap<BareJid, Leaving> {
        if self.leaving.is_empty() || now_ms < self.look_at_ms {
            return BTreeMap::new();
        }
        self.look_at_ms = now_ms + LOOK_MS;
        std::mem::take(&mut self.leaving)
    }

    /// Keeps an account for the next look.
    pub(super) fn put(&mut self, account: BareJid, leaving: Leaving) {
        if self.leaving.len() < ACCOUNTS_MAX || self.leaving.contains_key(&account) {
            self.leaving.insert(account, leaving);
        }
    }

    /// Whether it is time for the next page of the round.
    pub(super) fn is_page_due(&self, now_ms: u64) -> bool {
        self.round.due_at_ms.is_some_and(|due_at_ms| now_ms >= due_at_ms)
    }

    /// Behind which subscription that page begins.
    pub(super) fn after(&self) -> Option<SubscriptionKey> {
        self.round.after
    }

    /// Takes note of a page: behind what the next one begins, and whether somebody's presence is not known yet. A round that
    /// leaves nobody unknown is followed by another one after long.
    pub(super) fn page_done(&mut self, after: Option<SubscriptionKey>, is_one_unknown: bool, now_ms: u64) {
        let round = &mut self.round;
        round.has_unknown |= is_one_unknown;
        round.after = after;
        let is_under_way = after.is_some() || std::mem::take(&mut round.is_wanted_again);
        if is_under_way {
            round.due_at_ms = Some(now_ms);
            return;
        }
        let pause_ms = if std::mem::take(&mut round.has_unknown) { round.pause_ms } else { PAUSE_MS_MAX };
        round.due_at_ms = Some(now_ms + pause_ms);
        round.pause_ms = (round.pause_ms * 2).min(PAUSE_MS_MAX);
    }

    /// Takes note that the store is away: the same again in a moment.
    pub(super) fn rest(&mut self, now_ms: u64) {
        self.look_at_ms = now_ms + LOOK_MS;
        if let Some(due_at_ms) = &mut self.round.due_at_ms {
            *due_at_ms = now_ms + LOOK_MS;
        }
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::{NodeId, SubscriptionId};

    use super::*;

    const KEY: SubscriptionKey = SubscriptionKey { node: NodeId(1), subscription: SubscriptionId(2) };

    fn account(name: &str) -> BareJid {
        BareJid::new(&format!("{name}@example.org")).unwrap()
    }

    #[test]
    fn rounds_are_rare_once_everybody_is_known() {
        let mut agenda = Agenda::new(100);
        assert_eq!(
            (agenda.due_at_ms(), agenda.is_page_due(9)),
            (None, false),
            "nothing before there is a link"
        );
        agenda.forget(Vec::new(), true, 10);
        assert_eq!((agenda.is_page_due(10), agenda.after()), (true, None));
        agenda.page_done(Some(KEY), true, 11);
        agenda.begin_round(11);
        assert_eq!((agenda.is_page_due(11), agenda.after()), (true, Some(KEY)), "page after page");
        agenda.page_done(None, true, 12);
        assert_eq!(
            (agenda.is_page_due(12), agenda.after()),
            (true, None),
            "the one that was wanted meanwhile"
        );
        agenda.page_done(None, false, 12);
        assert_eq!(agenda.due_at_ms(), Some(12 + 110), "somebody was not known");
        agenda.page_done(None, true, 20);
        assert_eq!(agenda.due_at_ms(), Some(20 + 2 * 110));
        agenda.page_done(None, false, 30);
        assert_eq!(agenda.due_at_ms(), Some(30 + PAUSE_MS_MAX));
        agenda.forget(Vec::new(), false, 40);
        assert_eq!(agenda.due_at_ms(), None);
    }

    #[test]
    fn who_leaves_is_looked_at_until_it_is_settled() {
        let mut agenda = Agenda::new(100);
        agenda.leave(account("a"), "x".to_owned(), 10);
        agenda.leave(account("a"), "y".to_owned(), 10);
        let taken = agenda.take_leaving(10);
        let went = Leaving::Went(["x", "y"].map(str::to_owned).into());
        assert_eq!(taken, BTreeMap::from([(account("a"), went.clone())]));
        assert_eq!(agenda.due_at_ms(), None);
        agenda.put(account("a"), went);
        assert_eq!((agenda.due_at_ms(), agenda.take_leaving(11).len()), (Some(10 + LOOK_MS), 0));
        agenda.forget(vec![account("b")], false, 12);
        assert_eq!(agenda.take_leaving(10 + LOOK_MS).len(), 2, "also after a cut");
    }

    #[test]
    fn who_leaves_is_bounded() {
        let mut agenda = Agenda::new(100);
        for number in 0..=ACCOUNTS_MAX {
            agenda.leave(account(&number.to_string()), "x".to_owned(), 0);
        }
        assert_eq!(agenda.take_leaving(0).len(), ACCOUNTS_MAX);
    }
}
