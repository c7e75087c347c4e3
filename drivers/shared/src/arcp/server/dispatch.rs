//! The runtime machine and what belongs to it, and the way of every output from the machine to an action.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_channel::oneshot;
use nuncio_core::arcp::{ConnId, Event, Fault, JobKey, Output, Record, Runtime, Via};
use nuncio_core::budget::Budget;
use nuncio_core::time::Time;
use tracing::{Span, debug, info};

use super::action::Actions;
use super::gate::Gate;
use super::provision::{Grant, Revocation};
use crate::arcp::agent::job::{Attachment, EVENTS_AT_ONCE, Ended, Job};
use crate::arcp::agent::span;
use crate::arcp::journal::Replay;
use crate::auth::{Claim, PeerCertificate};
use crate::io::Sanitized;
use crate::io::clock::{Reading, WallClock};
use crate::io::lane::Lanes;
use crate::io::pipe::Pipe;

/// What the lock of a server guards: the machine, and a table for each kind of thing that its outputs name.
pub(crate) struct State {
    /// The machine. Its outputs are dispatched after each input.
    pub(crate) runtime: Runtime,
    gate: Gate,
    conns: HashMap<ConnId, Arc<Pipe>>,
    /// The certificates of clients that have presented one.
    certificates: HashMap<ConnId, PeerCertificate>,
    /// Jobs whose agents run.
    jobs: HashMap<JobKey, Arc<Job>>,
    /// Delegated jobs whose parents wait for their end.
    awaited: HashMap<JobKey, oneshot::Sender<Ended>>,
    /// What is attached to delegated jobs whose agents have not started.
    attachments: HashMap<JobKey, Attachment>,
    /// The lanes of principals: of their connections, and of their agents.
    pub(super) lanes: Lanes,
    agent_lanes: Lanes,
    /// Records that are not durable yet. `None` without a journal: then no output waits for one.
    unrecorded: Option<Vec<(u64, Record)>>,
    /// Whether records are dropped, because nobody can store them any more.
    is_journal_lost: bool,
    /// Whether there is a provisioner.
    credentials: bool,
    /// What the machine was told of the wall clock.
    wall: WallClock,
    /// The deadline that the timer waits for.
    armed: Time,
    drained: bool,
}

impl State {
    /// `durable` is the number of the machine's last record that is durable.
    pub(super) fn new(runtime: Runtime, durable: u64, has_journal: bool, has_provisioner: bool) -> State {
        State {
            lanes: Lanes::new(runtime.config().limits.turn_work),
            agent_lanes: Lanes::new(EVENTS_AT_ONCE),
            runtime,
            gate: Gate::new(durable),
            conns: HashMap::new(),
            certificates: HashMap::new(),
            jobs: HashMap::new(),
            awaited: HashMap::new(),
            attachments: HashMap::new(),
            unrecorded: has_journal.then(Vec::new),
            is_journal_lost: false,
            credentials: has_provisioner,
            wall: WallClock::default(),
            armed: Time::MAX,
            drained: false,
        }
    }

    /// Tells the machine what the wall clock shows as the server begins.
    pub(super) fn begin_clock(&mut self, reading: Reading) {
        self.wall = WallClock::new(reading);
        self.runtime.handle_wall(reading.now, reading.wall);
    }

    /// Tells the machine of the wall clock if that was set. Returns the time of the next input.
    pub(super) fn read_clock(&mut self, reading: Reading, actions: &mut Actions) -> Time {
        let runtime = &mut self.runtime;
        if let Some(step) = self.wall.follow(reading, |now, wall| runtime.handle_wall(now, wall)) {
            actions.push(move |_| step.log());
        }
        reading.now
    }

    /// Returns what the wall clock will show at a time of the machine.
    pub(super) fn wall_at(&self, at: Time) -> Time {
        self.wall.shows(at)
    }

    /// Adds a connection, whose frames go through `pipe`.
    pub(super) fn open(&mut self, now: Time, via: Via, address: Option<IpAddr>, pipe: Arc<Pipe>) -> ConnId {
        let conn = match address {
            Some(address) => self.runtime.handle_open_from(now, via, address),
            None => self.runtime.handle_open(now, via),
        };
        self.conns.insert(conn, pipe);
        conn
    }

