//! The thread a journal lives on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nuncio_core::arcp::{ReplayId, ReplayRange};
use tracing::{info, warn};

use super::{Journal, JournalError};
use crate::hub::Hub;
use crate::sync::Watch;

/// After a tending so many times as long passes without, whether there is something else to do or not.
const TENDING_REST: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What the thread is told.
pub(crate) enum Order {
    /// Records wait.
    Commit,
    /// Events are to be read back.
    Replay { replay: ReplayId, range: ReplayRange, max_events: usize, max_bytes: usize },
    /// The server has ended: what waits is committed, then no more.
    Stop,
}

/// A hub's end of the thread.
pub(crate) struct Keeper {
    orders: Sender<Order>,
    /// It was told of the records that wait.
    told: AtomicBool,
    ended: Watch<bool>,
}

impl Keeper {
    pub(crate) fn new() -> (Keeper, Receiver<Order>) {
        let (orders, received) = channel();
        (Keeper { orders, told: AtomicBool::new(false), ended: Watch::new(false) }, received)
    }

    pub(crate) fn commit(&self) {
        if !self.told.swap(true, Ordering::SeqCst) {
            self.order(Order::Commit);
        }
    }

    pub(crate) fn order(&self, order: Order) {
        // A thread that has ended takes no orders: its hub has, too.
        let _ended = self.orders.send(order);
    }

    pub(crate) async fn ended(&self) {
        self.ended.wait(|ended| ended.then_some(())).await;
    }
}

/// Carries out the orders of a hub until it stops.
pub(crate) fn keep(hub: &Arc<Hub>, keeper: &Keeper, mut journal: Box<dyn Journal>, orders: &Receiver<Order>) {
    let mut keeping =
        Keeping { hub, keeper, journal: &mut *journal, orders, stopped: false, pause: FIRST_PAUSE, tend_at: None };
    keeping.work();
    // The file is closed before anybody may think so.
    drop(journal);
    keeper.ended.set(true);
}

struct Keeping<'a> {
    hub: &'a Arc<Hub>,
    keeper: &'a Keeper,
    journal: &'a mut dyn Journal,
    orders: &'a Receiver<Order>,
    stopped: bool,
    pause: Duration,
    tend_at: Option<Instant>,
}

impl Keeping<'_> {
    fn work(&mut self) {
        while !self.stopped {
            let order = match self.tend_at {
                Some(at) => self.orders.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Commit) => {
                    self.keeper.told.store(false, Ordering::SeqCst);
                    self.commit();
                    self.tend_at.get_or_insert_with(Instant::now);
                }
                Ok(Order::Replay { replay, range, max_events, max_bytes }) => {
                    self.replay(replay, &range, max_events, max_bytes);
                }
                Ok(Order::Stop) => self.stopped = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.tend_at.is_some_and(|at| at <= Instant::now()) {
                self.tend();
            }
        }
        self.commit();
    }

    /// Everything that waits is one transaction. Until it succeeds there is no new work.
    fn commit(&mut self) {
        let mut records = self.hub.take_records();
        let mut failed = false;
        loop {
            let Some(last) = records.last().map(|(seq, _)| *seq) else { return };
            match caught(|| self.journal.commit(&records)) {
                Ok(()) => {
                    self.pause = FIRST_PAUSE;
                    if failed {
                        info!("the journal can be written again");
                    }
                    self.hub.committed(last, failed);
                    return;
                }
                Err(error) => {
                    if !failed {
                        self.hub.run(|state, now| state.runtime.pause(now));
                        warn!(%error, "the journal cannot be written: no new work is taken, and what depends on it waits");
                    }
                    failed = true;
                    if self.stopped {
                        warn!(records = records.len(), "the server ends with records that could not be written");
                        return;
                    }
                    self.wait();
                    records.extend(self.hub.take_records());
                }
            }
        }
    }

    /// Lets a moment pass before the next try, and answers what can be answered meanwhile.
    fn wait(&mut self) {
        let until = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        while !self.stopped {
            match self.orders.recv_timeout(until.saturating_duration_since(Instant::now())) {
                // They are taken with the next try.
                Ok(Order::Commit) => self.keeper.told.store(false, Ordering::SeqCst),
                Ok(Order::Replay { replay, range, max_events, max_bytes }) => {
                    self.replay(replay, &range, max_events, max_bytes);
                }
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => self.stopped = true,
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
    }

    fn replay(&mut self, replay: ReplayId, range: &ReplayRange, max_events: usize, max_bytes: usize) {
        let read = caught(|| self.journal.replay(range, max_events, max_bytes));
        if let Err(error) = &read {
            warn!(%error, "the journal cannot be read");
        }
        // Refused is an answer that came too late.
        drop(self.hub.run(|state, now| match read {
            Ok(read) => state.runtime.replay(now, replay, &read.records, read.truncated),
            Err(_) => state.runtime.replay_failed(now, replay),
        }));
    }

    fn tend(&mut self) {
        let began = Instant::now();
        let more = caught(|| self.journal.tend()).unwrap_or_else(|error| {
            warn!(%error, "the journal could not be tidied up");
            false
        });
        self.tend_at = more.then(|| Instant::now() + began.elapsed() * TENDING_REST);
    }
}

/// A panic is a failure, too: what waits for the journal must not wait for a thread that is gone.
fn caught<T>(work: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(JournalError::Io("the journal panicked".to_owned())))
}
