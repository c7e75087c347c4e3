//! What the tasks of a server share: the machine behind one lock, and the signals around it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use event_listener::Event as Listeners;
use futures_lite::future::or;
use nuncio_core::arcp::{Record, Runtime};
use nuncio_core::time::Time;
use nuncio_link::LinkOptions;
use tracing::{Span, warn};

use super::action::{Actions, Host};
use super::dispatch::State;
use super::provision::DynProvisioner;
use super::shutdown::Shutdown;
use crate::arcp::agent::job::Job;
use crate::arcp::journal::{JournalError, Orders};
use crate::auth::BoxVerifier;
use crate::io::clock::{Clock, TICK, monotonic};
use crate::io::sync::{CancellationToken, Signal, Turnstile};
use crate::io::{Io, descriptors};

/// Units of work that hold the machine for about a fifth of a millisecond; see
/// [`Limits::turn_work`](nuncio_core::arcp::Limits::turn_work).
const LONG: u64 = 10_000;

/// What the tasks of a server share.
pub(crate) struct Hub {
    state: Turnstile<State>,
    clock: Clock,
    pub(super) parts: Parts,
    /// The number of listening sockets, and of connections whose last byte has not been written yet.
    sockets: AtomicUsize,
    /// The number of sockets that leaves descriptors to agents and the journal.
    max_sockets: usize,
    /// The machine's next deadline is earlier than the timer thinks.
    timer: Signal,
    /// A socket was closed, or no job is left.
    emptied: Listeners,
    /// Cancelled when a shutdown begins.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the server accepts no more connections, after the drain of a shutdown.
    pub(super) ending: CancellationToken,
    /// What came of the first shutdown whose drain was over.
    pub(super) outcome: OnceLock<Shutdown>,
    /// Cancelled when the server has ended.
    pub(super) stopped: CancellationToken,
    /// Cancelled when the journal is lost for good, after `lost_by` was set.
    pub(super) lost: CancellationToken,
    pub(super) lost_by: OnceLock<JournalError>,
}

/// What a server was given.
pub(super) struct Parts {
    pub(super) verifier: BoxVerifier,
    pub(super) provisioner: Option<Arc<dyn DynProvisioner>>,
    pub(super) agents: Box<dyn Agents>,
    /// The orders of the journal's thread, if there is a journal.
    pub(super) journal: Option<Arc<Orders>>,
    /// The thread of connections and timers.
    pub(super) io: Arc<dyn Io>,
    /// The thread of the verifier and the provisioner.
    pub(super) hooks: Arc<dyn Io>,
}

/// Starts the agents of jobs. Agents know the hub; the hub knows no more of agents than this.
pub(crate) trait Agents: Send + Sync {
    /// Starts the agent of a job, in a span below `parent`.
    fn start(&self, hub: &Arc<Hub>, job: &Arc<Job>, parent: &Span);
}

impl Hub {
    /// `durable` is the number of the machine's last record that is durable.
    pub(super) fn new(clock: Clock, runtime: Runtime, durable: u64, parts: Parts) -> Hub {
        let mut state = State::new(runtime, durable, parts.journal.is_some(), parts.provisioner.is_some());
        state.begin_clock(clock.read());
        Hub {
            state: Turnstile::new(state),
            clock,
            parts,
            sockets: AtomicUsize::new(0),
            max_sockets: descriptors::for_sockets(),
            timer: Signal::default(),
            emptied: Listeners::new(),
            stopping: CancellationToken::new(),
            ending: CancellationToken::new(),
            outcome: OnceLock::new(),
            stopped: CancellationToken::new(),
            lost: CancellationToken::new(),
            lost_by: OnceLock::new(),
        }
    }

    /// Gives the machine one input, dispatches all its outputs in their order, and acts on them once the lock is free. After
    /// much work, another thread that waits for the machine has it before this one has it again.
    pub(crate) fn run<R>(self: &Arc<Self>, input: impl FnOnce(&mut State, Time) -> R) -> R {
        let mut actions = Actions::default();
        let mut state = self.state.lock();
        let now = state.read_clock(self.clock.read(), &mut actions);
        let before = state.runtime.work_done();
        let answer = input(&mut state, now);
        state.dispatch(now, &mut actions);
        let earlier = state.arm();
        let records = state.has_records();
        let is_long = state.runtime.work_done() - before >= LONG;
        drop(state);
        if is_long {
            self.state.give_way();
        }
        if earlier {
            self.timer.notify();
        }
        if let Some(journal) = self.parts.journal.as_ref().filter(|_| records) {
            journal.commit();
        }
        actions.perform(self as &dyn Host);
        answer
    }

