use std::collections::BTreeMap;

use bus_domain::quota::{Counted, UsageChange, UsageKey, moves};
use bus_domain::{Affiliation, EventKind, ItemId, Seq, SubscriptionState};

use crate::model::Life;
use crate::store::{Disk, NodeRows};
use crate::violation::{Checked, Promise, Violation};

use super::World;

/// Rounds in which everything has to come to rest.
const ROUNDS_MAX: usize = 20_000;
/// What a round takes.
const SETTLING_STEP_MS: u64 = 500;
/// Rounds without a change that show that it has.
const QUIET_ROUNDS: usize = 5;

impl World {
    /// Without faults, until nothing happens any more.
    pub(super) fn settle(&mut self) -> Checked {
        self.note("no more trouble".to_owned());
        self.is_settling = true;
        self.store_comes();
        self.away.clear();
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let before = self.trace.len();
            let is_resumed = self.settle_round()?;
            quiet = if self.trace.len() == before { quiet + usize::from(is_resumed) } else { 0 };
            if quiet == QUIET_ROUNDS {
                return Ok(());
            }
        }
        Err(Promise::ComesToRest.broken(format!("not within {ROUNDS_MAX} rounds")))
    }

    /// False if delivery was busy with nothing but looking for nodes, which leaves no trace.
    fn settle_round(&mut self) -> Result<bool, Violation> {
        for at in 0..self.instances.len() {
            while !self.instances[at].loads.is_empty() {
                self.load(at)?;
            }
            if self.instances[at].write.is_none() {
                self.form(at)?;
            }
            self.write(at)?;
        }
        if !self.link.is_up {
            self.connect();
        }
        while !self.delivery().is_waiting() {
            self.deliver()?;
        }
        self.resume();
        let is_resumed = self.delivery().is_waiting();
        if is_resumed {
            self.take_inputs();
            self.take_mail();
            self.pump()?;
        }
        self.uptime_ms += SETTLING_STEP_MS;
        self.link.put_barrier();
        self.server_takes(usize::MAX)?;
        while !self.link.is_idle() {
            self.answer_comes();
        }
        self.late_bounce();
        self.keep_house();
        while !self.delivery().is_waiting() {
            self.deliver()?;
        }
        self.reap();
        if is_resumed {
            self.look_for_others();
        }
        Ok(is_resumed)
    }

    /// Everything that must be so when nothing is under way.
    pub(super) fn finish(&mut self) -> Checked {
        let busy = self.instances.iter().position(|instance| !instance.is_idle());
        Promise::ComesToRest.check(busy.is_none(), || format!("instance {busy:?} is not idle"))?;
        Promise::ComesToRest.check(self.open.is_empty(), || {
            format!("never answered: {:?}", self.open.keys().collect::<Vec<_>>())
        })?;
        self.subscribers.check_complete(&self.model)?;
        self.check_store()
    }

    /// The store holds what the model says, and not a row more.
    fn check_store(&self) -> Checked {
        let disk = self.store.disk();
        for (id, life) in self.model.lives() {
            match disk.nodes.get(&id) {
                Some(rows) if !life.is_deleted => check_rows(life, rows)?,
                None if life.is_deleted => {}
                Some(_) => return Err(Promise::BoundedRows.broken(format!("rows of {id:?} stay for ever"))),
                None => return Err(Promise::AcknowledgedIsStored.broken(format!("{id:?} is gone"))),
            }
        }
        Promise::BoundedRows.check(disk.lagging.is_empty(), || {
            format!("nobody lags any more, and the rows stay: {:?}", disk.lagging)
        })?;
        let counted = counted(&disk);
        Promise::AcknowledgedIsStored.check(disk.usage == counted, || {
            format!("what everybody has is {counted:?}, and counted is {:?}", disk.usage)
        })?;
        let stray = disk.cursors.keys().find(|id| !disk.nodes.contains_key(*id));
        Promise::BoundedRows.check(stray.is_none(), || format!("a cursor of {stray:?}, which is gone"))?;
        let behind = disk.nodes.iter().find(|(id, rows)| disk.position(**id).through_seq != rows.head.seq);
        Promise::Delivered.check(behind.is_none(), || {
            let behind = behind.map(|(id, rows)| (id, disk.position(*id), rows.head.seq));
            format!("a cursor is not at the end of its log: {behind:?}")
        })
    }
}

