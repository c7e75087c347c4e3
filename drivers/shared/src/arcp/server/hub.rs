//! The runtime machine behind one lock, and the order in which its outputs are acted on.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use event_listener::Event as Listeners;
use futures_channel::oneshot;
use nuncio_core::arcp::{ConnId, Fault, JobId, Output, Record, RevocationId, Runtime, Secret, SessionId};
use nuncio_core::time::Time;
use nuncio_link::LinkOptions;
use tracing::Span;

use crate::arcp::agent::Registry;
use crate::arcp::agent::job::{Ended, Job};
use crate::arcp::journal::{Keeper, Question};
use crate::arcp::server::provision::{Grant, Provisioner};
use crate::auth::{Claim, PeerCertificate, Verifier};
use crate::io::clock::Clock;
use crate::io::pipe::Pipe;
use crate::io::sync::lock;
use crate::io::sync::{CancellationToken, Signal};
use crate::io::{Io, Spawn};

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
    pub(crate) jobs: HashMap<JobId, Arc<Job>>,
    pub(crate) awaited: HashMap<JobId, oneshot::Sender<Ended>>,
    /// Outputs whose records are not durable yet, and everything behind them.
    pub(crate) held: VecDeque<Output>,
    /// How many of them are of each connection, and how many are of none.
    pub(crate) held_conns: HashMap<ConnId, usize>,
    pub(crate) held_events: usize,
    pub(crate) unrecorded: Vec<(u64, Record)>,
    /// The last record that is durable.
    pub(crate) committed: u64,
    /// Whether there is a journal.
    pub(crate) records: bool,
    pub(crate) credentials: bool,
    /// What the timer waits for.
    pub(crate) armed: Time,
    pub(crate) drained: bool,
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
        id: Option<String>,
        value: Option<Secret>,
        attempt: u32,
    },
    Replay(Question),
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
        let (records, credentials) = (parts.keeper.is_some(), parts.provisioner.is_some());
        let state = State::new(runtime, parts.durable, records, credentials);
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

    /// Returns the limits of the server's links.
    pub(crate) fn link_options(&self) -> LinkOptions {
        LinkOptions { max_message: self.look(|runtime| runtime.config().limits.frame_bytes) }
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
