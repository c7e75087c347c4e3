//! The thread a journal lives on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nuncio_core::arcp::{ReplayId, ReplayRange};
use tracing::{info, warn};

use super::{Journal, JournalError};
use crate::arcp::server::hub::Hub;
use crate::io::sync::Watch;

/// After a tending so many times as long passes without, whether there is something else to do or not.
const TENDING_REST: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What the thread is told.
pub(crate) enum Order {
    /// Records wait.
    Commit,
    /// Events are to be read back.
    Replay(Question),
    /// The server has ended: what waits is committed, then no more.
    Stop,
}

/// Which events are to be read back.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) replay: ReplayId,
    pub(crate) range: ReplayRange,
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
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
    let todo = Todo::new(keeper, orders);
    let mut keeping = Keeping { hub, journal: &mut *journal, todo, pause: FIRST_PAUSE, tend_at: None };
    keeping.work();
    // The file is closed before anybody may think so.
    drop(journal);
    keeper.ended.set(true);
}

/// What the thread was told and has not done.
struct Todo<'a> {
    keeper: &'a Keeper,
    orders: &'a Receiver<Order>,
    records: bool,
    questions: VecDeque<Question>,
    /// The last task was a commit: it is a question's turn.
    committed: bool,
    stopped: bool,
}

impl<'a> Todo<'a> {
    fn new(keeper: &'a Keeper, orders: &'a Receiver<Order>) -> Todo<'a> {
        Todo { keeper, orders, records: false, questions: VecDeque::new(), committed: false, stopped: false }
    }
}

/// What is done next.
#[derive(Debug)]
enum Task {
    Commit,
    Replay(Question),
    Nothing,
}

impl Todo<'_> {
    /// Waits until there is something to do, but no longer than until then. However many have asked for events, records
    /// wait for one of them at most.
    fn next(&mut self, until: Option<Instant>) -> Task {
        if !self.records && self.questions.is_empty() && !self.stopped {
            self.listen(until);
        }
        while let Ok(order) = self.orders.try_recv() {
            self.note(order);
        }
        let turn = self.committed && !self.questions.is_empty();
        self.committed = self.records && !turn;
        if self.committed {
            self.records = false;
            return Task::Commit;
        }
        self.questions.pop_front().map_or(Task::Nothing, Task::Replay)
    }

    fn listen(&mut self, until: Option<Instant>) {
        let order = match until {
            Some(at) => self.orders.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match order {
            Ok(order) => self.note(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.stopped = true,
        }
    }

    fn note(&mut self, order: Order) {
        match order {
            Order::Commit => {
                self.keeper.told.store(false, Ordering::SeqCst);
                self.records = true;
            }
            Order::Replay(question) => self.questions.push_back(question),
            Order::Stop => self.stopped = true,
        }
    }
}

struct Keeping<'a> {
    hub: &'a Arc<Hub>,
    journal: &'a mut dyn Journal,
    todo: Todo<'a>,
    pause: Duration,
    tend_at: Option<Instant>,
}

impl Keeping<'_> {
    fn work(&mut self) {
        while !self.todo.stopped {
            match self.todo.next(self.tend_at) {
                Task::Commit => {
                    self.commit();
                    self.tend_at.get_or_insert_with(Instant::now);
                }
                Task::Replay(question) => self.replay(&question),
                Task::Nothing => {}
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
                    if self.todo.stopped {
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
        while !self.todo.stopped && Instant::now() < until {
            match self.todo.next(Some(until)) {
                Task::Replay(question) => self.replay(&question),
                // New records are taken with the next try.
                Task::Commit | Task::Nothing => {}
            }
        }
    }

    fn replay(&mut self, question: &Question) {
        let Question { replay, range, max_events, max_bytes } = question;
        // One that was too late is not asked any more, and reading costs time.
        if !self.hub.look(|runtime| runtime.asks(*replay)) {
            return;
        }
        let read = caught(|| self.journal.replay(range, *max_events, *max_bytes));
        if let Err(error) = &read {
            warn!(%error, "the journal cannot be read");
        }
        // Refused is an answer that came too late.
        drop(self.hub.run(|state, now| match read {
            Ok(read) => state.runtime.replay(now, *replay, &read.records, read.truncated),
            Err(_) => state.runtime.replay_failed(now, *replay),
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::arcp::SessionId;

    use super::*;

    #[test]
    fn records_wait_for_one_question_at_most() {
        let (keeper, orders) = Keeper::new();
        let mut todo = Todo::new(&keeper, &orders);
        let ask = |position| {
            let session = SessionId::parse("sess_01J00000000000000000000000").unwrap();
            let range = ReplayRange::Session { session, after: position, before: 9 };
            let question = Question { replay: ReplayId::default(), range, max_events: 1, max_bytes: 1 };
            keeper.order(Order::Replay(question));
        };
        for position in 0..3 {
            ask(position);
        }
        let mut done = Vec::new();
        for round in 0..7 {
            if round < 3 {
                keeper.commit();
            }
            done.push(match todo.next(Some(Instant::now())) {
                Task::Commit => "commit".to_owned(),
                Task::Replay(Question { range: ReplayRange::Session { after, .. }, .. }) => after.to_string(),
                Task::Replay(_) => "job".to_owned(),
                Task::Nothing => "nothing".to_owned(),
            });
        }
        assert_eq!(done, ["commit", "0", "commit", "1", "2", "nothing", "nothing"]);
    }
}
