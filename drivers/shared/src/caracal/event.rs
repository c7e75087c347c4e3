//! The event that ends a call.

use futures_channel::oneshot;
use nuncio_core::caracal::ClientEvent;

use super::error::CallError;

/// Waits for the event of a call.
pub(crate) async fn event(receiver: oneshot::Receiver<ClientEvent>) -> Result<ClientEvent, CallError> {
    receiver.await.map_err(|_| CallError::closed())
}
