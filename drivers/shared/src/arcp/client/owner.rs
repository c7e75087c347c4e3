//! What keeps a session open.

use std::sync::Arc;

use super::hub::Hub;

/// Shared by the clones of a client and its handles. Dropping the last reference closes the session.
pub(super) struct Owner {
    pub(super) hub: Arc<Hub>,
    /// The most bytes of a streamed result that are kept unless the application says otherwise.
    pub(super) max_result_bytes: usize,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.hub.run(|state, now| state.client.close(now, None));
    }
}
