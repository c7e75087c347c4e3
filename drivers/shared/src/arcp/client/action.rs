//! The actions that the machine's outputs cause once its lock is released.

use std::sync::Arc;
use std::task::Waker;

use nuncio_core::arcp::client::Welcome;

use super::error::SessionEnd;
use super::session::SessionEvent;
use crate::io::pipe::Pipe;

/// The effects of the machine's events on the tasks and handles of a client.
pub(super) trait Host {
    /// Requests another connection.
    fn connect(&self);
    /// Sends an event to the application.
    fn announce(&self, event: SessionEvent);
    /// Notes that the session is live.
    fn welcomed(&self, welcome: Arc<Welcome>);
    /// Ends the tasks of the session, and wakes all tasks that wait for its end.
    fn finish(&self, end: SessionEnd);
}

/// An action that runs once the lock is released.
type Action = Box<dyn FnOnce(&dyn Host)>;

/// All actions that run once the lock is released: connections and readers are woken first, then the rest runs in the
/// machine's order.
#[derive(Default)]
pub(super) struct Actions {
    /// Connections with something to write or to read; each is woken once.
    pipes: Vec<Arc<Pipe>>,
    readers: Vec<Waker>,
    rest: Vec<Action>,
}

impl Actions {
    /// Wakes the tasks of a connection.
    pub(super) fn wake(&mut self, pipe: &Arc<Pipe>) {
        if !self.pipes.iter().any(|other| Arc::ptr_eq(other, pipe)) {
            self.pipes.push(Arc::clone(pipe));
        }
    }

    /// Wakes the reader of a handle, if it waits.
    pub(super) fn wake_reader(&mut self, reader: Option<Waker>) {
        self.readers.extend(reader);
    }

    pub(super) fn push(&mut self, action: impl FnOnce(&dyn Host) + 'static) {
        self.rest.push(Box::new(action));
    }

    /// Does everything. `now` says whether this thread writes what is to be sent, if nothing is being written.
    pub(super) fn perform(self, host: &dyn Host, now: bool) {
        for pipe in self.pipes {
            if now {
                pipe.write_now();
            } else {
                pipe.wake();
            }
        }
        for reader in self.readers {
            reader.wake();
        }
        for action in self.rest {
            action(host);
        }
    }
}