    /// Keeps the certificate of a connection's client for its hello.
    pub(super) fn certify(&mut self, conn: ConnId, certificate: PeerCertificate) {
        self.certificates.insert(conn, certificate);
    }

    /// Removes a connection that has ended.
    pub(super) fn close(&mut self, now: Time, conn: ConnId) {
        self.runtime.handle_close(now, conn);
        self.conns.remove(&conn);
        self.certificates.remove(&conn);
        self.gate.discard(conn);
    }

    /// Returns a receiver of the end of a job that has just been delegated.
    pub(crate) fn await_end(&mut self, job: JobKey) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        self.awaited.insert(job, sender);
        receiver
    }

    /// Attaches a value to a job that has just been delegated, for its agent.
    pub(crate) fn attach(&mut self, job: JobKey, attachment: Attachment) {
        self.attachments.insert(job, attachment);
    }

    /// Notes that all records up to this one are durable.
    pub(super) fn committed(&mut self, now: Time, seq: u64) {
        self.gate.committed(seq);
        self.runtime.handle_stored(now, seq);
    }

    /// Notes that the journal cannot be written.
    pub(crate) fn store_fails(&mut self, now: Time) {
        self.gate.set_failing(true);
        self.runtime.pause(now);
    }

    /// Notes that the journal can be written again.
    pub(super) fn store_works(&mut self, now: Time) {
        self.gate.set_failing(false);
        self.runtime.proceed(now);
    }

    /// Notes that the journal is never written again.
    pub(super) fn lose_journal(&mut self, now: Time) {
        self.is_journal_lost = true;
        self.unrecorded = Some(Vec::new());
        self.gate.lose_journal();
        self.runtime.lose_journal(now);
    }

    /// Takes the records to be made durable next, with their numbers.
    pub(super) fn take_records(&mut self) -> Vec<(u64, Record)> {
        self.unrecorded.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn has_records(&self) -> bool {
        self.unrecorded.as_ref().is_some_and(|records| !records.is_empty())
    }

    /// Whether no job is left, after the machine was told to shut down.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// Takes the machine's next deadline over. Returns whether it is earlier than the one that the timer waits for.
    pub(super) fn arm(&mut self) -> bool {
        let next = self.runtime.poll_timeout().map_or(Time::MAX, |(deadline, _)| deadline);
        let earlier = next < self.armed;
        if earlier {
            self.armed = next;
        }
        earlier
    }

    pub(super) fn armed(&self) -> Time {
        self.armed
    }

    /// Handles the deadline that the timer has waited for.
    pub(super) fn expire(&mut self, now: Time) {
        self.armed = Time::MAX;
        self.runtime.handle_timeout(now);
    }

    /// Moves every output on whose records are durable.
    pub(super) fn dispatch(&mut self, now: Time, actions: &mut Actions) {
        loop {
            while let Some(output) = self.gate.release() {
                self.output(now, output, actions);
            }
            let Some(output) = self.runtime.poll_output() else { break };
            if let Some(output) = self.gate.pass(output) {
                self.output(now, output, actions);
            }
        }
    }

    fn output(&mut self, now: Time, output: Output, actions: &mut Actions) {
        match output {
            Output::Store { seq, record } => match &mut self.unrecorded {
                Some(_) if self.is_journal_lost => {}
                Some(records) => records.push((seq, record)),
                None => self.gate.committed(seq),
            },
            Output::Send { conn, frame, .. } => {
                if let Some(pipe) = self.conns.get(&conn) {
                    pipe.push(frame);
                    actions.wake(pipe);
                }
            }
            Output::Reading { conn } => {
                if let Some(pipe) = self.conns.get(&conn) {
                    pipe.read_on();
                    actions.wake(pipe);
                }
            }
            Output::Close { conn, code, reason } => {
                if let Some(pipe) = self.conns.get(&conn) {
                    pipe.close(code, reason);
                    actions.wake(pipe);
                }
            }
            Output::Event { event, .. } => self.event(now, event, actions),
        }
    }

    /// Changes the tables as an event says, and has the rest done once the lock is free: logging too, since a subscriber
    /// may write to a file.
    fn event(&mut self, now: Time, event: Event, actions: &mut Actions) {
        match event {
            Event::Authenticate { conn, token, client } => {
                let claim = Claim { token, client, certificate: self.certificates.get(&conn).cloned() };
                actions.push(move |host| host.authenticate(conn, claim));
            }
            Event::SessionLive { session, principal, dialect, resumed, .. } => {
                actions.push(move |_| info!(%session, ?principal, %dialect, resumed, "the session is live"));
            }
            Event::SessionDetached { session } => {
                actions.push(move |_| info!(%session, "the session has no connection; it can be resumed"));
            }
            Event::SessionClosed { session } => actions.push(move |_| info!(%session, "the session is closed")),
            Event::Submitted { job, credentials } => {
                match self.runtime.job(job).filter(|_| credentials && self.credentials) {
                    Some(view) => {
                        let grant = Grant::of(&view);
                        actions.push(move |host| host.provision(job, grant));
                    }
                    // The machine refuses this if the job has ended in the meantime.
                    None => drop(self.runtime.start(now, job, Vec::new())),
                }
            }
            Event::Start { job: key } => {
                if let Some(view) = self.runtime.job(key) {
                    let parent = self.delegating_span(key, view.parent);
                    let lane = self.agent_lanes.of(view.principal);
                    let job = Arc::new(Job::new(key, &view, lane, self.attachments.remove(&key)));
                    self.jobs.insert(key, Arc::clone(&job));
                    actions.push(move |host| host.start(job, parent));
                }
            }
            Event::Cancel { job, reason, .. } => {
                if let Some(job) = self.jobs.get(&job).cloned() {
                    actions.push(move |_| {
                        info!(job = %job.info.id, "the job is being cancelled");
                        job.cancel(reason);
                    });
                }
            }
            Event::Unblocked { job } => {
                if let Some(job) = self.jobs.get(&job).cloned() {
                    actions.push(move |_| job.unblock());
                }
            }
            Event::Answered { job, question, answer } => {
                if let Some(job) = self.jobs.get(&job).cloned() {
                    actions.push(move |_| {
                        info!(job = %job.info.id, question = question.0, by = ?answer.by(), "a question has ended");
                        job.answered(question, &answer);
                    });
                }
            }
            Event::Noted { job, number } => {
                if let Some(job) = self.jobs.get(&job).cloned() {
                    actions.push(move |_| job.noted(number));
                }
            }
            Event::Ended { job: key, status, fault, result } => {
                let budget = self.runtime.job(key).and_then(|view| view.budget.map(Budget::to_json_numbers));
                let ended = Ended { status, fault, result, budget };
                let (job, awaited) = (self.jobs.remove(&key), self.awaited.remove(&key));
                let attachment = self.attachments.remove(&key);
                actions.push(move |_| {
                    drop(attachment);
                    if let Some(job) = job {
                        end_job(&job, &ended);
                    }
                    if let Some(awaited) = awaited {
                        // The receiver is gone if the parent no longer waits.
                        drop(awaited.send(ended));
                    }
                });
            }
            Event::Left { job: key } => {
                if let Some(job) = self.jobs.remove(&key) {
                    actions.push(move |_| {
                        let info = &job.info;
                        info!(job = %info.id, trace = %info.trace_id, "the job is left to the next start");
                        job.leave();
                    });
                }
            }
            Event::Revoke { revocation, job, id, value, attempt } => {
                actions.push(move |host| host.revoke(revocation, Revocation { job: job.into(), id, value, attempt }));
            }
            Event::Replay { replay, range, max_events, max_bytes } => {
                actions.push(move |host| host.replay(Replay { id: replay, range, max_events, max_bytes }));
            }
            Event::Subscription { principal, job, owner, granted } => {
                actions.push(move |_| info!(?principal, %job, ?owner, granted, "a subscription was decided"));
            }
            Event::RefusedFrame { conn, code, message } => {
                let fault = Fault::new(code, message);
                actions.push(move |_| debug!(?conn, fault = %Sanitized(&fault), "a frame was refused"));
            }
            Event::Drained => {
                self.drained = true;
                actions.push(|host| host.drained());
            }
        }
    }

    /// Returns the span of the agent that has delegated a job, or an empty one if a client has submitted it.
    fn delegating_span(&self, job: JobKey, parent: Option<JobKey>) -> Span {
        let parent = parent.filter(|_| self.awaited.contains_key(&job)).and_then(|parent| self.jobs.get(&parent));
        parent.map_or_else(Span::none, |parent| parent.span())
    }
}

