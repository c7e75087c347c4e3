//! The thread that a journal runs on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tracing::{debug, error, warn};

use super::orders::{Order, Orders, Replay};
use super::{Journal, JournalError};
use crate::arcp::server::dispatch::State;
use crate::arcp::server::hub::Hub;
use crate::io::Sanitized;
use crate::io::clock::monotonic;

/// After a step of compaction, the next one waits this many times as long as the step has taken.
const COMPACTION_REST: u32 = 8;
/// The pause after a failed commit; it doubles with every further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How often an idle journal is looked after.
const PROBE: Duration = Duration::from_secs(5);

/// Carries out the orders of a server until one says to stop.
pub(crate) fn run(hub: &Arc<Hub>, orders: &Orders, received: &Receiver<Order>, mut journal: Box<dyn Journal>) {
    let todo = Todo::new(orders, received);
    let probe_at = monotonic() + PROBE;
    let mut worker = Worker { hub, journal: &mut *journal, todo, pause: FIRST_PAUSE, compact_at: None, probe_at };
    worker.todo.orders.health.measure(worker.journal.bytes(), worker.journal.room());
    worker.work();
    // Another server may open the file as soon as the end is reported, so it is closed first.
    drop(journal);
    orders.set_ended();
}

/// Orders that were received and are not carried out yet.
struct Todo<'a> {
    orders: &'a Orders,
    received: &'a Receiver<Order>,
    commit: bool,
    replays: VecDeque<Replay>,
    /// Whether the last task was a commit, so that a replay comes next.
    committed: bool,
    stopped: bool,
}

/// The next thing to do.
#[derive(Debug)]
enum Task {
    Commit,
    Replay(Replay),
    Nothing,
}

impl<'a> Todo<'a> {
    fn new(orders: &'a Orders, received: &'a Receiver<Order>) -> Todo<'a> {
        Todo { orders, received, commit: false, replays: VecDeque::new(), committed: false, stopped: false }
    }

    /// Waits until there is something to do, or until `until`. Commits and replays alternate, so that a commit waits
    /// for at most one replay.
    fn next(&mut self, until: Option<Instant>) -> Task {
        if !self.commit && self.replays.is_empty() && !self.stopped {
            self.wait(until);
        }
        while let Ok(order) = self.received.try_recv() {
            self.receive(order);
        }
        let replay_first = self.committed && !self.replays.is_empty();
        self.committed = self.commit && !replay_first;
        if self.committed {
            self.commit = false;
            return Task::Commit;
        }
        self.replays.pop_front().map_or(Task::Nothing, Task::Replay)
    }

    fn wait(&mut self, until: Option<Instant>) {
        let order = match until {
            Some(at) => self.received.recv_timeout(at.saturating_duration_since(monotonic())),
            None => self.received.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match order {
            Ok(order) => self.receive(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.stopped = true,
        }
    }

    fn receive(&mut self, order: Order) {
        match order {
            Order::Commit => {
                self.orders.commit_received();
                self.commit = true;
            }
            Order::Replay(replay) => self.replays.push_back(replay),
            Order::Stop => self.stopped = true,
        }
    }
}

struct Worker<'a> {
    hub: &'a Arc<Hub>,
    journal: &'a mut dyn Journal,
    todo: Todo<'a>,
    pause: Duration,
    /// When the next step of compaction is due; `None` until there is something to compact.
    compact_at: Option<Instant>,
    probe_at: Instant,
}

/// The journal is lost, and the server was told.
struct Lost;

