//! Why frames of a connection are not read.

/// The reasons for which frames of a connection are not read now.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent reasons; none is a state")]
pub(super) struct Pause {
    /// Replies pile up.
    replies: bool,
    /// A submit is unanswered, and the client binds replies in the order in which they arrive.
    submit: bool,
    /// A listing is not finished.
    listing: bool,
    /// Other runtimes of the host have not answered.
    inquiry: bool,
}

impl Pause {
    /// Whether there is a reason.
    pub(super) fn is_on(self) -> bool {
        self.replies || self.submit || self.listing || self.inquiry
    }

    /// Whether replies pile up.
    pub(super) fn for_replies(self) -> bool {
        self.replies
    }

    /// Notes that replies pile up. Returns whether they did not before.
    pub(super) fn replies_pile_up(&mut self) -> bool {
        !core::mem::replace(&mut self.replies, true)
    }

    /// Notes that a submit is unanswered. Returns whether frames were read before.
    pub(super) fn await_answer(&mut self) -> bool {
        let was_on = self.is_on();
        self.submit = true;
        !was_on
    }

    /// Notes that a listing is not finished. Returns whether frames were read before.
    pub(super) fn begin_listing(&mut self) -> bool {
        let was_on = self.is_on();
        self.listing = true;
        !was_on
    }

    /// Notes that the listing is finished. Returns whether frames are read again.
    pub(super) fn end_listing(&mut self) -> bool {
        core::mem::take(&mut self.listing) && !self.is_on()
    }

    /// Notes that other runtimes are asked. Returns whether frames were read before.
    pub(super) fn begin_inquiry(&mut self) -> bool {
        let was_on = self.is_on();
        self.inquiry = true;
        !was_on
    }

    /// Notes that other runtimes have answered. Returns whether frames are read again.
    pub(super) fn end_inquiry(&mut self) -> bool {
        core::mem::take(&mut self.inquiry) && !self.is_on()
    }

    /// Removes the reasons that no longer hold. Returns whether frames are read again.
    pub(super) fn lift(&mut self, replies_are_low: bool, answered: bool) -> bool {
        let was_on = self.is_on();
        self.replies &= !replies_are_low;
        self.submit &= !answered;
        was_on && !self.is_on()
    }
}
