//! What becomes of a machine's outputs, in their order, while its lock is held.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_channel::oneshot;
use nuncio_core::arcp::{ConnId, Event, Fault, JobId, Output, Runtime};
use nuncio_core::budget::Budget;
use nuncio_core::time::Time;
use tracing::Span;

use crate::arcp::agent::job::{Ended, Job};
use crate::arcp::journal::Question;
use crate::arcp::server::hub::{Effect, State};
use crate::arcp::server::provision::Grant;
use crate::auth::Claim;
use crate::io::pipe::Pipe;

impl State {
    /// Around a machine whose records are durable up to this one. `records` says that there is a place for further ones,
    /// `credentials` that somebody mints them.
    pub(crate) fn new(runtime: Runtime, durable: u64, records: bool, credentials: bool) -> State {
        State {
            runtime,
            conns: HashMap::new(),
            certificates: HashMap::new(),
            jobs: HashMap::new(),
            awaited: HashMap::new(),
            held: VecDeque::new(),
            held_conns: HashMap::new(),
            held_events: 0,
            unrecorded: Vec::new(),
            committed: durable,
            records,
            credentials,
            armed: Time::MAX,
            drained: false,
        }
    }

    /// Moves all outputs on, as far as their records are durable. What is for one connection stays in its order.
    pub(crate) fn drain(&mut self, now: Time, effects: &mut Vec<Effect>) {
        loop {
            while self.held.front().is_some_and(|output| self.is_durable(output)) {
                if let Some(output) = self.held.pop_front() {
                    self.unhold(&output);
                    self.act(now, output, effects);
                }
            }
            let Some(output) = self.runtime.poll_output() else { break };
            match output {
                Output::Store { seq, record } if self.records => self.unrecorded.push((seq, record)),
                // Without a place for records everything is as durable as it will get.
                Output::Store { seq, .. } => self.committed = seq,
                output if self.is_durable(&output) && !self.is_behind_held(&output) => self.act(now, output, effects),
                output => self.hold(output),
            }
        }
    }

    fn is_durable(&self, output: &Output) -> bool {
        match output {
            Output::Event { event: Event::Authenticate { .. } | Event::RefusedFrame { .. }, .. }
            | Output::Store { .. }
            | Output::Reading { .. }
            | Output::Close { .. } => true,
            Output::Send { after, .. } | Output::Event { after, .. } => *after <= self.committed,
        }
    }

    fn is_behind_held(&self, output: &Output) -> bool {
        // No record says of them, and as many may come as a peer likes, whatever becomes of the journal.
        if let Output::Event { event: Event::Authenticate { .. } | Event::RefusedFrame { .. }, .. } = output {
            return false;
        }
        match conn_of(output) {
            Some(conn) => self.held_conns.contains_key(&conn),
            None => self.held_events > 0,
        }
    }

    fn hold(&mut self, output: Output) {
        match conn_of(&output) {
            Some(conn) => *self.held_conns.entry(conn).or_default() += 1,
            None => self.held_events += 1,
        }
        self.held.push_back(output);
    }

    fn unhold(&mut self, output: &Output) {
        match conn_of(output) {
            Some(conn) => {
                if let Some(held) = self.held_conns.get_mut(&conn) {
                    *held -= 1;
                    if *held == 0 {
                        self.held_conns.remove(&conn);
                    }
                }
            }
            None => self.held_events -= 1,
        }
    }

    /// What waits for a connection that is over goes: nobody takes it, and a peer may come and go as often as it likes.
    pub(crate) fn discard(&mut self, conn: ConnId) {
        if self.held_conns.remove(&conn).is_some() {
            self.held.retain(|output| conn_of(output) != Some(conn));
        }
    }

    fn act(&mut self, now: Time, output: Output, effects: &mut Vec<Effect>) {
        match output {
            Output::Store { .. } => {}
            Output::Send { conn, frame, .. } => {
                if let Some(pipe) = self.conns.get(&conn) {
                    pipe.push(frame);
                    wake(effects, pipe);
                }
            }
            Output::Reading { conn } => {
                if let Some(pipe) = self.conns.get(&conn) {
                    pipe.read_on();
                    wake(effects, pipe);
                }
            }
            Output::Close { conn, code, reason } => {
                if let Some(pipe) = self.conns.get(&conn) {
                    pipe.close(code, reason);
                    wake(effects, pipe);
                }
            }
            Output::Event { event, .. } => self.event(now, event, effects),
        }
    }

