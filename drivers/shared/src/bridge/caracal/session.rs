//! The session of a delegated job.

use std::sync::Arc;

use nuncio_core::time::Time;

use crate::arcp::JobContext;
use crate::caracal::{ActiveContext, Caracal, Header};
use crate::io::Driver;

/// The session that a job has opened for one that it delegates. It is attached to the child within the process.
pub(super) struct ChildSession {
    pub(super) context: ActiveContext,
    /// The scopes of the edge into it.
    pub(super) scopes: Vec<Box<str>>,
    /// When the edge expires.
    pub(super) expires_at: Time,
    /// How many delegations may follow each other from the edge on, this one included.
    pub(super) max_depth: Option<u32>,
    /// The context as it is passed on to a pool of CAP workers.
    #[cfg_attr(not(feature = "cap"), expect(dead_code, reason = "there are no workers"))]
    pub(super) headers: Vec<Header>,
}

impl ChildSession {
    /// Returns the session of a job, if it is one of this application.
    pub(super) fn of<D: Driver>(ctx: &JobContext, caracal: &Caracal<D>) -> Option<Arc<ChildSession>> {
        ctx.attachment::<ChildSession>().filter(|session| caracal.owns(&session.context))
    }
}
