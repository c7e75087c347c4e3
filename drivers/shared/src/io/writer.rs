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
