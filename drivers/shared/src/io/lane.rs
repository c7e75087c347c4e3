//! Lanes: the tasks of one principal share the time that others have alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use event_listener::Event;

use super::driver::Io;

/// A lane of tasks. An executor takes ready tasks in turn, so a principal with a thousand ready tasks would have a thousand
/// turns for each turn of another. In a lane, tasks work freely up to a number of units. Then the lane rests: its tasks wait
/// until the other ready tasks of the server's own thread have run once and its sockets were looked at, and go on one after
/// the other.
///
/// ```text
/// lane.enter().await;          waits while the lane rests
/// let units = work();
/// lane.spend(units, &io);      the lane may rest from now on
/// ```
#[derive(Debug)]
pub(crate) struct Lane {
    /// Units of work after which the lane rests.
    most: u64,
    spent: AtomicU64,
    resting: AtomicBool,
    waiting: Event,
}

/// Bytes that are read or written for one unit of a machine's work, some tens of nanoseconds.
const BYTES_MOVED: usize = 64;

/// Bytes of a large event that take about as long as a small event.
const SMALL_EVENT: usize = 4 << 10;

impl Lane {
    pub(crate) fn new(most: u64) -> Lane {
        Lane { most, spent: AtomicU64::new(0), resting: AtomicBool::new(false), waiting: Event::new() }
    }

    /// Waits while the lane rests.
    pub(crate) async fn enter(&self) {
        let mut waited = false;
        while self.is_resting() {
            waited = true;
            let rested = self.waiting.listen();
            // It may have rested before this task listened.
            if self.is_resting() {
                rested.await;
            }
        }
        if waited {
            // The next one waits no longer either, whatever this task does now.
            self.waiting.notify(1);
        }
    }

    /// Returns whether the lane rests.
    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::SeqCst)
    }

    /// Counts work that was done. If it is enough, the lane rests until others have had [their way](Io::give_way) on `io`. That
    /// thread never blocks, so the rest ends even if every thread of the agents is blocked.
    pub(crate) fn spend(self: &Arc<Self>, units: u64, io: &dyn Io) {
        let spent = self.spent.fetch_add(units, Ordering::SeqCst).saturating_add(units);
        if spent >= self.most && !self.resting.swap(true, Ordering::SeqCst) {
            let (rest, others) = (Rest(Arc::clone(self)), io.give_way());
            io.spawn(Box::pin(async move {
                others.await;
                drop(rest);
            }));
        } else if !self.is_resting() {
            // Those that wait go on one after the other.
            self.waiting.notify(1);
        }
    }

    /// Counts the bytes of an event that was counted as one unit, in a lane whose units are small events.
    pub(crate) fn spend_large_event(self: &Arc<Self>, bytes: usize, io: &dyn Io) {
        let events = (bytes / SMALL_EVENT) as u64;
        if events > 0 {
            self.spend(events, io);
        }
    }

    /// Counts bytes that were read or written.
    pub(crate) fn spend_bytes(self: &Arc<Self>, bytes: usize, io: &dyn Io) {
        self.spend((bytes / BYTES_MOVED) as u64, io);
    }
}

/// The rest of a lane, which ends when this is dropped.
struct Rest(Arc<Lane>);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.spent.store(0, Ordering::SeqCst);
        self.0.resting.store(false, Ordering::SeqCst);
        self.0.waiting.notify(1);
    }
}

/// The lanes of principals, each as long as something uses it.
#[derive(Debug)]
pub(crate) struct Lanes {
    most: u64,
    lanes: HashMap<Arc<str>, Weak<Lane>>,
    /// The number of names at which unused ones are removed.
    full: usize,
}

impl Lanes {
    const FEW: usize = 64;

    /// `most` is the work of a lane after which others have their turn.
    pub(crate) fn new(most: u64) -> Lanes {
        Lanes { most, lanes: HashMap::new(), full: Lanes::FEW }
    }

