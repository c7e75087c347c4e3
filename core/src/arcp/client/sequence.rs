//! The event numbers of a session: which is next, which are missing, and where to resume (§8.3).

/// Counts the numbered frames of one session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequence {
    /// The highest number up to which all events were received or given up.
    last: u64,
    /// The highest number of an event of the session's own jobs.
    own: u64,
    /// Whether the runtime numbers the events of subscribed jobs separately, so that numbers occur twice.
    collides: bool,
    /// The last number before a gap for which the session was resumed.
    retried: Option<u64>,
}

/// What the number of a frame means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next number.
    Next,
    /// It is not above the last number: the event was received before, or is numbered separately.
    Late,
    /// Numbers are missing. The frame is dropped, and the session is to be resumed.
    Gap { from: u64, to: u64 },
    /// Numbers are still missing after a resume. The frame counts, and the missing events are given up.
    Lost { from: u64, to: u64 },
}

impl Sequence {
    /// Continues after a number.
    pub(super) fn after(last: u64) -> Sequence {
        Sequence { last, own: last, collides: false, retried: None }
    }

    /// Records the number of a frame that was received.
    pub(super) fn arrive(&mut self, seq: u64) -> Arrival {
        if seq <= self.last {
            return Arrival::Late;
        }
        let (from, to) = (self.last.saturating_add(1), seq.saturating_sub(1));
        if seq == from {
            self.last = seq;
            self.retried = None;
            return Arrival::Next;
        }
        if self.retried != Some(self.last) {
            self.retried = Some(self.last);
            return Arrival::Gap { from, to };
        }
        self.last = seq;
        self.retried = None;
        Arrival::Lost { from, to }
    }

    /// Records that a frame was delivered. `own` tells whether its job is the session's own, and `late` whether its
    /// number was [`Arrival::Late`].
    pub(super) fn delivered(&mut self, seq: u64, own: bool, late: bool) {
        self.collides |= late;
        if own {
            self.own = self.own.max(seq);
        }
    }

    /// Returns the highest number up to which all events were received or given up.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the `last_event_seq` of a resume. A runtime whose numbers collide replays the session's own jobs only,
    /// in their numbering.
    pub(super) fn resume_from(&self) -> u64 {
        if self.collides { self.own } else { self.last }
    }
}
