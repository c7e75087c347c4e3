//! The runtime machine behind one lock, and the order in which its outputs are acted on.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use event_listener::Event as Listeners;
use futures_channel::oneshot;
use nuncio_core::arcp::{ConnId, Event, Fault, JobId, Output, Record, RevocationId, Runtime, Secret, SessionId};
use nuncio_core::budget::Budget;
use nuncio_core::time::Time;
use tracing::Span;

use crate::agent::Registry;
use crate::auth::{Claim, PeerCertificate, Verifier};
use crate::clock::Clock;
use crate::driver::{Io, Spawn};
use crate::job::{Ended, Job};
use crate::journal::{Keeper, Order};
use crate::pipe::{Pipe, lock};
use crate::provision::{Grant, Provisioner};
use crate::sync::{CancellationToken, Signal};

/// What a server's tasks share.
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Connections whose last byte is not out yet.
    connections: AtomicUsize,
    pub(crate) clock: Clock,
    /// The next deadline has come nearer.
    pub(crate) timer: Signal,
    /// Where records are made durable.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// The server is to accept no more connections.
    pub(crate) stopping: CancellationToken,
    /// The server takes no connection at all any more.
    pub(crate) ending: CancellationToken,
    /// The server has ended.
    pub(crate) stopped: CancellationToken,
    /// A connection was removed, or no job is left.
    pub(crate) emptied: Listeners,
    pub(crate) registry: Registry,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) provisioner: Option<Arc<dyn Provisioner>>,
    /// Where agents run.
    pub(crate) agents: Spawn,
    /// Where connections run.
    pub(crate) io: Arc<dyn Io>,
    /// Where verifier and provisioner run.
    pub(crate) hooks: Arc<dyn Io>,
}

/// The machine and what the driver keeps beside it.
pub(crate) struct State {
    pub(crate) runtime: Runtime,
    pub(crate) conns: HashMap<ConnId, Arc<Pipe>>,
    /// Of connections whose other end has shown one.
    pub(crate) certificates: HashMap<ConnId, PeerCertificate>,
    jobs: HashMap<JobId, Arc<Job>>,
    awaited: HashMap<JobId, oneshot::Sender<Ended>>,
    /// Outputs whose records are not durable yet, and everything behind them.
    held: VecDeque<Output>,
    /// How many of them are of each connection, and how many are of none.
    held_conns: HashMap<ConnId, usize>,
    held_events: usize,
    unrecorded: Vec<(u64, Record)>,
    /// The last record that is durable.
    committed: u64,
    /// Whether there is a journal.
    records: bool,
    credentials: bool,
    /// What the timer waits for.
    armed: Time,
    drained: bool,
}

/// What is done once the lock is free again.
pub(crate) enum Effect {
    Wake(Arc<Pipe>),
    Authenticate {
        conn: ConnId,
        claim: Claim,
    },
    Provision {
        job: JobId,
        grant: Box<Grant>,
    },
    Run {
        job: Arc<Job>,
        parent: Span,
    },
    Cancel {
        job: Arc<Job>,
        reason: Option<String>,
    },
    Unblock(Arc<Job>),
    End {
        job: Option<Arc<Job>>,
        awaited: Option<oneshot::Sender<Ended>>,
        ended: Ended,
    },
    Revoke {
        revocation: RevocationId,
        job: nuncio_core::arcp::JobUlid,
        id: String,
        value: Option<Secret>,
        attempt: u32,
    },
    Replay(Order),
    SessionLive {
        session: SessionId,
        principal: Arc<str>,
        resumed: bool,
    },
    SessionDetached(SessionId),
    SessionClosed(SessionId),
    Subscription {
        principal: Arc<str>,
        job: nuncio_core::arcp::JobUlid,
        owner: Arc<str>,
        granted: bool,
    },
    RefusedFrame {
        conn: ConnId,
        fault: Fault,
    },
    Emptied,
}

pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) runtime: Runtime,
    /// The last of its stores that is durable.
    pub(crate) durable: u64,
    pub(crate) keeper: Option<Arc<Keeper>>,
    pub(crate) registry: Registry,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) provisioner: Option<Arc<dyn Provisioner>>,
    pub(crate) agents: Spawn,
    pub(crate) io: Arc<dyn Io>,
    pub(crate) hooks: Arc<dyn Io>,
}

