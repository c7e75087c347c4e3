//! The thread that makes records durable.

use crate::io::Sanitized;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{fmt, io, thread};

use tracing::error;

use super::sync::CancellationToken;

/// Records on their way to the thread, each with its number.
pub(crate) type Queue<T> = Sender<(u64, T)>;

/// A place for records, which may block.
pub(crate) trait Commit<T>: Send + 'static {
    /// Why records cannot be stored.
    type Fault: fmt::Display;

    /// Makes records durable: all of them, or none. It is called again with the same records if it fails.
    fn commit(&mut self, records: &[(u64, T)]) -> Result<(), Self::Fault>;
}

/// The thread, before it runs.
pub(crate) struct Writer<T, C> {
    records: C,
    queue: Receiver<(u64, T)>,
    /// Cancelled when the thread has ended, and the records are no longer used.
    pub(crate) ended: CancellationToken,
}

/// The pauses after a commit that has failed.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

impl<T: Send + 'static, C: Commit<T>> Writer<T, C> {
    pub(crate) fn new(records: C) -> (Writer<T, C>, Queue<T>) {
        let (sender, queue) = channel();
        (Writer { records, queue, ended: CancellationToken::new() }, sender)
    }

    /// Starts the thread. It ends when the queue's sender is gone. `stored` is called with the number of the last record
    /// that is durable; it returns false if nobody wants to know any more.
    pub(crate) fn start(self, stored: impl Fn(u64) -> bool + Send + 'static) -> io::Result<()> {
        thread::Builder::new().name("nuncio-records".to_owned()).spawn(move || self.run(stored)).map(drop)
    }

    fn run(self, stored: impl Fn(u64) -> bool) {
        let Writer { mut records, queue, ended } = self;
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            batch.extend(queue.try_iter());
            let [mut pause, longest] = PAUSES;
            while let Err(fault) = records.commit(&batch) {
                error!(error = %Sanitized(&fault), ?pause, "records cannot be stored; it is tried again, and what depends on them waits");
                thread::sleep(pause);
                pause = longest.min(pause * 2);
                match queue.recv_timeout(Duration::ZERO) {
                    Ok(more) => batch.push(more),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The machine is gone, and has told nobody what these records say.
                    Err(RecvTimeoutError::Disconnected) => {
                        drop(records);
                        ended.cancel();
                        return;
                    }
                }
            }
            let upto = batch.last().map_or(0, |(number, _)| *number);
            if !stored(upto) {
                break;
            }
        }
        drop(records);
        ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails this many times, and tells what it is given as each commit begins.
    struct Place {
        failures: usize,
        given: Sender<Vec<u64>>,
        /// Each commit waits for this.
        gate: Receiver<()>,
    }

    impl Commit<()> for Place {
        type Fault = &'static str;

        fn commit(&mut self, records: &[(u64, ())]) -> Result<(), &'static str> {
            // The test may not want to know, or let every commit pass.
            drop(self.given.send(records.iter().map(|(number, ())| *number).collect()));
            let _opened = self.gate.recv();
            if self.failures == 0 {
                return Ok(());
            }
            self.failures -= 1;
            Err("the disk is full")
        }
    }

    struct Site {
        queue: Queue<()>,
        given: Receiver<Vec<u64>>,
        open: Sender<()>,
        stored: Receiver<u64>,
        ended: CancellationToken,
    }

    /// Starts a thread whose commits fail this often. It goes on while `wants` says so.
    fn start(failures: usize, wants: bool) -> Site {
        let ((open, gate), (store, stored), (give, given)) = (channel(), channel(), channel());
        let (writer, queue) = Writer::new(Place { failures, given: give, gate });
        let ended = writer.ended.clone();
        assert!(writer.start(move |number| store.send(number).is_ok() && wants).is_ok(), "the system gives a thread");
        Site { queue, given, open, stored, ended }
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn records_whose_commit_has_failed_are_stored_with_those_that_have_come_since() {
        let site = start(2, true);
        for (number, expected) in [(1, &[1][..]), (2, &[1, 2]), (3, &[1, 2, 3])] {
            assert!(site.queue.send((number, ())).is_ok());
            if number > 1 {
                assert!(site.open.send(()).is_ok(), "the commit before fails");
            }
            assert_eq!(site.given.recv_timeout(LONG).as_deref(), Ok(expected));
        }
        assert!(site.open.send(()).is_ok());
        assert_eq!(site.stored.recv_timeout(LONG), Ok(3));
    }

    /// Returns the numbers that were reported until the thread has ended.
    fn until_ended(site: &Site) -> Vec<u64> {
        let mut stored = Vec::new();
        loop {
            match site.stored.recv_timeout(LONG) {
                Ok(number) => stored.push(number),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the thread goes on"),
            }
        }
        assert!(site.ended.is_cancelled());
        stored
    }

    #[test]
    fn the_thread_ends_with_its_queue_even_while_commits_fail() {
        for (failures, expected) in [(0, &[1][..]), (usize::MAX, &[])] {
            let mut site = start(failures, true);
            assert!(site.queue.send((1, ())).is_ok());
            (site.queue, site.open) = (channel().0, channel().0);
            assert_eq!(until_ended(&site), expected);
        }
    }

    #[test]
    fn the_thread_ends_when_nobody_wants_to_know_more() {
        let mut site = start(0, false);
        site.open = channel().0;
        assert!(site.queue.send((1, ())).is_ok());
        assert_eq!(until_ended(&site), [1]);
    }

    #[test]
    fn a_commit_that_fails_is_logged() {
        let ((open, gate), (given, _)) = (channel(), channel());
        let (writer, queue) = Writer::new(Place { failures: 1, given, gate });
        assert!(queue.send((1, ())).is_ok());
        drop((open, queue));
        let line = crate::io::logged::logged(|| writer.run(|_| true));
        assert!(line.starts_with("ERROR records cannot be stored") && line.contains("the disk is full"), "{line}");
    }
}