    fn event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Authenticate { conn, token, client } => {
                let claim = Claim { token, client, certificate: self.certificates.get(&conn).cloned() };
                effects.push(Effect::Authenticate { conn, claim });
            }
            Event::SessionLive { session, principal, resumed, .. } => {
                effects.push(Effect::SessionLive { session, principal, resumed });
            }
            Event::SessionDetached { session } => effects.push(Effect::SessionDetached(session)),
            Event::SessionClosed { session } => effects.push(Effect::SessionClosed(session)),
            Event::Submitted { job, credentials } => {
                let grant = self.runtime.job(job).filter(|_| credentials && self.credentials);
                match grant.map(|view| Box::new(Grant::of(&view))) {
                    Some(grant) => effects.push(Effect::Provision { job, grant }),
                    // Refused is only what has ended by itself meanwhile.
                    None => drop(self.runtime.start(now, job, Vec::new())),
                }
            }
            Event::Start { job } => {
                if let Some(view) = self.runtime.job(job) {
                    let parent = self.delegating(job, view.parent);
                    let shared = Arc::new(Job::of(job, &view));
                    self.jobs.insert(job, Arc::clone(&shared));
                    effects.push(Effect::Run { job: shared, parent });
                }
            }
            Event::Cancel { job, reason, .. } => {
                if let Some(job) = self.jobs.get(&job) {
                    effects.push(Effect::Cancel { job: Arc::clone(job), reason });
                }
            }
            Event::Unblocked { job } => {
                if let Some(job) = self.jobs.get(&job) {
                    effects.push(Effect::Unblock(Arc::clone(job)));
                }
            }
            Event::Ended { job, status, fault, result } => {
                let budget = self.runtime.job(job).and_then(|view| view.budget.map(Budget::to_json_numbers));
                effects.push(Effect::End {
                    job: self.jobs.remove(&job),
                    awaited: self.awaited.remove(&job),
                    ended: Ended { status, fault, result, budget },
                });
            }
            Event::Revoke { revocation, job, id, value, attempt } => {
                effects.push(Effect::Revoke { revocation, job, id, value, attempt });
            }
            Event::Replay { replay, range, max_events, max_bytes } => {
                effects.push(Effect::Replay(Question { replay, range, max_events, max_bytes }));
            }
            Event::Subscription { principal, job, owner, granted } => {
                effects.push(Effect::Subscription { principal, job, owner, granted });
            }
            Event::RefusedFrame { conn, code, message } => {
                effects.push(Effect::RefusedFrame { conn, fault: Fault::new(code, message) });
            }
            Event::Drained => {
                self.drained = true;
                effects.push(Effect::Emptied);
            }
        }
    }

    /// The span of the agent that delegated a job; none where a client has submitted it, which sends a span of its own.
    fn delegating(&self, job: JobId, parent: Option<JobId>) -> Span {
        let parent = parent.filter(|_| self.awaited.contains_key(&job)).and_then(|parent| self.jobs.get(&parent));
        parent.map_or_else(Span::none, |parent| parent.span())
    }

    /// Takes the machine's next deadline over; true if the timer has to wake earlier than it thinks.
    pub(crate) fn arm(&mut self) -> bool {
        let next = self.runtime.poll_timeout().map_or(Time::MAX, |(deadline, _)| deadline);
        let nearer = next < self.armed;
        if nearer {
            self.armed = next;
        }
        nearer
    }

    /// The timer has woken and asks again.
    pub(crate) fn disarm(&mut self) {
        self.armed = Time::MAX;
    }

    /// Lets somebody wait for the end of a job that has just been made.
    pub(crate) fn await_end(&mut self, job: JobId) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        self.awaited.insert(job, sender);
        receiver
    }
}

/// The connection an output is for; `None` for what is for the host.
fn conn_of(output: &Output) -> Option<ConnId> {
    match output {
        Output::Send { conn, .. } | Output::Reading { conn } | Output::Close { conn, .. } => Some(*conn),
        Output::Store { .. } | Output::Event { .. } => None,
    }
}

/// Wakes every connection once, for most inputs concern one.
fn wake(effects: &mut Vec<Effect>, pipe: &Arc<Pipe>) {
    let woken = |effect: &Effect| matches!(effect, Effect::Wake(other) if Arc::ptr_eq(other, pipe));
    if !effects.iter().any(woken) {
        effects.push(Effect::Wake(Arc::clone(pipe)));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::arcp::{Config, Journaling, Via};

    use super::*;

    const NOW: Time = Time(1_700_000_000_000_000);

    /// Of a journal that takes records and never says that they are durable.
    fn state() -> State {
        let config = Config::default().with(|config| config.journal = Journaling::Kept);
        State::new(Runtime::new(config, [7; 32], NOW), 0, true, false)
    }

    impl State {
        fn says(&mut self, conn: ConnId, frame: &str) -> Vec<Effect> {
            let mut effects = Vec::new();
            self.runtime.handle_frame(NOW, conn, frame.as_bytes());
            self.drain(NOW, &mut effects);
            effects
        }

        /// Its welcome waits for the journal.
        fn login(&mut self) -> ConnId {
            let conn = self.runtime.handle_open(NOW, Via::Memory);
            let hello = r#"{"arcp":"1.1","id":"1","type":"session.hello","payload":{
                "client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t"},"capabilities":{}}}"#;
            let asked = self.says(conn, hello);
            assert!(matches!(&*asked, [Effect::Authenticate { .. }]));
            self.runtime.admit(NOW, conn, "alice").unwrap();
            self.drain(NOW, &mut Vec::new());
            assert!(self.held_conns.contains_key(&conn));
            conn
        }
    }

    #[test]
    fn what_is_told_of_refused_frames_does_not_wait_for_the_journal() {
        let mut state = state();
        let conn = state.login();
        let before = state.held_events;
        for _ in 0..50 {
            let effects = state.says(conn, r#"{"arcp":"1.1","id":"2","type":"no.such","payload":{}}"#);
            assert!(effects.iter().any(|effect| matches!(effect, Effect::RefusedFrame { .. })));
        }
        assert_eq!(state.held_events, before);
    }

    #[test]
    fn what_waits_for_a_connection_goes_with_it() {
        let mut state = state();
        let conn = state.login();
        let frames = |state: &State| state.held.iter().filter(|output| conn_of(output).is_some()).count();
        assert!(frames(&state) > 0);
        state.runtime.handle_close(NOW, conn);
        state.discard(conn);
        state.drain(NOW, &mut Vec::new());
        assert_eq!(frames(&state), 0);
    }
}