/// What everybody has, by the rows.
fn counted(disk: &Disk) -> BTreeMap<UsageKey, i64> {
    let live = disk.nodes.values().filter(|rows| rows.deleted_at_ms.is_none());
    let nodes = live.map(|rows| (Counted::Nodes, rows.row.owner.clone()));
    let subscriptions = disk.nodes.values().flat_map(|rows| rows.subscriptions.values());
    let subscriptions = subscriptions.map(|it| (Counted::Subscriptions, it.jid.to_bare()));
    let one = |(counted, owner)| UsageChange { counted, owner, by: 1 };
    moves(&nodes.chain(subscriptions).map(one).collect::<Vec<_>>())
}

fn check_rows(life: &Life, rows: &NodeRows) -> Checked {
    let same = |holds: bool, what: &str| {
        Promise::AcknowledgedIsStored
            .check(holds, || format!("{what} of {}: {rows:?}, and should be {life:?}", life.name))
    };
    let head = &rows.head;
    same(head.seq == life.head_seq() && head.epoch == life.epoch, "the head")?;
    same(head.rules_version == life.rules_version, "the version of the rules")?;
    same(head.recipients_version == life.recipients_version, "the version of the recipients")?;
    let is_kept = |seq: &Seq| *seq > head.trimmed_through_seq || life.items.values().any(|item| item == seq);
    let is_logged = life.events().filter(|(seq, _)| is_kept(seq)).all(|(seq, logged)| {
        rows.events.get(&seq).is_some_and(|event| {
            event.seq == seq
                && (event.kind == logged.kind || event.kind == blank(&logged.kind))
                && event.publisher == logged.publisher
                && event.due_after_seq == logged.due_after_seq
                && event.recipients_version == logged.recipients_version
        })
    });
    same(is_logged, "an event")?;
    let is_live = |(_, seq): &(&ItemId, &Seq)| **seq > rows.purged_through_seq;
    same(rows.items.iter().filter(is_live).eq(life.items.iter()), "the items")?;
    same(rows.item_count == life.items.len() as u64, "the number of items")?;
    let rows_max = head.seq - head.trimmed_through_seq + rows.items.len() as u64;
    Promise::BoundedRows.check(rows.events.len() as u64 <= rows_max, || {
        format!("{} has more rows than events and items", life.name)
    })?;
    let subscriptions: BTreeMap<_, _> =
        life.subscriptions.iter().filter(|(_, one)| one.ended_at.is_none()).collect();
    let is_subscribed = rows.subscriptions.iter().all(|(id, stored)| {
        let is_pending = stored.state == SubscriptionState::Pending;
        subscriptions.get(id).is_some_and(|one| {
            (&one.jid, one.since_seq, one.is_pending) == (&stored.jid, stored.since_seq, is_pending)
        })
    });
    let count = subscriptions.len();
    same(is_subscribed && rows.subscriptions.len() == count, "the subscriptions")?;
    same(rows.subscription_count == count as u64, "the number of subscriptions")?;
    let standings = life.affiliations.iter().filter(|(_, standing)| **standing != Affiliation::None);
    same(standings.eq(rows.affiliations.iter()), "the standings")
}

/// A publish that was taken back, once its payload is gone.
fn blank(kind: &EventKind) -> EventKind {
    match kind {
        EventKind::Published { item_id, .. } => {
            EventKind::Published { item_id: item_id.clone(), payload: None }
        }
        other => other.clone(),
    }
}
