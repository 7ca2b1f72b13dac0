use bus_domain::{NodeId, Redirect};
use bus_store::Position;

use super::{SimulatedTransaction, Wellbeing};
use crate::store::{Disk, NodeRows};

impl SimulatedTransaction {
    /// A node's rows as this transaction sees them.
    pub(super) fn seen(&self, node: NodeId) -> Option<NodeRows> {
        self.changed.get(&node).cloned().or_else(|| self.store.disk().nodes.get(&node).cloned())
    }

    fn write_redirects(&mut self, disk: &mut Disk) {
        let made = self.changed.iter().filter(|(node, _)| !disk.nodes.contains_key(node));
        let made: Vec<_> = made.map(|(_, rows)| &rows.row.name).collect();
        disk.redirects.retain(|redirect| !made.contains(&&redirect.name));
        for (redirect, [of_creator, in_all]) in self.redirects.drain(..) {
            let creator = redirect.creator.clone();
            disk.redirects.push(redirect);
            forget_oldest(&mut disk.redirects, of_creator, |it| it.creator == creator);
            forget_oldest(&mut disk.redirects, in_all, |_| true);
        }
    }

    /// Makes what the transaction has done what everybody sees.
    pub(super) fn write_to(&mut self, disk: &mut Disk) {
        self.write_redirects(disk);
        self.changed.values_mut().for_each(NodeRows::drop_rows_without_items);
        disk.nodes.append(&mut self.changed);
        for (key, wellbeing) in self.wellbeing.drain(..) {
            match wellbeing {
                Wellbeing::Revived => drop(disk.health.remove(&key)),
                Wellbeing::Ended => {
                    disk.health.remove(&key);
                    disk.lagging.remove(&key);
                }
                Wellbeing::Parked => {
                    disk.health.entry(key).or_default().is_parked = true;
                    disk.lagging.remove(&key);
                }
            }
        }
        for (node, last_seq) in std::mem::take(&mut self.set_back) {
            let epoch = disk.nodes.get(&node).map(|rows| rows.head.epoch);
            for row in disk.lagging.values_mut().filter(|row| row.key.node == node) {
                row.through_seq = row.through_seq.min(last_seq);
                row.epoch = epoch.unwrap_or(row.epoch);
            }
            let position = disk.position(node).min(Position::behind(last_seq));
            disk.cursors.insert(node, position);
        }
        disk.move_usage(self.usage.drain(..));
        for request in self.kept_requests.drain(..) {
            disk.kept_requests.insert(request.name.clone(), request);
        }
        disk.batches.extend(self.batches.drain(..));
    }
}

fn forget_oldest(redirects: &mut Vec<Redirect>, kept: u32, counts: impl Fn(&Redirect) -> bool) {
    let all = redirects.iter().filter(|it| counts(it)).count();
    let mut too_many = all.saturating_sub(kept as usize);
    redirects.retain(|it| {
        let goes = counts(it) && too_many > 0;
        too_many -= usize::from(goes);
        !goes
    });
}
