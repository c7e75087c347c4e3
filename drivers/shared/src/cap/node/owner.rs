//! What keeps the tasks of a worker, client or router running.

use std::sync::Arc;

use super::hub::{Hub, Role};

/// Shared by the handles of a worker, client or router. Dropping the last one ends its tasks.
pub(crate) struct Owner<R: Role> {
    pub(crate) hub: Arc<Hub<R>>,
}

impl<R: Role> Drop for Owner<R> {
    fn drop(&mut self) {
        self.hub.stop();
    }
}
