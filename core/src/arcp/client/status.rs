//! The state of the runtime, for operators (ours).

use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use super::Client;
use super::event::ClientEvent;
use super::requests::{Ask, Request};
use super::types::{ClientRefused, RequestId};
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::status::RuntimeStatus;
use crate::time::Time;

impl Client {
    /// Asks for the state of the runtime and of its host (ours). [`Status`](super::ClientEvent::Status) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) answers. A runtime tells it to its operators only.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] if `x-vendor.nuncio.status` was not negotiated, as with any runtime but Nuncio's, for a limit, and for
    /// a closed client.
    pub fn status(&mut self, now: Time) -> Result<RequestId, ClientRefused> {
        self.advance(now);
        let needs = Features::NONE.with(Feature::Status);
        self.check_session(needs)?;
        self.request(Request { needs, ..Request::new(Ask::Status, String::from("{}")) })
    }

    /// Takes an `x-vendor.nuncio.status`: the state of the runtime.
    pub(super) fn on_status(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let quote = self.quote(envelope);
        let Some(request) = self.answered_by(quote.as_deref(), |request| request.ask == Ask::Status) else { return };
        self.requests.remove(request);
        let status = Box::new(RuntimeStatus::read(envelope));
        self.emit(ClientEvent::Status { request, status }, frame.len());
    }
}
