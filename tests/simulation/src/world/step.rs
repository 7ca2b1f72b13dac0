use crate::instance::{Delivering, Instance, Write};
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
    KeepHouse,
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
    GoesAway,
    ComesBack,
    LateBounce,
}

impl World {
    /// Lets something happen.
    pub(super) fn step(&mut self) -> Checked {
        self.clock_ms += 1;
        self.uptime_ms += 1;
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
            Action::KeepHouse => self.keep_house(),
            Action::Reap => self.reap(),
            Action::Retain => self.retain(),
            Action::LookForOthers => self.look_for_others(),
            Action::Barrier => self.put_barrier(),
            Action::Answer => self.answer_comes(),
            Action::Connect => self.connect(),
            Action::StoreGoes => self.store_goes(),
            Action::StoreComes => self.store_comes(),
            Action::ClockJumps => self.clock_jumps(),
            Action::GoesAway => self.goes_away(),
            Action::ComesBack => self.comes_back(),
            Action::LateBounce => self.late_bounce(),
        }
        Ok(())
    }

    /// What may happen next, by how likely it is against the rest.
    fn possible(&self) -> Vec<(usize, Action)> {
        let trouble = self.scenario.trouble;
        let mut possible = vec![
            (if self.open.len() < OPEN_MAX { 80 } else { 0 }, Action::Submit),
            (self.scenario.delivery_pace, Action::Deliver),
            (120, Action::KeepHouse),
            (20, Action::Reap),
            (25, Action::Retain),
            (if self.scenario.instances > 1 { 4 } else { 0 }, Action::LookForOthers),
            (10, Action::Barrier),
            (3, Action::ClockJumps),
            (self.scenario.absence, Action::GoesAway),
            (if self.away.is_empty() { 0 } else { 12 }, Action::ComesBack),
        ];
        for (index, instance) in self.instances.iter().enumerate() {
            possible.extend([
                (if instance.loads.is_empty() { 0 } else { 300 }, Action::Load(index)),
                (if instance.can_form() { 300 } else { 0 }, Action::Form(index)),
                (if instance.write.is_some() { 400 } else { 0 }, Action::Write(index)),
                (trouble / instance.sturdiness(), Action::Crash(index)),
            ]);
        }
        if self.link.is_up {
            possible.extend([
                (self.scenario.server_pace, Action::ServerTakes),
                (300, Action::Answer),
                (if self.late.is_empty() { 0 } else { 30 }, Action::LateBounce),
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

    /// It dies most often where that hurts most.
    fn sturdiness(&self) -> usize {
        let is_judging = |delivery: &Delivering| !delivery.chores.is_empty() && !delivery.unjudged.is_empty();
        if self.delivery.as_ref().is_some_and(is_judging) {
            2
        } else if matches!(self.write, Some(Write::Staged(..) | Write::Unknown(_))) {
            5
        } else {
            25
        }
    }
}
