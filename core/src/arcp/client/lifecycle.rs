//! The life of a client: transports that are opened and lost, and its end.
//!
//! The states and the transitions between them are in `state.rs`.

use alloc::boxed::Box;

use super::Client;
use super::event::{ClientEvent, ClientOutput, CloseReason, LostReason, RequestFailure};
use super::goodbye::Goodbye;
use super::jobs::Jobs;
use super::silence::Silence;
use super::state::AfterLoss;
use super::transport::Transport;
use crate::arcp::wire::close;
use crate::arcp::wire::request::write;
use crate::time::Time;

impl Client {
    /// Reports that a transport was opened. The hello is sent, which resumes the session if there is one (§6.2, §6.3).
    ///
    /// A transport that was still up counts as lost.
    pub fn handle_open(&mut self, now: Time) {
        self.advance(now);
        if self.state.is_connected() {
            self.lose(LostReason::Transport);
        }
        if self.state.open() {
            self.outbox.purge();
            let opened = self.outbox.clock().read(self.now);
            self.transport = Transport::open(opened.plus(self.config.welcome_timeout));
            self.send_hello();
        }
    }

    /// Reports that the transport was lost. Asks for the next one with [`ClientOutput::Connect`], unless the client is
    /// closed.
    ///
    /// Ignored while no transport is up. A driver must not report the end of an old transport after it has opened the
    /// next.
    pub fn handle_close(&mut self, now: Time) {
        self.advance(now);
        self.transport_lost();
    }

    /// Reports that the runtime closed the transport with this WebSocket close code; it is lost, as with
    /// [`Client::handle_close`].
    ///
    /// The code 1009 means that a message was too large. The largest unanswered request then fails, because sending it
    /// again would lose the next transport as well.
    ///
    /// The code [`close::REPLACED`] means that another client has resumed the session. This one is closed then, with
    /// [`CloseReason::TakenOver`]; if it came back, the two would take the session from each other without end. A client
    /// that has sent nothing since its welcome resumes once more instead, because it may have been replaced by an earlier
    /// connection of its own, whose hello was late.
    pub fn handle_peer_close(&mut self, now: Time, code: u16) {
        const MESSAGE_TOO_BIG: u16 = 1009;
        self.advance(now);
        if code == MESSAGE_TOO_BIG
            && self.state.is_connected()
            && let Some((id, bytes)) = self.requests.largest_sent()
        {
            self.fail(id, RequestFailure::TooLarge { bytes });
        }
        if code == close::REPLACED && self.transport.is_proved() && self.state.refuse() {
            self.outbox.purge();
            return self.end(CloseReason::TakenOver);
        }
        self.transport_lost();
    }

    /// Reports that an attempt to connect has failed, including the first one. Asks for the next one with
    /// [`ClientOutput::Connect`].
    pub fn handle_connect_failed(&mut self, now: Time) {
        self.advance(now);
        if self.state.is_connecting() {
            self.lose(LostReason::Transport);
        }
    }

    /// Closes the session (§6.7).
    ///
    /// Unanswered requests fail at once; accepted jobs go on without this client. The client waits for the answer of
    /// the runtime for [`ClientConfig::close_timeout`](super::ClientConfig::close_timeout) at most and then closes the
    /// transport. [`ClientEvent::Closed`] is its last event.
    pub fn close(&mut self, now: Time, reason: Option<&str>) {
        self.advance(now);
        let was_connected = self.state.is_connected();
        if !self.state.close() {
            return;
        }
        if self.state.is_closing() {
            self.fail_all();
            let due = self.now.plus(self.config.close_timeout);
            self.goodbye = Some(Goodbye::new(write::close(reason), due));
            self.flush();
            return;
        }
        if was_connected {
            self.close_transport(1000, "closed");
        }
        self.end(CloseReason::Asked);
    }

    /// Loses the transport, if one is up.
    fn transport_lost(&mut self) {
        if self.state.is_connected() {
            self.outbox.purge();
            self.lose(LostReason::Transport);
        }
    }

    /// Asks the driver to close the transport.
    pub(super) fn close_transport(&mut self, code: u16, reason: &'static str) {
        self.outbox.push(ClientOutput::CloseTransport { code, reason });
    }

    /// Forgets a transport that was lost, or could not be opened, and asks for the next one. Ends a client that was
    /// closing.
    pub(super) fn lose(&mut self, reason: LostReason) {
        match self.state.lose() {
            Some(AfterLoss::Reconnect { attempt, was_connected }) => {
                self.forget_transport();
                if was_connected {
                    self.emit(ClientEvent::Lost(reason), 0);
                }
                let (resume, renew) = (self.session.is_some(), self.refused_token.is_some());
                self.outbox.push(ClientOutput::Connect { attempt, resume, renew });
            }
            Some(AfterLoss::Close) => self.end(CloseReason::Asked),
            None => {}
        }
    }

    /// Closes the transport and the client, because the runtime refuses the session for good or does not speak ARCP.
    pub(super) fn refused(&mut self, code: u16, sentence: &'static str, reason: CloseReason) {
        if self.state.refuse() {
            self.close_transport(code, sentence);
            self.end(reason);
        }
    }

    /// Closes the transport and the client, because the runtime has answered the `session.close` or did not in time.
    pub(super) fn closed(&mut self) {
        if self.state.finish() {
            self.close_transport(1000, "closed");
            self.end(CloseReason::Asked);
        }
    }

    /// Forgets everything that belonged to the transport, and queues its unanswered requests again.
    fn forget_transport(&mut self) {
        self.outbox.transport_lost();
        self.requests.requeue();
        self.transport = Transport::default();
        if let Some(session) = &mut self.session {
            session.transport_lost();
        }
    }

    /// Ends the client: every request fails, and every handle is dead.
    pub(super) fn end(&mut self, reason: CloseReason) {
        self.forget_transport();
        self.refused_token = None;
        self.fail_all();
        self.goodbye = None;
        self.jobs = Jobs::default();
        self.held.clear();
        self.silence = Silence::default();
        self.emit(ClientEvent::Closed(Box::new(reason)), 0);
    }
}
