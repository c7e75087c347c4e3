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

/// All actions that run once the lock is released. Connections are woken first. Then events of the session are sent, so that
/// whoever reads a job receives them before what the job's handle holds. Then readers are woken, and the rest runs in the
/// machine's order.
#[derive(Default)]
pub(super) struct Actions {
    /// Connections with something to write or to read; each is woken once.
    pipes: Vec<Arc<Pipe>>,
    announcements: Vec<SessionEvent>,
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

    /// Sends an event of the session to the application, before the readers of handles are woken.
    pub(super) fn announce(&mut self, event: SessionEvent) {
        self.announcements.push(event);
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
        for event in self.announcements {
            host.announce(event);
        }
        for reader in self.readers {
            reader.wake();
        }
        for action in self.rest {
            action(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::Wake;

    use super::*;

    /// What was done, in its order.
    #[derive(Default)]
    struct Done(Mutex<Vec<&'static str>>);

    impl Done {
        fn note(&self, what: &'static str) {
            self.0.lock().expect("no test has panicked").push(what);
        }
    }

    impl Wake for Done {
        fn wake(self: Arc<Done>) {
            self.note("reader");
        }
    }

    impl Host for Done {
        fn connect(&self) {
            self.note("connect");
        }

        fn announce(&self, _event: SessionEvent) {
            self.note("session");
        }

        fn welcomed(&self, _welcome: Arc<Welcome>) {
            self.note("welcomed");
        }

        fn finish(&self, _end: SessionEnd) {
            self.note("finish");
        }
    }

    #[test]
    fn an_event_of_the_session_comes_before_those_of_its_jobs() {
        let done = Arc::new(Done::default());
        let mut actions = Actions::default();
        actions.push(|host| host.connect());
        actions.wake_reader(Some(Arc::clone(&done).into()));
        actions.announce(SessionEvent::Gap { from: 1, to: 2 });
        actions.perform(&*done, false);
        assert_eq!(*done.0.lock().expect("no test has panicked"), ["session", "reader", "connect"]);
    }
}
