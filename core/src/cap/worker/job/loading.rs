//! The data that a job reads before its handler is called.

/// One thing to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// There is nothing to read, or it was read.
    #[default]
    Done,
    /// It must be requested.
    Due,
    /// The host was asked for it.
    Asked,
}

impl Part {
    const fn of(is_needed: bool) -> Part {
        if is_needed { Part::Due } else { Part::Done }
    }

    fn ask(&mut self) -> bool {
        let is_due = *self == Part::Due;
        if is_due {
            *self = Part::Asked;
        }
        is_due
    }

    fn answer(&mut self) -> bool {
        let was_asked = *self == Part::Asked;
        if was_asked {
            *self = Part::Done;
        }
        was_asked
    }

    fn fail(&mut self) {
        if *self == Part::Asked {
            *self = Part::Due;
        }
    }
}

/// The output that an earlier run of the job may have stored, and the input. Both are read at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loading {
    stored: Part,
    input: Part,
}

impl Loading {
    pub(super) const fn new(looks: bool, has_input: bool) -> Loading {
        Loading { stored: Part::of(looks), input: Part::of(has_input) }
    }

    /// Returns whether to ask for a stored output, and whether to ask for the input.
    pub(super) fn ask(&mut self) -> (bool, bool) {
        (self.stored.ask(), self.input.ask())
    }

    /// Notes an answer about a stored output. Returns false if none is awaited.
    pub(super) fn looked(&mut self) -> bool {
        self.stored.answer()
    }

    /// Notes an answer about the input. Returns false if none is awaited.
    pub(super) fn fetched(&mut self) -> bool {
        self.input.answer()
    }

    /// Notes that an attempt has failed: what was not answered is asked for again.
    pub(super) fn fail(&mut self) {
        self.stored.fail();
        self.input.fail();
    }

    pub(super) fn is_done(self) -> bool {
        self == Loading::default()
    }
}
