//! The thread a journal lives on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use nuncio_core::arcp::{ReplayId, ReplayRange};
use tracing::{info, warn};

use super::{Journal, JournalError};
use crate::hub::Hub;
use crate::sync::Watch;

/// Commits in a row after which the journal is tended even if more wait.
const COMMITS_PER_TENDING: u32 = 64;
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
    let mut keeping = Keeping { hub, keeper, journal: &mut *journal, orders, stopped: false, pause: FIRST_PAUSE };
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
}

impl Keeping<'_> {
    fn work(&mut self) {
        let mut tending = false;
        let mut commits = 0;
        while !self.stopped {
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if tending => {
                    tending = self.tend();
                    continue;
                }
                Err(TryRecvError::Empty) => match self.orders.recv() {
                    Ok(order) => order,
                    Err(_) => return,
                },
            };
            match order {
                Order::Commit => {
                    self.keeper.told.store(false, Ordering::SeqCst);
                    self.commit();
                    commits += 1;
                    tending = true;
                    if commits % COMMITS_PER_TENDING == 0 {
                        tending = self.tend();
                    }
                }
                Order::Replay { replay, range, max_events, max_bytes } => {
                    self.replay(replay, &range, max_events, max_bytes);
                }
                Order::Stop => self.stopped = true,
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
                        warn!(%error, "the journal cannot be written: no new work is taken, and what depends on it waits");
                        self.hub.run(|state, now| state.runtime.pause(now));
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

    fn tend(&mut self) -> bool {
        match caught(|| self.journal.tend()) {
            Ok(more) => more,
            Err(error) => {
                warn!(%error, "the journal could not be tidied up");
                false
            }
        }
    }
}

/// A panic is a failure, too: what waits for the journal must not wait for a thread that is gone.
fn caught<T>(work: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(JournalError::Io("the journal panicked".to_owned())))
}
