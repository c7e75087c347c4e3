//! The steps of a run: a step is drawn, everything is drained, and the rules are checked.

use nuncio_core::time::Time;

use super::Sim;
use super::link::End;
use crate::seeded::Draw;
use crate::seeded::note;
use crate::world::{MILLI, SECOND};

/// A kind of step, in the order of `Params::weights`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Deliver,
    Write,
    Command,
    Take,
    Answer,
    Agent,
    Wait,
    Cut,
    HalfOpen,
    Stall,
    Release,
    Restart,
    Jump,
    Attack,
    Commit,
    Crash,
    StallJournal,
    SetWall,
}

impl Step {
    const ALL: [Step; 18] = [
        Step::Deliver,
        Step::Write,
        Step::Command,
        Step::Take,
        Step::Answer,
        Step::Agent,
        Step::Wait,
        Step::Cut,
        Step::HalfOpen,
        Step::Stall,
        Step::Release,
        Step::Restart,
        Step::Jump,
        Step::Attack,
        Step::Commit,
        Step::Crash,
        Step::StallJournal,
        Step::SetWall,
    ];
}

impl Sim {
    pub(super) fn step(&mut self, draw: &mut Draw<'_, '_>) {
        let step = Step::ALL[draw.weighted(&self.params.weights)];
        note(|| format!("{} {step:?}", self.now.to_rfc3339()));
        let links: Vec<usize> = self.links.keys().copied().collect();
        let link = draw.pick(&links).copied().unwrap_or_default();
        match step {
            Step::Deliver => {
                let frames = 1 + draw.below(4);
                if draw.chance(50) {
                    self.deliver_up(link, frames);
                } else {
                    self.deliver_down(link, frames);
                }
            }
            Step::Write => {
                let frames = 1 + draw.below(4);
                if draw.chance(50) {
                    self.write_up(link, frames);
                } else {
                    self.write_down(link, frames);
                }
            }
            Step::Command => self.command(draw),
            Step::Take => {
                let who = draw.below(self.peers.len());
                let events = 1 + draw.below(40);
                self.take_events(who, events);
            }
            Step::Answer => self.answer(draw),
            Step::Agent => self.act_agent(draw),
            Step::Wait => {
                let micros = draw.one(&[MILLI, 60 * MILLI, SECOND, 3 * SECOND, 16 * SECOND]);
                self.wait(micros);
            }
            Step::Cut => self.cut(link, false, draw),
            Step::HalfOpen => self.cut(link, true, draw),
            Step::Stall | Step::Release => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.stalled = matches!(step, Step::Stall);
                }
                if matches!(step, Step::Release) {
                    self.disk.stalled = false;
                }
            }
            Step::Restart => {
                let who = draw.below(self.peers.len());
                self.count("client restarted");
                self.restart(who);
            }
            Step::Jump => {
                // The machine was suspended: every timer fires late.
                if self.jumps < 5 {
                    self.jumps += 1;
                    self.count("clock jumped");
                    let to = self.now.plus_secs(draw.one(&[40, 700, 4_000]));
                    self.now = to;
                    self.fire_timers();
                }
            }
            Step::Attack => self.attack(draw),
            Step::Commit => {
                self.commit();
            }
            Step::Crash => self.crash(draw),
            Step::StallJournal => self.disk.stalled = true,
            Step::SetWall => {
                let micros = draw.one(&[300 * MILLI, 5 * SECOND, 70 * SECOND, 3_600 * SECOND]);
                let ahead = draw.chance(50);
                self.count(if ahead { "wall set ahead" } else { "wall set back" });
                let wall = self.wall();
                self.set_wall(Time(if ahead { wall.0 + micros } else { wall.0 - micros }));
            }
        }
        self.run_prompt_parts(draw);
        self.nothing_is_overdue();
    }

    /// Does everything that happens promptly in this run.
    fn run_prompt_parts(&mut self, draw: &mut Draw<'_, '_>) {
        let prompt = self.disk.is_behind() && draw.chance(self.params.fast_journal);
        if prompt {
            self.commit();
        }
        if draw.chance(self.params.fast_host) {
            while !self.host.questions.is_empty() {
                self.answer(draw);
            }
        }
        if draw.chance(self.params.fast_application) {
            for who in 0..self.peers.len() {
                self.take_events(who, usize::MAX);
                self.connect(who);
            }
        }
        if draw.chance(self.params.fast_network) {
            self.deliver_all(prompt);
        }
        if draw.chance(self.params.fast_host) {
            while !self.host.questions.is_empty() {
                self.answer(draw);
            }
        }
        if prompt {
            self.commit();
        }
    }

    /// Delivers everything on the way, and commits between if the journal is prompt; returns whether there was
    /// anything.
    pub(super) fn deliver_all(&mut self, prompt: bool) -> bool {
        let mut any = false;
        for _ in 0..10_000 {
            let links: Vec<usize> = self.links.keys().copied().collect();
            let mut moved = 0;
            for link in links {
                moved += self.write_up(link, usize::MAX) + self.write_down(link, usize::MAX);
                moved += self.deliver_up(link, usize::MAX) + self.deliver_down(link, usize::MAX);
            }
            moved += usize::from(prompt && self.commit());
            if moved == 0 {
                return any;
            }
            any = true;
        }
        panic!("the peers do not come to rest");
    }

    fn cut(&mut self, number: usize, half_open: bool, draw: &mut Draw<'_, '_>) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let down = draw.below(link.down.len() + 1);
        let up = draw.below(link.up.len() + 1);
        link.cut(down, up);
        link.half_open = half_open;
        let peer = link.peer;
        note(|| format!("  link {number} of {peer:?} is cut, half open: {half_open}"));
        if matches!(peer, End::Client(_)) {
            self.count(if half_open { "half open" } else { "cut" });
        }
    }

    /// What the wall clock shows.
    pub(super) fn wall(&self) -> Time {
        Time(self.now.0.saturating_add_signed(self.wall_offset))
    }

    /// Sets the wall clock. Nothing else changes but how long leases last.
    pub(super) fn set_wall(&mut self, wall: Time) {
        note(|| format!("  the wall clock shows {}", wall.to_rfc3339()));
        self.wall_offset = wall.0.wrapping_sub(self.now.0).cast_signed();
        self.model.set_wall(self.now, self.wall_offset);
        self.runtime.handle_wall(self.now, wall);
        self.drain();
        self.fire_timers();
    }

    /// Lets time pass; every timer fires at its deadline.
    pub(super) fn wait(&mut self, micros: u64) {
        let until = self.now.plus_micros(micros);
        for _ in 0..10_000 {
            let runtime = self.runtime.poll_timeout().map(|(at, _)| at);
            let clients = self.peers.iter().filter_map(|peer| peer.client.poll_timeout()).map(|(at, _)| at);
            let next = runtime.into_iter().chain(clients).min().filter(|at| *at <= until);
            let Some(at) = next else {
                self.now = until;
                self.fire_timers();
                return;
            };
            self.now = self.now.max(at);
            self.fire_timers();
        }
        panic!("a timer fires again and again");
    }

    /// Fires every timer that is due.
    pub(super) fn fire_timers(&mut self) {
        self.overdue_replays();
        self.runtime.handle_timeout(self.now);
        self.drain();
        for who in 0..self.peers.len() {
            self.peers[who].client.handle_timeout(self.now);
            self.drain_peer(who);
        }
    }
}