    /// Reads from the machine without an input.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Runtime) -> R) -> R {
        look(&self.state.lock().runtime)
    }

    /// Returns the time until a deadline of the machine; zero if it has passed.
    pub(crate) fn until(&self, deadline: Time) -> Duration {
        self.clock.until(deadline)
    }

    /// Returns what the wall clock will show at a deadline of the machine.
    pub(crate) fn wall_at(&self, deadline: Time) -> Time {
        self.state.lock().wall_at(deadline)
    }

    /// Returns the thread of connections and timers.
    pub(crate) fn io(&self) -> &dyn Io {
        &*self.parts.io
    }

    /// Returns the limits of the server's links.
    pub(super) fn link_options(&self) -> LinkOptions {
        LinkOptions { max_message: self.look(|runtime| runtime.config().limits.frame_bytes) }
    }

    /// Takes the records to be made durable next, with their numbers.
    pub(crate) fn take_records(&self) -> Vec<(u64, Record)> {
        self.state.lock().take_records()
    }

    /// Notes that all records up to this one are durable. `again` says that commits failed before.
    pub(crate) fn committed(self: &Arc<Self>, seq: u64, again: bool) {
        self.run(|state, now| {
            if again {
                state.store_works(now);
            }
            state.committed(now, seq);
        });
    }

    /// Notes that the journal is never written again: every session is told so, and the server ends.
    pub(crate) fn lose_journal(self: &Arc<Self>, error: JournalError) {
        // The first error is the cause.
        drop(self.lost_by.set(error));
        self.run(State::lose_journal);
        self.lost.cancel();
    }

    /// Refuses new work while a commit takes too long.
    fn watch_journal(self: &Arc<Self>) {
        let Some(journal) = &self.parts.journal else { return };
        let begins = self.run(|state, now| {
            // While the machine is locked, so that the commit cannot end between the two: it would be failing for ever.
            let hangs = journal.health.hangs();
            if hangs {
                state.store_fails(now);
            }
            hangs
        });
        if begins {
            warn!("the journal takes too long to write; new work is refused until it is written");
        }
    }

    /// Whether another connection may be accepted without taking from the descriptors of agents and the journal.
    pub(super) fn has_sockets(&self) -> bool {
        self.sockets.load(Ordering::SeqCst) < self.max_sockets
    }

    /// Whether sockets may be kept for a while after their connections have ended.
    pub(super) fn has_spare_sockets(&self) -> bool {
        self.sockets.load(Ordering::SeqCst) < self.max_sockets / 2
    }

    /// Counts a connection or a listening socket.
    pub(super) fn socket_opened(&self) {
        self.sockets.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends the count of a connection or a listening socket.
    pub(super) fn socket_closed(&self) {
        self.sockets.fetch_sub(1, Ordering::SeqCst);
        self.emptied.notify(usize::MAX);
    }

    /// Waits until no connection and no listening socket is left.
    pub(super) async fn disconnected(&self) {
        self.emptied_until(|| self.sockets.load(Ordering::SeqCst) == 0).await;
    }

    /// Waits until no job is left, after the machine was told to shut down.
    pub(super) async fn drained(&self) {
        self.emptied_until(|| self.state.lock().is_drained()).await;
    }

    /// Checks the drained state anew in [`drained`](Hub::drained).
    pub(super) fn notify_drained(&self) {
        self.emptied.notify(usize::MAX);
    }

    async fn emptied_until(&self, reached: impl Fn() -> bool) {
        loop {
            let emptied = self.emptied.listen();
            if reached() {
                return;
            }
            emptied.await;
        }
    }

    /// Hands the machine its deadlines, until the server has ended.
    pub(super) async fn keep_time(self: Arc<Self>) {
        while !self.stopped.is_cancelled() {
            // A server without deadlines notices that the wall clock was set, too.
            let due = self.clock.instant(self.state.lock().armed()).min(monotonic() + TICK);
            let expired = async {
                self.parts.io.sleep_until(due).await;
                true
            };
            let changed = async {
                or(self.stopped.cancelled(), self.timer.notified()).await;
                false
            };
            if or(changed, expired).await {
                self.run(State::expire);
                self.watch_journal();
            }
        }
    }
}
