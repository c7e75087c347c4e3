//! The steps of a run: a step is drawn, everything that is due happens, and the rules are checked.

use nuncio_core::time::Time;

use super::bus::Who;
use super::params::Trust;
use super::{Sim, packet_line};
use crate::seeded::{Draw, note};
use crate::world::{MILLI, SECOND};

/// A kind of step, in the order of `Params::weights`.
#[derive(Clone, Copy, Debug)]
enum Step {
    Submit,
    Repeat,
    Cancel,
    Operator,
    Forget,
    Wait,
    Cut,
    Reconnect,
    CrashClient,
    CrashWorker,
    Drain,
    Jump,
    Attack,
    CrashRouter,
    Trust,
    SetClocks,
}

impl Step {
    const ALL: [Step; 16] = [
        Step::Submit,
        Step::Repeat,
        Step::Cancel,
        Step::Operator,
        Step::Forget,
        Step::Wait,
        Step::Cut,
        Step::Reconnect,
        Step::CrashClient,
        Step::CrashWorker,
        Step::Drain,
        Step::Jump,
        Step::Attack,
        Step::CrashRouter,
        Step::Trust,
        Step::SetClocks,
    ];
}

impl Sim {
    pub(super) fn step(&mut self, draw: &mut Draw<'_, '_>) {
        let step = Step::ALL[draw.weighted(&self.params.weights)];
        note(|| format!("{} {step:?}", self.now.to_rfc3339()));
        let client = draw.below(self.clients.len());
        match step {
            Step::Submit => self.submit(client, draw),
            Step::Repeat => self.submit_again(client, draw),
            Step::Cancel => self.cancel(client, draw),
            Step::Operator => self.operator_cancels(draw),
            Step::Forget => self.forget(client, draw),
            Step::Wait => {
                let micros = draw.one(&[MILLI, 60 * MILLI, SECOND, 5 * SECOND, 31 * SECOND]);
                self.wait(micros, draw);
            }
            Step::Cut => self.cut(draw),
            Step::Reconnect => {
                let lost: Vec<Who> = self.everybody().into_iter().filter(|who| !self.bus.link(*who).is_up).collect();
                if let Some(who) = draw.pick(&lost).copied() {
                    self.reconnect(who, draw);
                }
            }
            Step::CrashClient => self.crash_client(client),
            Step::CrashWorker => {
                let who = draw.below(self.workers.len());
                self.crash_worker(who);
            }
            Step::Drain => {
                let who = draw.below(self.workers.len());
                self.workers[who].is_draining = true;
                let at = self.at(Who::Worker(who));
                self.workers[who].worker.drain(at);
                self.drain_worker(who, None, draw);
            }
            Step::Jump => {
                // All machines are suspended: every timer fires late.
                if self.jumps < 5 {
                    self.jumps += 1;
                    self.count("clock jumped");
                    self.now = self.now.plus_secs(draw.one(&[40, 700, 4_000]));
                }
            }
            Step::Attack => self.attack(draw),
            Step::CrashRouter => self.crash_router_soon(draw),
            Step::Trust => self.change_trust(draw),
            Step::SetClocks if self.trust() == Trust::Production && draw.chance(50) => {
                self.turn_back_clocks(client, draw);
            }
            Step::SetClocks => self.set_clocks(draw),
        }
        self.settle(draw);
    }

    /// Returns all components.
    pub(super) fn everybody(&self) -> Vec<Who> {
        let clients = (0..self.clients.len()).map(Who::Client);
        let workers = (0..self.workers.len()).map(Who::Worker);
        clients.chain(workers).chain([Who::Router]).collect()
    }

    fn cut(&mut self, draw: &mut Draw<'_, '_>) {
        let who = draw.one(&self.everybody());
        if !self.bus.link(who).is_up {
            return;
        }
        self.count("cut");
        note(|| format!("  {who:?} is cut off"));
        self.bus.cut(who);
        if draw.chance(50) {
            self.notice(who, draw);
        }
    }

    /// A component notices that its connection is gone.
    fn notice(&mut self, who: Who, draw: &mut Draw<'_, '_>) {
        if !std::mem::replace(&mut self.bus.link(who).is_believed, false) {
            return;
        }
        let now = self.at(who);
        match who {
            Who::Client(at) => {
                self.clients[at].client.handle_disconnected(now);
                self.drain_client(at, draw);
            }
            Who::Worker(at) => {
                self.workers[at].worker.handle_disconnected(now);
                self.drain_worker(at, None, draw);
            }
            Who::Router => {
                if let Some(host) = &mut self.router {
                    host.router.handle_disconnected(now);
                    self.drain_router(draw);
                }
            }
        }
    }

