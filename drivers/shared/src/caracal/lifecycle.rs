//! What an application is told about the sessions that it opens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nuncio_core::caracal::{EndReason, SessionId};
use tracing::error;

use super::context::ActiveContext;

/// Hears of the sessions of an application. All methods do nothing by default.
///
/// The hooks of an application are called in the order in which they were added. They must not block. A hook that panics
/// is logged, and changes nothing for the session.
///
/// ```
/// use nuncio_shared::caracal::{ActiveContext, Lifecycle};
///
/// struct Log;
///
/// impl Lifecycle for Log {
///     fn started(&self, context: &ActiveContext) {
///         println!("opened {:?}", context.session());
///     }
/// }
/// ```
pub trait Lifecycle: Send + Sync + 'static {
    /// A session was opened. Its context is not bound yet.
    fn started(&self, _context: &ActiveContext) {}

    /// A scope has ended, and its session is about to be terminated.
    fn ending(&self, _context: &ActiveContext) {}

    /// The coordinator has suspended a session.
    fn suspended(&self, _session: &SessionId) {}

    /// The coordinator has resumed a session.
    fn resumed(&self, _session: &SessionId) {}

    /// A session has ended by itself: its lifetime is over, or its lease is lost.
    fn lost(&self, _session: &SessionId, _why: EndReason) {}
}

/// The hooks of an application.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Arc<dyn Lifecycle>>);

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Lifecycle) {
        self.0.push(Arc::new(hook));
    }

    pub(crate) fn started(&self, context: &ActiveContext) {
        self.each(|hook| hook.started(context));
    }

    pub(crate) fn ending(&self, context: &ActiveContext) {
        self.each(|hook| hook.ending(context));
    }

    pub(crate) fn suspended(&self, session: &SessionId) {
        self.each(|hook| hook.suspended(session));
    }

    pub(crate) fn resumed(&self, session: &SessionId) {
        self.each(|hook| hook.resumed(session));
    }

    pub(crate) fn lost(&self, session: &SessionId, why: EndReason) {
        self.each(|hook| hook.lost(session, why));
    }

    fn each(&self, call: impl Fn(&dyn Lifecycle)) {
        for hook in &self.0 {
            if catch_unwind(AssertUnwindSafe(|| call(&**hook))).is_err() {
                error!("a lifecycle hook panicked");
            }
        }
    }
}