impl Worker<'_> {
    fn work(&mut self) {
        if let Err(Lost) = self.work_on() {
            debug!("the journal is not used any more");
        }
    }

    fn work_on(&mut self) -> Result<(), Lost> {
        while !self.todo.stopped {
            let until = self.compact_at.map_or(self.probe_at, |at| at.min(self.probe_at));
            match self.todo.next(Some(until)) {
                Task::Commit => {
                    self.commit()?;
                    self.compact_at.get_or_insert_with(monotonic);
                }
                Task::Replay(replay) => self.replay(&replay),
                Task::Nothing => {}
            }
            if self.compact_at.is_some_and(|at| at <= monotonic()) {
                self.compact();
            }
            if self.probe_at <= monotonic() {
                self.probe()?;
            }
        }
        self.commit()
    }

    /// Commits every record that waits, in one transaction, and tries again until this succeeds. Until then the machine
    /// refuses new work.
    fn commit(&mut self) -> Result<(), Lost> {
        let mut records = self.hub.take_records();
        loop {
            let Some(last) = records.last().map(|(seq, _)| *seq) else { return Ok(()) };
            self.todo.orders.health.begin();
            match caught(|| self.journal.commit(&records)) {
                Ok(()) => {
                    self.pause = FIRST_PAUSE;
                    let failed = self.todo.orders.health.succeed(self.journal.bytes());
                    if failed {
                        warn!("the journal can be written again");
                    }
                    self.hub.committed(last, failed);
                    return Ok(());
                }
                Err(error) => {
                    let begins = self.todo.orders.health.fail(&error);
                    if error.is_final() {
                        return Err(self.lose(error));
                    }
                    if begins {
                        self.hub.run(State::store_fails);
                        warn!(error = %Sanitized(&error), "the journal cannot be written; new work is refused until it can");
                    }
                    if self.todo.stopped {
                        warn!(records = records.len(), "the server ends with records that could not be written");
                        return Ok(());
                    }
                    self.rest();
                    records.extend(self.hub.take_records());
                }
            }
        }
    }

    /// Ends the server, because trying again cannot help.
    fn lose(&mut self, error: JournalError) -> Lost {
        error!(error = %Sanitized(&error), "the journal is lost; the server ends");
        self.hub.lose_journal(error);
        Lost
    }

    /// Notices while nothing is committed that the journal is lost.
    fn probe(&mut self) -> Result<(), Lost> {
        self.probe_at = monotonic() + PROBE;
        match caught(|| self.journal.probe()) {
            Ok(()) => {
                self.todo.orders.health.measure(self.journal.bytes(), self.journal.room());
                Ok(())
            }
            Err(error) if error.is_final() => Err(self.lose(error)),
            Err(error) => {
                warn!(error = %Sanitized(&error), "the journal could not be looked after");
                Ok(())
            }
        }
    }

    /// Waits for the pause before the next attempt to commit, and serves replays in the meantime.
    fn rest(&mut self) {
        let until = monotonic() + self.pause;
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        while !self.todo.stopped && monotonic() < until {
            match self.todo.next(Some(until)) {
                Task::Replay(replay) => self.replay(&replay),
                // The records that have come are committed with the next attempt.
                Task::Commit | Task::Nothing => {}
            }
        }
    }

    fn replay(&mut self, replay: &Replay) {
        let Replay { id, range, max_events, max_bytes } = replay;
        // If the machine no longer waits for the answer, reading is not worth its time.
        if !self.hub.look(|runtime| runtime.asks(*id)) {
            return;
        }
        let read = caught(|| self.journal.replay(range, *max_events, *max_bytes));
        if let Err(error) = &read {
            warn!(error = %Sanitized(&error), "the journal cannot be read");
        }
        let answered = self.hub.run(|state, now| match read {
            Ok(read) => state.runtime.replay(now, *id, &read.records, read.truncated),
            Err(_) => state.runtime.replay_failed(now, *id),
        });
        if let Err(refused) = answered {
            debug!(refused = %Sanitized(&refused), "events were read back too late");
        }
    }

    fn compact(&mut self) {
        let began = monotonic();
        let more = caught(|| self.journal.compact_step()).unwrap_or_else(|error| {
            warn!(error = %Sanitized(&error), "the journal could not be compacted");
            false
        });
        self.compact_at = more.then(|| {
            let now = monotonic();
            now + now.duration_since(began) * COMPACTION_REST
        });
    }
}

/// Turns a panic of the journal into an error, so that the thread continues and the server does not wait for it without
/// end.
fn caught<T>(work: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(JournalError::Io("the journal panicked".to_owned())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::arcp::{ReplayId, ReplayRange, SessionUlid};

    use super::*;

    #[test]
    fn a_commit_waits_for_one_replay_at_most() {
        let (orders, received) = Orders::new();
        let mut todo = Todo::new(&orders, &received);
        for after in 0..3 {
            let session = SessionUlid::parse("sess_01J00000000000000000000000").unwrap();
            let range = ReplayRange::Session { session, after, before: 9 };
            orders.send(Order::Replay(Replay { id: ReplayId::default(), range, max_events: 1, max_bytes: 1 }));
        }
        let mut done = Vec::new();
        for round in 0..7 {
            if round < 3 {
                orders.commit();
            }
            done.push(match todo.next(Some(monotonic())) {
                Task::Commit => "commit".to_owned(),
                Task::Replay(Replay { range: ReplayRange::Session { after, .. }, .. }) => after.to_string(),
                Task::Replay(_) => "job".to_owned(),
                Task::Nothing => "nothing".to_owned(),
            });
        }
        assert_eq!(done, ["commit", "0", "commit", "1", "2", "nothing", "nothing"]);
    }
}