    /// Returns the lane of a principal.
    pub(crate) fn of(&mut self, principal: &Arc<str>) -> Arc<Lane> {
        if let Some(lane) = self.lanes.get(principal).and_then(Weak::upgrade) {
            return lane;
        }
        if self.lanes.len() >= self.full {
            self.lanes.retain(|_, lane| lane.strong_count() > 0);
            self.full = (2 * self.lanes.len()).max(Lanes::FEW);
        }
        let lane = Arc::new(Lane::new(self.most));
        self.lanes.insert(Arc::clone(principal), Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::task::{Context, Wake, Waker};
    use std::time::Instant;

    use futures_lite::future::yield_now;

    use super::*;
    use crate::io::BoxFuture;
    use crate::io::sync::lock;

    type Task = BoxFuture<'static, ()>;

    /// An executor that takes ready tasks in turn.
    #[derive(Default)]
    struct Executor {
        tasks: Mutex<Vec<Option<Task>>>,
        ready: Arc<Mutex<VecDeque<usize>>>,
    }

    struct Waking(Arc<Mutex<VecDeque<usize>>>, usize);

    impl Wake for Waking {
        fn wake(self: Arc<Waking>) {
            lock(&self.0).push_back(self.1);
        }
    }

    impl Io for Executor {
        fn spawn(&self, task: Task) {
            let mut tasks = lock(&self.tasks);
            lock(&self.ready).push_back(tasks.len());
            tasks.push(Some(task));
        }

        fn sleep_until(&self, _: Instant) -> Task {
            Box::pin(std::future::pending())
        }
    }

    impl Executor {
        fn run(&self) {
            while let Some(index) = { lock(&self.ready).pop_front() } {
                let waker = Waker::from(Arc::new(Waking(Arc::clone(&self.ready), index)));
                let task = lock(&self.tasks).get_mut(index).and_then(Option::take);
                if let Some(mut task) = task
                    && task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
                {
                    lock(&self.tasks)[index] = Some(task);
                }
            }
            assert!(lock(&self.tasks).iter().all(Option::is_none), "a task waits for ever");
        }
    }

    /// A lane of agents rests after much that they emit, in small events or in large ones.
    #[test]
    fn a_large_event_counts_as_many_small_ones() {
        for (bytes, events) in [(0, 128), (SMALL_EVENT - 1, 128), (SMALL_EVENT, 64), (64 << 10, 8)] {
            let (executor, lane) = (Executor::default(), Arc::new(Lane::new(128)));
            let mut emitted = 0;
            while !lane.is_resting() {
                lane.spend(1, &executor);
                lane.spend_large_event(bytes, &executor);
                emitted += 1;
            }
            assert_eq!(emitted, events, "events of {bytes} bytes");
            executor.run();
            assert!(!lane.is_resting());
        }
    }

    /// However many tasks a principal has, another one has a turn after each of its `most` units.
    #[test]
    fn another_task_runs_between_the_turns_of_a_lane() {
        for units in [1, 3, 10, 40] {
            let executor = Arc::new(Executor::default());
            let (log, lane) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Lane::new(10)));
            for _ in 0..100 {
                let (lane, log, io) = (Arc::clone(&lane), Arc::clone(&log), Arc::clone(&executor));
                executor.spawn(Box::pin(async move {
                    for _ in 0..5 {
                        lane.enter().await;
                        lock(&log).push(units);
                        lane.spend(units, &*io);
                        yield_now().await;
                    }
                }));
            }
            let other = Arc::clone(&log);
            executor.spawn(Box::pin(async move {
                while lock(&other).iter().filter(|spent| **spent > 0).count() < 500 {
                    lock(&other).push(0);
                    yield_now().await;
                }
            }));
            executor.run();
            for turn in lock(&log).split(|spent| *spent == 0) {
                let spent: u64 = turn.iter().sum();
                assert!(spent <= 10 + 2 * units, "{spent} units in one turn, {units} at a time");
            }
        }
    }

    /// A thread that ends drops the tasks that were spawned on it.
    #[test]
    fn a_lane_goes_on_if_its_rest_is_dropped() {
        let (executor, lane) = (Executor::default(), Arc::new(Lane::new(1)));
        lane.spend(1, &executor);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(std::pin::pin!(lane.enter()).poll(&mut cx).is_pending());
        drop(executor);
        assert!(std::pin::pin!(lane.enter()).poll(&mut cx).is_ready());
    }

    #[test]
    fn unused_lanes_are_removed() {
        let mut lanes = Lanes::new(1);
        let kept = lanes.of(&Arc::from("kept"));
        for number in 0..10_000 {
            drop(lanes.of(&Arc::from(format!("{number}"))));
        }
        assert!(lanes.lanes.len() <= 2 * Lanes::FEW);
        assert!(Arc::ptr_eq(&kept, &lanes.of(&Arc::from("kept"))));
    }

    /// A look at all lanes for each new one would make a server with many principals slow.
    #[test]
    fn lanes_in_use_are_looked_at_rarely() {
        let mut lanes = Lanes::new(1);
        let (mut used, mut looks) = (Vec::new(), 0);
        for number in 0..8 * Lanes::FEW {
            let full = lanes.full;
            used.push(lanes.of(&Arc::from(format!("{number}"))));
            looks += usize::from(lanes.full != full);
        }
        assert_eq!((lanes.lanes.len(), looks), (8 * Lanes::FEW, 3), "at 1, 2 and 4 times {}", Lanes::FEW);
    }
}
