//! What is done about the machine's outputs once its lock is free.

use std::sync::Arc;

use nuncio_core::arcp::{ConnId, JobKey, Resumed, RevocationId, StatusId};
use tracing::Span;

use super::provision::{Grant, Revocation};
use crate::arcp::agent::job::Job;
use crate::arcp::journal::Replay;
use crate::auth::Claim;
use crate::io::pipe::Pipe;

/// What the machine asks its host to do. The answers are inputs of the machine.
pub(crate) trait Host {
    /// Finds the principal of a hello.
    fn authenticate(&self, conn: ConnId, claim: Claim);
    /// Finds the shard that has the session which a connection resumes.
    fn locate(&self, conn: ConnId, resumed: Resumed);
    /// Lends a slot of an agent to the machine, as soon as one is free.
    fn want_slot(&self, agent: &str);
    /// Takes a slot of an agent back.
    fn free_slot(&self, agent: &str);
    /// Issues credentials for a job.
    fn provision(&self, job: JobKey, grant: Grant);
    /// Revokes a credential.
    fn revoke(&self, id: RevocationId, revocation: Revocation);
    /// Reads events back from the journal.
    fn replay(&self, replay: Replay);
    /// Tells what only the server knows of its state.
    fn tell_status(&self, request: StatusId);
    /// Starts the agent of a job, in a span below `parent`.
    fn start(&self, job: Arc<Job>, parent: Span);
    /// Notes that no job is left, after the machine was told to shut down.
    fn drained(&self);
}

/// Something to do once the lock is free.
type Action = Box<dyn FnOnce(&dyn Host)>;

/// Everything to do once the lock is free: agents start, then connections are woken, then the rest is done in the machine's order.
#[derive(Default)]
pub(crate) struct Actions {
    /// Jobs whose agents start. They are first, so that what one on the thread of connections sends at once is written with what
    /// the connection is woken for.
    starts: Vec<(Arc<Job>, Span)>,
    /// Connections with something to write or to read; each is woken once.
    wakes: Vec<Arc<Pipe>>,
    rest: Vec<Action>,
}

impl Actions {
    /// Wakes the tasks of a connection.
    pub(super) fn wake(&mut self, pipe: &Arc<Pipe>) {
        if !self.wakes.iter().any(|other| Arc::ptr_eq(other, pipe)) {
            self.wakes.push(Arc::clone(pipe));
        }
    }

    /// Starts the agent of a job, in a span below `parent`.
    pub(super) fn start(&mut self, job: Arc<Job>, parent: Span) {
        self.starts.push((job, parent));
    }

    pub(super) fn push(&mut self, action: impl FnOnce(&dyn Host) + 'static) {
        self.rest.push(Box::new(action));
    }

    pub(super) fn perform(self, host: &dyn Host) {
        for (job, parent) in self.starts {
            host.start(job, parent);
        }
        for pipe in self.wakes {
            pipe.wake();
        }
        for action in self.rest {
            action(host);
        }
    }
}

#[cfg(test)]
impl Actions {
    /// Returns the number of actions, without the connections to be woken.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }
}
