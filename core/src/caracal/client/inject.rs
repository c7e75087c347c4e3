//! The headers that a program has set on a call before the context's are added: [`CallerHeaders`].

use crate::caracal::wire::baggage::{ForeignBaggage, Reader};

/// What a program has set on a call by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerHeaders {
    authorization: bool,
    traceparent: bool,
    foreign: ForeignBaggage,
}

impl CallerHeaders {
    /// Reads the header fields of a call, given as names in any case and values. Caracal's own members of `baggage` are
    /// skipped: they are the context's to set.
    pub fn read<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> CallerHeaders {
        let mut caller = CallerHeaders::default();
        let mut baggage = Reader::default();
        for (name, value) in fields {
            caller.authorization |= name.eq_ignore_ascii_case("authorization");
            caller.traceparent |= name.eq_ignore_ascii_case("traceparent");
            if name.eq_ignore_ascii_case("baggage") {
                baggage.line(value);
            }
        }
        caller.foreign = baggage.baggage().foreign;
        caller
    }

    pub(super) const fn has_authorization(&self) -> bool {
        self.authorization
    }

    pub(super) const fn has_traceparent(&self) -> bool {
        self.traceparent
    }

    pub(super) const fn foreign(&self) -> &ForeignBaggage {
        &self.foreign
    }
}