fn end_job(job: &Job, ended: &Ended) {
    let (info, code) = (&job.info, ended.fault.as_ref().map(|fault| fault.code.as_str()));
    info!(job = %info.id, trace = %info.trace_id, status = ?ended.status, code, "the job has ended");
    span::record_end(&job.end(), ended);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::cell::Cell;

    use nuncio_core::arcp::{Config, Journaling, RevocationId};

    use super::*;
    use crate::arcp::server::action::Host;

    const NOW: Time = Time(1_700_000_000_000_000);

    /// Counts the hellos that are to be authenticated.
    #[derive(Default)]
    struct Hellos(Cell<usize>);

    impl Host for Hellos {
        fn authenticate(&self, _conn: ConnId, _claim: Claim) {
            self.0.set(self.0.get() + 1);
        }
        fn provision(&self, _job: JobKey, _grant: Grant) {}
        fn revoke(&self, _id: RevocationId, _revocation: Revocation) {}
        fn replay(&self, _replay: Replay) {}
        fn start(&self, _job: Arc<Job>, _parent: Span) {}
        fn drained(&self) {}
    }

    /// With a journal that takes records and never says that they are durable.
    fn state() -> State {
        let mut config = Config::default();
        config.journal = Journaling::Kept;
        State::new(Runtime::new(config, [7; 32], NOW), 0, true, false)
    }

    impl State {
        fn receive(&mut self, conn: ConnId, frame: &str) -> Actions {
            let mut actions = Actions::default();
            self.runtime.handle_frame(NOW, conn, frame.as_bytes());
            self.dispatch(NOW, &mut actions);
            actions
        }

        /// Opens a session, whose welcome waits for the journal.
        fn login(&mut self) -> ConnId {
            let conn = self.open(NOW, Via::Memory, None, Arc::default());
            let hello = r#"{"arcp":"1.1","id":"1","type":"session.hello","payload":{
                "client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t"},"capabilities":{}}}"#;
            let hellos = Hellos::default();
            self.receive(conn, hello).perform(&hellos);
            assert_eq!(hellos.0.get(), 1);
            self.runtime.admit(NOW, conn, "alice").unwrap();
            self.dispatch(NOW, &mut Actions::default());
            assert!(self.gate.held_for_connections() > 0);
            conn
        }
    }

    #[test]
    fn events_about_refused_frames_do_not_wait_for_the_journal() {
        let mut state = state();
        let conn = state.login();
        let before = state.gate.held_for_host();
        for _ in 0..50 {
            let actions = state.receive(conn, r#"{"arcp":"1.1","id":"2","type":"no.such","payload":{}}"#);
            assert_eq!(actions.len(), 1, "the refusal is logged");
        }
        assert_eq!(state.gate.held_for_host(), before);
    }

    /// What one input stores is committed together, whatever else waits: an agent's event and the note about it.
    #[test]
    fn records_do_not_wait_behind_events() {
        let mut state = state();
        state.login();
        assert!(state.gate.held_for_host() > 0, "an event waits for the first session's record");
        assert!(!state.take_records().is_empty());
        state.login();
        assert!(!state.take_records().is_empty(), "the second session's record does not wait with it");
    }

    #[test]
    fn outputs_that_wait_for_a_connection_go_with_it() {
        let mut state = state();
        let conn = state.login();
        state.close(NOW, conn);
        state.dispatch(NOW, &mut Actions::default());
        assert_eq!(state.gate.held_for_connections(), 0);
    }
}
