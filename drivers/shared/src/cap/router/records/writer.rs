//! The thread that makes records durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{io, thread};

use nuncio_core::cap::RouterRecord;
use tracing::error;

use super::Records;
use crate::io::sync::CancellationToken;

/// Records on their way to the thread.
pub(crate) type Queue = Sender<(u64, RouterRecord)>;

/// The thread, before it runs.
pub(crate) struct Writer {
    records: Box<dyn Records>,
    queue: Receiver<(u64, RouterRecord)>,
    /// Cancelled when the thread has ended, and the records are no longer used.
    pub(crate) ended: CancellationToken,
}

/// The pauses after a commit that has failed.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

impl Writer {
    pub(crate) fn new(records: Box<dyn Records>) -> (Writer, Queue) {
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
                error!(error = %fault, ?pause, "records cannot be stored; it is tried again, and no job is accepted until then");
                thread::sleep(pause);
                pause = longest.min(pause * 2);
                match queue.recv_timeout(Duration::ZERO) {
                    Ok(more) => batch.push(more),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The router is gone, and has told nobody what these records say.
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
