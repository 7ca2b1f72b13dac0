use crate::instance::{Instance, Write};
use crate::violation::Checked;

use super::World;

/// Commands under way at most.
const OPEN_MAX: usize = 24;

/// Something that may happen next.
#[derive(Debug, Clone, Copy)]
enum Action {
    Submit,
    Load(usize),
    Form(usize),
    Write(usize),
    Deliver,
    StoreCursors,
    Reap,
    Retain,
    LookForOthers,
    ServerTakes,
    Barrier,
    Answer,
    Connect,
    Cut,
    Crash(usize),
    StoreGoes,
    StoreComes,
    ClockJumps,
}

impl World {
    /// Lets something happen.
    pub(super) fn step(&mut self) -> Checked {
        self.clock_ms += 1;
        let possible = self.possible();
        let action = self.random.weighted(&possible).unwrap_or(Action::Deliver);
        match action {
            Action::Submit => return self.submit(),
            Action::Load(instance) => return self.load(instance),
            Action::Form(instance) => return self.form(instance),
            Action::Write(instance) => return self.write(instance),
            Action::Deliver => return self.deliver(),
            Action::ServerTakes => {
                let stanzas = self.random.between(1, 4);
                return self.server_takes(stanzas);
            }
            Action::Cut => return self.cut(),
            Action::Crash(instance) => return self.crash(instance),
            Action::StoreCursors => self.store_cursors(),
            Action::Reap => self.reap(),
            Action::Retain => self.retain(),
            Action::LookForOthers => self.look_for_others(),
            Action::Barrier => self.put_barrier(),
            Action::Answer => self.answer_comes(),
            Action::Connect => self.connect(),
            Action::StoreGoes => self.store_goes(),
            Action::StoreComes => self.store_comes(),
            Action::ClockJumps => self.clock_jumps(),
        }
        Ok(())
    }

    /// What may happen next, by how likely it is against the rest.
    fn possible(&self) -> Vec<(usize, Action)> {
        let trouble = self.scenario.trouble;
        let mut possible = vec![
            (if self.open.len() < OPEN_MAX { 250 } else { 0 }, Action::Submit),
            (500, Action::Deliver),
            (120, Action::StoreCursors),
            (20, Action::Reap),
            (25, Action::Retain),
            (if self.scenario.instances > 1 { 4 } else { 0 }, Action::LookForOthers),
            (10, Action::Barrier),
            (3, Action::ClockJumps),
        ];
        for (index, instance) in self.instances.iter().enumerate() {
            possible.extend([
                (if instance.loads.is_empty() { 0 } else { 300 }, Action::Load(index)),
                (if instance.can_form() { 300 } else { 0 }, Action::Form(index)),
                (if instance.write.is_some() { 400 } else { 0 }, Action::Write(index)),
                (if instance.is_mid_commit() { trouble / 5 } else { trouble / 25 }, Action::Crash(index)),
            ]);
        }
        if self.link.is_up {
            possible.extend([
                (self.scenario.server_pace, Action::ServerTakes),
                (100, Action::Answer),
                (if self.link.is_idle() { trouble / 20 } else { trouble / 4 }, Action::Cut),
            ]);
        } else {
            possible.push((60, Action::Connect));
        }
        if self.store.disk().faults.is_down {
            possible.push((60, Action::StoreComes));
        } else {
            possible.push((trouble / 20, Action::StoreGoes));
        }
        possible
    }
}

impl Instance {
    /// A committer forms a batch as soon as it can; the simulation lets it wait, which a slow machine does too.
    fn can_form(&self) -> bool {
        self.write.is_none() && !self.committer.is_idle()
    }

    /// Where dying hurts most.
    fn is_mid_commit(&self) -> bool {
        matches!(self.write, Some(Write::Staged(..) | Write::Unknown(_)))
    }
}
