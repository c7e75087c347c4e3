//! The runtime machine and what belongs to it, and the way of every output from the machine to an action.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_channel::oneshot;
use nuncio_core::arcp::{ConnId, Event, Fault, Handover, JobKey, Output, Record, Refused, Runtime, Via};
use nuncio_core::budget::Budget;
use nuncio_core::time::Time;
use tracing::field::display;
use tracing::{Span, info};

use super::action::Actions;
use super::conns::Conns;
use super::gate::Gate;
use super::guests::Guests;
use super::log::{self, LoggedJob, Refusal};
use super::peers::{Peer, Peers};
use super::provision::{Grant, Revocation};
use crate::arcp::agent::job::{Attachment, EVENTS_AT_ONCE, Ended, Job};
use crate::arcp::agent::span;
use crate::arcp::journal::Replay;
use crate::auth::{Claim, Explanation};
use crate::io::Complaints;
use crate::io::clock::{Reading, WallClock};
use crate::io::lane::Lanes;
use crate::io::pipe::Pipe;

/// Refusals that are logged in a second, of all peers together.
const REFUSALS_PER_SECOND: u32 = 20;

/// What the lock of a server guards: the machine, and a table for each kind of thing that its outputs name.
pub(crate) struct State {
    /// The machine. Its outputs are dispatched after each input.
    pub(crate) runtime: Runtime,
    gate: Gate,
    pub(super) guests: Guests,
    pub(super) conns: Conns,
    pub(super) peers: Peers,
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
    /// The lines about refusals, which peers cause.
    complaints: Complaints,
    /// What the machine was told of the wall clock.
    wall: WallClock,
    /// The deadline that the timer waits for.
    armed: Time,
    drained: bool,
}

/// A connection on its way to another shard.
pub(super) struct Leaving {
    pub(super) handover: Handover,
    pub(super) pipe: Arc<Pipe>,
    pub(super) peer: Peer,
}

