//! Event numbers of one session: what is next, what is missing, what to resume from (§8.3).

/// Counts the numbered frames of one session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequence {
    /// The highest number up to which everything has arrived, or was given up.
    last: u64,
    /// The highest number of the session's own jobs.
    own: u64,
    /// Whether the runtime counts subscribed jobs separately, so that numbers collide (core/docs/arcp.md,
    /// "The client").
    collides: bool,
    /// Where a gap was seen that the session was resumed for.
    retried: Option<u64>,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next one.
    Next,
    /// Not above the last one: seen before, or counted separately.
    Late,
    /// Numbers are missing: the frame does not count, the session is to be resumed.
    Gap { from: u64, to: u64 },
    /// Numbers are still missing after a resume: the frame counts, they are lost.
    Lost { from: u64, to: u64 },
}

impl Sequence {
    /// Goes on after a number.
    pub(super) const fn after(last: u64) -> Sequence {
        Sequence { last, own: last, collides: false, retried: None }
    }

    /// A numbered frame came in.
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

    /// A frame was handed out; `late` if its number was not above the last one.
    pub(super) fn delivered(&mut self, seq: u64, own: bool, late: bool) {
        self.collides |= late;
        if own {
            self.own = self.own.max(seq);
        }
    }

    /// The highest number received without a hole.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// `last_event_seq` of a resume. A runtime whose numbers collide replays own jobs only, by their own count.
    pub(super) const fn resume_from(&self) -> u64 {
        if self.collides { self.own } else { self.last }
    }
}
