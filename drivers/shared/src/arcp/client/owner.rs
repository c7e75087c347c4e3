//! What keeps a session open.

use std::sync::Arc;

use super::hub::Hub;

/// Shared by the clones of a client and its handles. Dropping the last reference closes the session.
pub(super) struct Owner {
    pub(super) hub: Arc<Hub>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.hub.run(|state, now| state.client.close(now, None));
    }
}
