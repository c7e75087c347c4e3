//! The steps of a run: a step is drawn, everything that is due happens, and the rules are checked.

use nuncio_core::time::Time;

use super::Sim;
use crate::seeded::{Draw, note};
use crate::world::{MILLI, SECOND};

/// A kind of step, in the order of `Params::weights`.
#[derive(Clone, Copy, Debug)]
enum Step {
    Spawn,
    Terminate,
    Delegate,
    SpawnWithEdge,
    Revoke,
    List,
    TakeOver,
    Wait,
    Sync,
    Compact,
    Restart,
    Crash,
    CrashClient,
    Jump,
    ReplaceTokens,
    SetClocks,
}

impl Step {
    const ALL: [Step; 16] = [
        Step::Spawn,
        Step::Terminate,
        Step::Delegate,
        Step::SpawnWithEdge,
        Step::Revoke,
        Step::List,
        Step::TakeOver,
        Step::Wait,
        Step::Sync,
        Step::Compact,
        Step::Restart,
        Step::Crash,
        Step::CrashClient,
        Step::Jump,
        Step::ReplaceTokens,
        Step::SetClocks,
    ];
}

impl Sim {
    pub(super) fn step(&mut self, draw: &mut Draw<'_, '_>) {
        let step = Step::ALL[draw.weighted(&self.params.weights)];
        note(|| format!("{} {step:?}", self.now.to_rfc3339()));
        let who = draw.below(self.clients.len());
        match step {
            Step::Spawn => self.spawn(who, draw),
            Step::Terminate => self.terminate(who, draw),
            Step::Delegate => self.delegate(who, draw),
            Step::SpawnWithEdge => self.spawn_with_edge(who, draw),
            Step::Revoke => self.revoke(who, draw),
            Step::List => self.list(who, draw),
            Step::TakeOver => self.take_over(who, draw),
            Step::Wait => {
                let micros = draw.one(&[10 * MILLI, 100 * MILLI, SECOND, 11 * SECOND, 45 * SECOND, 400 * SECOND]);
                self.wait(micros, draw);
            }
            Step::Sync => self.sync(),
            Step::Compact => self.compact(),
            Step::Restart => self.restart(false, draw),
            Step::Crash => self.restart(true, draw),
            Step::CrashClient => self.crash_client(who),
            Step::Jump => self.jump(who, draw),
            Step::ReplaceTokens => self.coordinator.first_token += 1,
            Step::SetClocks => self.set_clocks(who, draw),
        }
        self.settle(draw);
    }

    /// A clock jumps ahead, so that its timers fire late: everybody's, a client's, or the coordinator's.
    fn jump(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        self.count("clock jumped");
        let secs = draw.one(&[40, 700, 4_000, 90_000]);
        match draw.below(3) {
            0 => self.now = self.now.plus_secs(secs),
            1 => self.clients[who].clocks.jump(secs * SECOND),
            // If it alone is a day ahead, it has forgotten the keys of the last seconds.
            _ => self.coordinator.clocks.jump(secs.min(4_000) * SECOND),
        }
    }

    /// Lets time pass; everything happens when it is due.
    pub(super) fn wait(&mut self, micros: u64, draw: &mut Draw<'_, '_>) {
        let until = self.now.plus_micros(micros);
        for _ in 0..20_000 {
            self.settle(draw);
            match self.next_at().filter(|at| *at <= until) {
                Some(at) => self.now = self.now.max(at),
                None => {
                    self.now = until;
                    return self.settle(draw);
                }
            }
        }
        panic!("ours every_wait_ends: a timer fires again and again");
    }

    fn next_at(&self) -> Option<Time> {
        let clients = self.clients.iter().filter_map(super::clients::ClientHost::next_at);
        clients.chain(self.link.next_at()).chain(self.coordinator.next_at()).min()
    }

    /// Does everything that is due, and checks the rules.
    pub(super) fn settle(&mut self, draw: &mut Draw<'_, '_>) {
        for _ in 0..20_000 {
            if !self.act(draw) {
                self.check_coordinator();
                return (0..self.clients.len()).for_each(|who| self.check_client(who));
            }
        }
        panic!("ours everything_comes_to_rest: requests go round and round");
    }

    /// Does one thing that is due; returns whether there was one.
    fn act(&mut self, draw: &mut Draw<'_, '_>) -> bool {
        if let Some((attempt, packet)) = self.link.arrived(self.now) {
            self.deliver(attempt, packet, draw);
            return true;
        }
        self.act_coordinator(draw) || (0..self.clients.len()).any(|who| self.act_client(who, draw))
    }
}