impl State {
    /// `durable` is the number of the machine's last record that is durable; `None` without a journal.
    pub(super) fn new(runtime: Runtime, durable: Option<u64>, has_provisioner: bool, guests: Guests) -> State {
        State {
            lanes: Lanes::new(runtime.config().limits.turn_work),
            agent_lanes: Lanes::new(EVENTS_AT_ONCE),
            runtime,
            gate: Gate::new(durable.unwrap_or(0)),
            guests,
            conns: Conns::default(),
            peers: Peers::default(),
            jobs: HashMap::new(),
            awaited: HashMap::new(),
            attachments: HashMap::new(),
            unrecorded: durable.map(|_| Vec::new()),
            is_journal_lost: false,
            credentials: has_provisioner,
            complaints: Complaints::new(REFUSALS_PER_SECOND),
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

    /// Returns what the machine was told of the wall clock.
    pub(super) fn wall(&self) -> WallClock {
        self.wall
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
    pub(super) fn open(&mut self, now: Time, via: Via, address: Option<IpAddr>, peer: Peer, pipe: Arc<Pipe>) -> ConnId {
        let conn = match address {
            Some(address) => self.runtime.handle_open_from(now, via, address),
            None => self.runtime.handle_open(now, via),
        };
        self.take_in(conn, peer, pipe);
        conn
    }

    /// Notes where the frames of a connection go that the machine has.
    pub(super) fn take_in(&mut self, conn: ConnId, peer: Peer, pipe: Arc<Pipe>) {
        self.conns.insert(conn, pipe);
        self.peers.connected(conn, peer);
    }

    /// Removes a connection whose hello waits for its answer, to move it to another shard.
    pub(super) fn leave(&mut self, now: Time, conn: ConnId) -> Result<Leaving, Refused> {
        let handover = self.runtime.hand_over(now, conn)?;
        let known = self.conns.pipe(conn).cloned().zip(self.peers.of_conn(conn));
        self.forget(conn);
        let (pipe, peer) = known.ok_or(Refused::Stale)?;
        Ok(Leaving { handover, pipe, peer })
    }

    /// Removes a connection that has ended.
    pub(super) fn close(&mut self, now: Time, conn: ConnId) {
        self.runtime.handle_close(now, conn);
        self.forget(conn);
    }

    fn forget(&mut self, conn: ConnId) {
        self.conns.remove(conn);
        self.peers.disconnected(conn);
        self.gate.discard(conn);
    }

    /// Returns how many lines about refusals were left out since the last one, if there may be another one now.
    pub(super) fn complain(&mut self) -> Option<u64> {
        self.complaints.next()
    }

    /// Returns what is logged of a job; `None` if that is not logged.
    fn logged(&self, job: JobKey) -> Option<LoggedJob> {
        if !LoggedJob::is_wanted() {
            return None;
        }
        let view = self.runtime.job(job)?;
        let parent = view.parent.and_then(|parent| self.runtime.job(parent)).map(|parent| parent.id);
        Some(LoggedJob::new(&view, parent, view.session.and_then(|session| self.peers.of_session(session))))
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
            Output::Send { conn, frame, .. } if self.guests.has(conn) => self.guests.tell(conn, frame, actions),
            Output::Close { conn, .. } if self.guests.has(conn) => self.guests.lose(conn, actions),
            Output::Send { conn, frame, .. } => self.tell(conn, actions, |pipe| pipe.push(frame)),
            Output::Reading { conn } => self.tell(conn, actions, Pipe::read_on),
            Output::Close { conn, code, reason } => self.tell(conn, actions, |pipe| pipe.close(code, reason)),
            Output::Event { event, .. } => self.event(now, event, actions),
        }
    }

    fn tell(&self, conn: ConnId, actions: &mut Actions, tell: impl FnOnce(&Pipe)) {
        if let Some(pipe) = self.conns.pipe(conn) {
            tell(pipe);
            actions.wake(pipe);
        }
    }

    fn tell_job(&self, job: JobKey, actions: &mut Actions, tell: impl FnOnce(&Job) + 'static) {
        if let Some(job) = self.jobs.get(&job).cloned() {
            actions.push(move |_| tell(&job));
        }
    }

    /// Changes the tables as an event says, and has the rest done once the lock is free: logging too, since a subscriber
    /// may write to a file.
    fn event(&mut self, now: Time, event: Event, actions: &mut Actions) {
        match event {
            Event::Authenticate { conn, token, client } => {
                let certificate = self.conns.certificate(conn).cloned();
                let claim = Claim { token, client, certificate, explanation: Explanation::default() };
                actions.push(move |host| host.authenticate(conn, claim));
            }
            Event::Locate { conn, resumed } => actions.push(move |host| host.locate(conn, resumed)),
            Event::Relay { .. } | Event::RelayTaken { .. } | Event::GuestLeft { .. } => {
                self.guests.post(&event, actions);
            }
            Event::SlotWanted { agent } => actions.push(move |host| host.want_slot(&agent)),
            Event::SlotFreed { agent } => actions.push(move |host| host.free_slot(&agent)),
            Event::SessionLive { session, conn, principal, dialect, resumed } => {
                self.peers.live(session, conn);
                let peer = self.peers.of_conn(conn);
                actions.push(move |_| {
                    let (principal, peer) = (&*principal, peer.map(display));
                    info!(%session, principal, %dialect, resumed, peer, "the session is live");
                });
            }
            Event::SessionDetached { session, goodbye } => {
                let peer = self.peers.detached(session);
                actions.push(move |_| log::detached(session, peer, goodbye));
            }
            Event::SessionClosed { session } => {
                self.peers.detached(session);
                actions.push(move |_| info!(%session, "the session is closed"));
            }
            Event::Submitted { job, credentials } => {
                if let Some(logged) = self.logged(job) {
                    actions.push(move |_| logged.submitted());
                }
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
                    actions.start(job, parent);
                }
            }
            Event::Cancel { job, reason, .. } => {
                let session = self.runtime.job(job).and_then(|view| view.session);
                let peer = session.and_then(|session| self.peers.of_session(session));
                self.tell_job(job, actions, move |job| {
                    info!(job = %job.info.id, peer = peer.map(display), "the job is being cancelled");
                    job.cancel(reason);
                });
            }
            Event::Unblocked { job } => self.tell_job(job, actions, Job::unblock),
            Event::Answered { job, question, answer } => {
                self.tell_job(job, actions, move |job| {
                    info!(job = %job.info.id, question = format!("q{}", question.0), by = answer.by(), "a question has ended");
                    job.answered(question, &answer);
                });
            }
            Event::Noted { job, number } => self.tell_job(job, actions, move |job| job.noted(number)),
            Event::Ended { job: key, status, fault, result } => {
                let budget = self.runtime.job(key).and_then(|view| view.budget.map(Budget::to_json_numbers));
                let ended = Ended { status, fault, result, budget };
                self.ended(now, key, ended, actions);
            }
            Event::Left { job } => self.left(job, actions),
            Event::Revoke { revocation, job, id, value, attempt } => {
                actions.push(move |host| host.revoke(revocation, Revocation { job: job.into(), id, value, attempt }));
            }
            Event::Replay { replay, range, max_events, max_bytes } => {
                actions.push(move |host| host.replay(Replay { id: replay, range, max_events, max_bytes }));
            }
            Event::Status { request } => actions.push(move |host| host.tell_status(request)),
            Event::Subscription { principal, job, owner, granted } => {
                let what = if granted { "a client follows a job" } else { "a client may not follow a job" };
                actions.push(move |_| info!(principal = &*principal, %job, owner = &*owner, "{what}"));
            }
            Event::RefusedFrame { conn, code, message } => {
                self.refused(conn, Fault::new(code, message), actions);
            }
            Event::Drained => {
                self.drained = true;
                actions.push(|host| host.drained());
            }
        }
    }

    /// Removes a job that has ended, and has its agent and the parent that waits for it told.
    fn ended(&mut self, now: Time, key: JobKey, ended: Ended, actions: &mut Actions) {
        let (job, awaited) = (self.jobs.remove(&key), self.awaited.remove(&key));
        let attachment = self.attachments.remove(&key);
        let (logged, wall) = (self.logged(key), self.wall_at(now));
        actions.push(move |_| {
            drop(attachment);
            if let Some(logged) = logged {
                logged.ended(&ended, wall);
            }
            if let Some(job) = job {
                span::record_end(&job.end(), &ended);
            }
            if let Some(awaited) = awaited {
                // The receiver is gone if the parent no longer waits.
                drop(awaited.send(ended));
            }
        });
    }

    /// Removes a job that is left to the next start, and has its agent told.
    fn left(&mut self, key: JobKey, actions: &mut Actions) {
        if let Some(job) = self.jobs.remove(&key) {
            actions.push(move |_| {
                let info = &job.info;
                info!(job = %info.id, trace = %info.trace_id, "the job is left to the next start");
                job.leave();
            });
        }
    }

    /// Has a refusal logged.
    fn refused(&mut self, conn: ConnId, fault: Fault, actions: &mut Actions) {
        let refusal = Refusal {
            peer: self.peers.of_conn(conn),
            principal: self.runtime.principal_of(conn).cloned(),
            fault,
            claim: self.peers.take_refused(conn),
            missed: self.complain(),
        };
        actions.push(move |_| refusal.log());
    }

    /// Returns the span of the agent that has delegated a job, or an empty one if a client has submitted it.
    fn delegating_span(&self, job: JobKey, parent: Option<JobKey>) -> Span {
        let parent = parent.filter(|_| self.awaited.contains_key(&job)).and_then(|parent| self.jobs.get(&parent));
        parent.map_or_else(Span::none, |parent| parent.span())
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests;
