//! What the tasks of a shard share: the machine behind one lock, and the signals around it.

use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::{or, yield_now};
use nuncio_core::arcp::{ConnId, Record, Refused, Resumed, Runtime};
use nuncio_core::time::Time;
use nuncio_link::LinkOptions;
use tracing::{Span, warn};

use super::action::{Actions, Host};
use super::dispatch::State;
use super::guests::Guests;
use super::life::Life;
use super::post::Post;
use super::provision::DynProvisioner;
use super::relocation::Relocation;
use super::status::PoolSource;
use crate::arcp::agent::job::Job;
use crate::arcp::journal::{JournalError, Orders};
use crate::auth::BoxVerifier;
use crate::io::Io;
use crate::io::clock::{Clock, TICK, monotonic};
use crate::io::sync::{Signal, Turnstile};

/// Units of work that hold the machine for about a fifth of a millisecond; see
/// [`Limits::turn_work`](nuncio_core::arcp::Limits::turn_work).
const LONG: u64 = 10_000;

/// What the tasks of a shard share.
pub(crate) struct Hub {
    state: Turnstile<State>,
    clock: Clock,
    pub(super) parts: Parts,
    /// The machine's next deadline is earlier than the timer thinks.
    timer: Signal,
    /// Its number among the shards of the server, from 0 on.
    shard: u32,
    pub(super) siblings: Arc<dyn Siblings>,
    post: Arc<Post>,
    pub(super) life: Arc<Life>,
}

/// The place of a shard in its server.
pub(super) struct Place {
    pub(super) shard: u32,
    pub(super) siblings: Arc<dyn Siblings>,
    pub(super) post: Arc<Post>,
    pub(super) life: Arc<Life>,
}

/// What a shard was given. The verifier, the provisioner, the agents and the thread of hooks are those of the server.
pub(super) struct Parts {
    pub(super) verifier: BoxVerifier,
    pub(super) provisioner: Option<Arc<dyn DynProvisioner>>,
    pub(super) agents: Arc<dyn Agents>,
    /// The pools of workers that agents hand their jobs to.
    pub(super) pools: Arc<[Arc<dyn PoolSource>]>,
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

/// All shards of a server. They know the hub; the hub knows no more of them than this.
pub(super) trait Siblings: Send + Sync {
    /// Notes a connection that begins here, and returns where it will be noted that it has moved; `None` if it cannot move.
    fn begins(&self, conn: ConnId) -> Option<Arc<Relocation<Hub>>>;

    /// Notes that a connection which has begun here has ended.
    fn ends(&self, conn: ConnId);

    /// Lets a principal in: here, or in the shard that has its sessions.
    fn admit(&self, here: &Arc<Hub>, conn: ConnId, principal: &str) -> Result<(), Refused>;

    /// Finds the session that a connection resumes by its token alone.
    fn locate(&self, here: &Arc<Hub>, conn: ConnId, resumed: &Resumed);

    /// Lends a slot of an agent to a shard, as soon as one is free.
    fn lend(&self, here: &Arc<Hub>, agent: &str);

    /// Returns all shards, in their order, which are `here` alone while the server begins.
    fn all(&self, here: &Arc<Hub>) -> Vec<Arc<Hub>>;

    /// Takes a slot back, and lends it to the shard that has waited the longest.
    fn give_back(&self, agent: &str);
}

impl Hub {
    /// `durable` is the number of the machine's last record that is durable.
    pub(super) fn new(clock: Clock, runtime: Runtime, durable: u64, parts: Parts, place: Place) -> Hub {
        let Place { shard, siblings, post, life } = place;
        let durable = parts.journal.is_some().then_some(durable);
        let guests = Guests::new(shard, Arc::clone(&post));
        let mut state = State::new(runtime, durable, parts.provisioner.is_some(), guests);
        state.begin_clock(clock.read());
        Hub { state: Turnstile::new(state), clock, parts, timer: Signal::default(), shard, siblings, post, life }
    }

    /// Returns its number among the shards of the server, from 0 on.
    pub(super) fn shard(&self) -> u32 {
        self.shard
    }

    /// Gives the machine one input, dispatches all its outputs in their order, and acts on them once the lock is free. After
    /// much work, another thread that waits for the machine has it before this one has it again.
    pub(crate) fn run<R>(self: &Arc<Self>, input: impl FnOnce(&mut State, Time) -> R) -> R {
        let mut actions = Actions::default();
        let mut state = self.state.lock();
        let reading = self.clock.follow(state.wall());
        let now = state.read_clock(reading, &mut actions);
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
        drop(self.life.lost_by.set(error));
        self.run(State::lose_journal);
        self.life.lost.cancel();
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

    /// Whether no job is left, after the machine was told to shut down.
    pub(super) fn is_drained(&self) -> bool {
        self.state.lock().is_drained()
    }

    /// Hands the machine what other shards send, until the server has ended.
    pub(super) async fn read_post(self: Arc<Self>) {
        while !self.life.stopped.is_cancelled() {
            or(self.life.stopped.cancelled(), self.post.arrived(self.shard)).await;
            while self.run(|state, now| state.guests.read_post(&mut state.runtime, now)) {
                yield_now().await;
            }
        }
    }

    /// Hands the machine its deadlines, until the server has ended.
    pub(super) async fn keep_time(self: Arc<Self>) {
        while !self.life.stopped.is_cancelled() {
            // A server without deadlines notices that the wall clock was set, too.
            let due = self.clock.instant(self.state.lock().armed()).min(monotonic() + TICK);
            let expired = async {
                self.parts.io.sleep_until(due).await;
                true
            };
            let changed = async {
                or(self.life.stopped.cancelled(), self.timer.notified()).await;
                false
            };
            if or(changed, expired).await {
                self.run(State::expire);
                self.watch_journal();
            }
        }
    }
}
