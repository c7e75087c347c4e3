//! The headers that carry a Caracal context on a request: [`Envelope`] (§1.3).

use super::baggage::{self, Baggage};
use super::token::BearerToken;
use super::traceparent::InboundTrace;
use crate::trace::TraceState;

/// What the headers of an inbound request say about its caller. Nothing of it is verified.
///
/// ```
/// use nuncio_core::caracal::Envelope;
///
/// let envelope = Envelope::read([
///     ("Authorization", "Bearer token"),
///     ("Baggage", "caracal.agent_session=s-1"),
///     ("Baggage", "caracal.hop=2"),
/// ]);
/// assert!(envelope.token.is_some());
/// assert_eq!(envelope.baggage.hop.count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The token of the `Authorization` header.
    pub token: Option<BearerToken>,
    /// The trace of the `traceparent` header.
    pub trace: Option<InboundTrace>,
    /// The `tracestate` header, if there is a valid `traceparent`.
    pub state: Option<TraceState>,
    /// The `baggage` header.
    pub baggage: Baggage,
    /// Whether the value of `caracal.hop` in that header is a number; `None` if there is no value. What is no number counts
    /// as 0.
    pub hop_is_number: Option<bool>,
}

impl Envelope {
    /// Reads the header fields of a request, given as names in any case and values. Other fields are skipped.
    ///
    /// All lines of `baggage` are read. Several different `authorization` or `traceparent` fields are ambiguous and
    /// count as absent (ours): the Python SDK takes the first or the last one, depending on the server.
    pub fn read<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Envelope {
        let mut baggage = baggage::Reader::default();
        let (mut authorization, mut traceparent, mut state) = (Single::Absent, Single::Absent, Single::Absent);
        for (name, value) in fields {
            // Their lengths differ, so that each name is compared with one at most.
            match name.len() {
                7 if is_named(name, "baggage") => baggage.line(value),
                10 if is_named(name, "tracestate") => state = state.and(value),
                11 if is_named(name, "traceparent") => traceparent = traceparent.and(value),
                13 if is_named(name, "authorization") => authorization = authorization.and(value),
                _ => {}
            }
        }
        let trace = traceparent.value().and_then(InboundTrace::parse);
        let has_parent = trace.is_some_and(|trace| trace.parent.is_some());
        Envelope {
            token: authorization.value().and_then(BearerToken::from_authorization),
            trace,
            state: state.value().filter(|_| has_parent).and_then(TraceState::parse),
            hop_is_number: baggage.hop_is_number(),
            baggage: baggage.baggage(),
        }
    }
}

/// Returns whether a field has this name, in any case.
#[inline]
fn is_named(field: &str, name: &str) -> bool {
    // Most are in lower case, which is compared faster.
    field == name || field.eq_ignore_ascii_case(name)
}

/// A field that may occur once.
#[derive(Clone, Copy)]
enum Single<'a> {
    Absent,
    Present(&'a str),
    Ambiguous,
}

impl<'a> Single<'a> {
    fn and(self, value: &'a str) -> Single<'a> {
        match self {
            Single::Absent => Single::Present(value),
            Single::Present(before) if before == value => self,
            Single::Present(_) | Single::Ambiguous => Single::Ambiguous,
        }
    }

    fn value(self) -> Option<&'a str> {
        match self {
            Single::Present(value) => Some(value),
            Single::Absent | Single::Ambiguous => None,
        }
    }
}
