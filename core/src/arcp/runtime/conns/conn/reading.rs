//! Whether frames of a connection are read.

use super::Conn;
use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::conns::replies::Level;
use crate::arcp::runtime::conns::state::ConnState;
use crate::arcp::runtime::host::SessionKey;

impl Conn {
    /// Whether its next frame may be handed in.
    pub(crate) fn is_reading(&self) -> bool {
        match self.state {
            ConnState::Greeting | ConnState::Closing => true,
            ConnState::Authenticating | ConnState::Gone => false,
            ConnState::Bound => !self.pause.is_on(),
        }
    }

    pub(crate) fn level(&self, limits: &Limits) -> Level {
        self.replies.level(limits)
    }

    /// Stops reading; returns whether it was read before.
    pub(crate) fn pause(&mut self) -> bool {
        self.pause.replies_pile_up()
    }

    /// Whether replies pile up.
    pub(crate) fn is_paused(&self) -> bool {
        self.pause.for_replies()
    }

    /// Stops reading until the submits of its session are answered; returns whether it was read before.
    pub(crate) fn await_answer(&mut self) -> bool {
        self.pause.await_answer()
    }

    /// Stops reading until a listing is finished; returns whether it was read before.
    pub(crate) fn begin_listing(&mut self) -> bool {
        self.pause.begin_listing()
    }

    /// The listing is finished; returns whether it is read again.
    pub(crate) fn end_listing(&mut self) -> bool {
        self.pause.end_listing()
    }

    /// Stops reading until other runtimes have answered; returns whether it was read before.
    pub(crate) fn begin_inquiry(&mut self) -> bool {
        self.pause.begin_inquiry()
    }

    /// Other runtimes have answered; returns whether it is read again.
    pub(crate) fn end_inquiry(&mut self) -> bool {
        self.pause.end_inquiry()
    }

    /// Resumes reading if enough replies were sent, and if submits that it waited for are `answered`. Returns whether it
    /// does.
    pub(crate) fn resume_reading(&mut self, answered: impl FnOnce(SessionKey) -> bool, limits: &Limits) -> bool {
        // Most connections are read from, so that there is nothing to find out.
        self.state == ConnState::Bound
            && self.pause.is_on()
            && self.pause.lift(self.replies.level(limits) == Level::Low, self.session.is_none_or(answered))
    }
}
