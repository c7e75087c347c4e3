//! The client's side of ARCP: one session of one application.
#![allow(unused_variables, clippy::needless_pass_by_ref_mut, clippy::unused_self, clippy::needless_pass_by_value)]

mod ask;
mod config;
mod event;

pub use ask::{ClientRefused, HandleId, ListQuery, RequestId, Submit, Subscribe};
pub use config::{AutoAck, ClientConfig};
pub use event::{
    Accepted, AgentInfo, ChunkEvent, ClientEvent, ClientOutput, ClientTimer, CloseReason, EventKind, Failed, JobEvent,
    JobPage, JobRow, LostReason, Outcome, Product, Raw, RemoteFault, RequestFailure, Subscribed, Welcome,
};

use bytes::Bytes;

use crate::time::Time;

/// One session with a runtime, from hello to close, over as many transports as it takes.
#[derive(Clone, Debug)]
pub struct Client {
    config: ClientConfig,
}

impl Client {
    /// A client that waits for its first transport. The same seed and the same inputs give byte-identical outputs.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Time) -> Client {
        Client { config }
    }

    // The wire.

    /// A transport is up: the hello goes out, with the resume of the session if there is one (§6.2, §6.3).
    /// A transport that was still up is taken as lost.
    pub fn handle_open(&mut self, now: Time) {}

    /// Exactly one message came in. The frame is [`Bytes`] because event bodies and results are handed on as slices of
    /// it, without a copy; a driver that has only `&[u8]` copies once (`Bytes::copy_from_slice`).
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {}

    /// That many frames of [`ClientOutput::Send`] were given to the socket: credit returns. Too many is harmless.
    pub fn handle_sent(&mut self, now: Time, frames: usize) {}

    /// The transport is lost, or an attempt to connect has failed. Asks for the next one with
    /// [`ClientOutput::Connect`], unless the client is closed.
    pub fn handle_close(&mut self, now: Time) {}

    /// The application took that many [`ClientOutput::Event`]s, in order. Until then they count against
    /// [`ClientConfig::events`] and are not acknowledged: this is the back-pressure. A driver that hands events on
    /// without waiting calls it at once; one whose application dropped a handle reports its events as taken.
    pub fn handle_taken(&mut self, now: Time, events: usize) {}

    /// Whether the driver may hand in the next frame: asked before each. False while the application has too many
    /// events to take; [`ClientOutput::Reading`] says when it is true again. Silence does not count as such meanwhile.
    pub fn reading(&self) -> bool {
        true
    }

    /// The deadline of [`Client::poll_timeout`] has passed; early or for nothing is harmless.
    pub fn handle_timeout(&mut self, now: Time) {}

    // The application. Everything queues until the session is live.

    /// Submits a job. `Accepted` or `RequestFailed` answers with the same handle.
    pub fn submit(&mut self, now: Time, submit: &Submit<'_>) -> Result<HandleId, ClientRefused> {
        Err(ClientRefused::Closed)
    }

    /// Asks for a job to be cancelled; before it is accepted, the cancel waits. `Cancelled` or `RequestFailed` answers.
    pub fn cancel(&mut self, now: Time, handle: HandleId, reason: Option<&str>) -> Result<RequestId, ClientRefused> {
        Err(ClientRefused::Closed)
    }

    /// Asks for a page of jobs. `Jobs` or `RequestFailed` answers.
    pub fn list(&mut self, now: Time, query: &ListQuery<'_>) -> Result<RequestId, ClientRefused> {
        Err(ClientRefused::Closed)
    }

    /// Watches a job. `Subscribed` or `RequestFailed` answers with the same handle.
    pub fn subscribe(&mut self, now: Time, job_id: &str, subscribe: Subscribe) -> Result<HandleId, ClientRefused> {
        Err(ClientRefused::Closed)
    }

    /// Ends a subscription; its handle is dead at once and has no terminal.
    pub fn unsubscribe(&mut self, now: Time, handle: HandleId) -> Result<(), ClientRefused> {
        Err(ClientRefused::Closed)
    }

    /// Acknowledges all events up to `seq`, or all that were taken (§6.5). Never more than was received; a number that
    /// was acknowledged before sends nothing.
    pub fn ack(&mut self, now: Time, seq: Option<u64>) -> Result<(), ClientRefused> {
        Err(ClientRefused::Closed)
    }

    /// The application no longer follows the handle: its events are dropped, its state is freed at the terminal. A
    /// subscription is ended. A dead handle is fine.
    pub fn release(&mut self, now: Time, handle: HandleId) {}

    /// Says goodbye, waits for the answer at most [`ClientConfig::close_timeout`], then closes the transport.
    /// Unanswered requests fail at once; accepted jobs go on without this client. `Closed` is the last event.
    pub fn close(&mut self, now: Time, reason: Option<&str>) {}

    // Out.

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        None
    }

    /// The next deadline and its reason.
    pub fn poll_timeout(&self) -> Option<(Time, ClientTimer)> {
        None
    }

    // Looking.

    /// The wire id of a handle's job, once it is known.
    pub fn job_id(&self, handle: HandleId) -> Option<&str> {
        None
    }

    /// Bytes in all queues and tables, for tests that assert the bound.
    pub fn bytes_held(&self) -> usize {
        0
    }

    /// What the client was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }
}