impl Hub {
    pub(crate) fn new(parts: Parts) -> Result<Hub, nuncio_core::arcp::Refused> {
        let mut runtime = parts.runtime;
        for spec in parts.registry.specs() {
            runtime.register(spec)?;
        }
        let state = State {
            runtime,
            conns: HashMap::new(),
            certificates: HashMap::new(),
            jobs: HashMap::new(),
            awaited: HashMap::new(),
            held: VecDeque::new(),
            held_conns: HashMap::new(),
            held_events: 0,
            unrecorded: Vec::new(),
            committed: parts.durable,
            records: parts.keeper.is_some(),
            credentials: parts.provisioner.is_some(),
            armed: Time::MAX,
            drained: false,
        };
        Ok(Hub {
            state: Mutex::new(state),
            connections: AtomicUsize::new(0),
            clock: parts.clock,
            timer: Signal::default(),
            keeper: parts.keeper,
            stopping: CancellationToken::new(),
            ending: CancellationToken::new(),
            stopped: CancellationToken::new(),
            emptied: Listeners::new(),
            registry: parts.registry,
            verifier: parts.verifier,
            provisioner: parts.provisioner,
            agents: parts.agents,
            io: parts.io,
            hooks: parts.hooks,
        })
    }

    /// Runs one input, queues all outputs in the machine's order, frees the lock, then wakes whom they concern.
    pub(crate) fn run<R>(self: &Arc<Self>, input: impl FnOnce(&mut State, Time) -> R) -> R {
        let mut effects = Vec::new();
        let mut state = lock(&self.state);
        let now = self.clock.now();
        let answer = input(&mut state, now);
        state.drain(now, &mut effects);
        let nearer = state.arm();
        let unrecorded = !state.unrecorded.is_empty();
        drop(state);
        if nearer {
            self.timer.notify();
        }
        if let Some(keeper) = self.keeper.as_ref().filter(|_| unrecorded) {
            keeper.commit();
        }
        for effect in effects {
            self.perform(effect);
        }
        answer
    }

    /// Looks without an input.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Runtime) -> R) -> R {
        look(&lock(&self.state).runtime)
    }

    pub(crate) fn connection_begins(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn connection_is_over(&self) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
        self.emptied.notify(usize::MAX);
    }

    /// Waits until no connection is left.
    pub(crate) async fn disconnected(&self) {
        self.until(|| self.connections.load(Ordering::SeqCst) == 0).await;
    }

    /// Waits until no job is left, after the machine was told to shut down.
    pub(crate) async fn drained(&self) {
        self.until(|| lock(&self.state).drained).await;
    }

    async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let emptied = self.emptied.listen();
            if reached() {
                return;
            }
            emptied.await;
        }
    }

    /// The deadline that the timer waits for.
    pub(crate) fn armed(&self) -> Time {
        lock(&self.state).armed
    }

    /// The records to be made durable next, with their numbers.
    pub(crate) fn take_records(&self) -> Vec<(u64, Record)> {
        std::mem::take(&mut lock(&self.state).unrecorded)
    }

    /// Everything up to this record is durable; `again` says that it was not possible for a while.
    pub(crate) fn committed(self: &Arc<Self>, last: u64, again: bool) {
        self.run(|state, now| {
            state.committed = state.committed.max(last);
            state.runtime.handle_stored(now, last);
            if again {
                state.runtime.proceed(now);
            }
        });
    }
}

impl State {
    /// Moves all outputs on, as far as their records are durable. What is for one connection stays in its order.
    fn drain(&mut self, now: Time, effects: &mut Vec<Effect>) {
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
            Output::Send { after, .. } | Output::Event { after, .. } => *after <= self.committed,
            Output::Store { .. } | Output::Reading { .. } | Output::Close { .. } => true,
        }
    }

    fn is_behind_held(&self, output: &Output) -> bool {
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
                effects.push(Effect::Replay(Order::Replay { replay, range, max_events, max_bytes }));
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
    fn arm(&mut self) -> bool {
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