    /// A component has a new connection.
    pub(super) fn reconnect(&mut self, who: Who, draw: &mut Draw<'_, '_>) {
        note(|| format!("  {who:?} is connected"));
        self.notice(who, draw);
        let now = self.at(who);
        match who {
            Who::Client(at) => {
                self.bus.open(who);
                self.clients[at].client.handle_connected(now);
                self.drain_client(at, draw);
            }
            Who::Worker(at) => {
                // The process that has drained is started again.
                if self.workers[at].is_draining && self.workers[at].is_idle() {
                    self.crash_worker(at);
                }
                self.bus.open(who);
                // Its time began anew if it was started again.
                let now = self.at(who);
                self.workers[at].worker.handle_connected(now);
                self.drain_worker(at, None, draw);
            }
            Who::Router => {
                let Some(host) = &mut self.router else { return self.connect_relay() };
                self.bus.open(who);
                host.router.handle_connected(now);
                self.drain_router(draw);
                self.waits_begin_anew();
            }
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

    fn client_due(&self, at: usize) -> Option<Time> {
        self.clients[at].client.poll_timeout().map(|(due, _)| self.due(Who::Client(at), due))
    }

    fn worker_due(&self, at: usize) -> Option<Time> {
        self.workers[at].worker.poll_timeout().map(|(due, _)| self.due(Who::Worker(at), due))
    }

    fn next_at(&self) -> Option<Time> {
        let clients = (0..self.clients.len()).filter_map(|at| self.client_due(at));
        let workers = (0..self.workers.len()).filter_map(|at| self.worker_due(at));
        let handlers = self.workers.iter().filter_map(super::workers::WorkerHost::next_at);
        let router_is_up = self.bus.is_up(Who::Router);
        let router = self.router.as_ref().and_then(|host| host.next_at(router_is_up, |at| self.due(Who::Router, at)));
        let others = [self.bus.next_at(), self.blobs.next_at(), router].into_iter().flatten();
        clients.chain(workers).chain(handlers).chain(others).min()
    }

    /// Does everything that is due, and checks the rules.
    pub(super) fn settle(&mut self, draw: &mut Draw<'_, '_>) {
        for _ in 0..20_000 {
            if !self.act(draw) {
                return self.check();
            }
        }
        panic!("ours everything_comes_to_rest: packets go round and round");
    }

    /// Does one thing that is due; returns whether there was one.
    fn act(&mut self, draw: &mut Draw<'_, '_>) -> bool {
        if let Some(flight) = self.bus.arrived(self.now) {
            note(|| format!("  {:?} receives {}", flight.to, packet_line(&flight.subject, &flight.bytes)));
            match flight.to {
                Who::Client(at) => self.deliver_to_client(at, &flight, draw),
                Who::Worker(at) => self.deliver_to_worker(at, &flight, draw),
                Who::Router if self.router.is_some() => self.deliver_to_router(&flight, draw),
                Who::Router => self.deliver_to_relay(&flight, draw),
            }
            return true;
        }
        if let Some((op, reply)) = self.blobs.act(self.now) {
            if let Some(reply) = reply {
                self.answer_worker(&op, reply, draw);
            }
            return true;
        }
        if self.act_router(draw) {
            return true;
        }
        for who in 0..self.workers.len() {
            if self.end_handlers(who, draw) {
                return true;
            }
        }
        for who in 0..self.clients.len() {
            if self.client_due(who).is_some_and(|at| at <= self.now) {
                let now = self.at(Who::Client(who));
                self.clients[who].client.handle_timeout(now);
                self.drain_client(who, draw);
                return true;
            }
        }
        for who in 0..self.workers.len() {
            if self.worker_due(who).is_some_and(|at| at <= self.now) {
                let now = self.at(Who::Worker(who));
                self.workers[who].worker.handle_timeout(now);
                self.drain_worker(who, None, draw);
                return true;
            }
        }
        false
    }

    fn check(&mut self) {
        self.check_router();
        for who in 0..self.workers.len() {
            self.check_worker(who);
            let now = self.at(Who::Worker(who));
            self.workers[who].worker.handle_timeout(now);
            let more = self.workers[who].worker.poll_output();
            assert!(more.is_none(), "ours nothing_is_overdue: another timeout led to {more:?}");
        }
        for who in 0..self.clients.len() {
            self.check_client(who);
            let now = self.at(Who::Client(who));
            self.clients[who].client.handle_timeout(now);
            let more = self.clients[who].client.poll_output();
            assert!(more.is_none(), "ours nothing_is_overdue: another timeout led to {more:?}");
        }
    }
}
