//! The header fields of a context as those of the http crate, which are the same for all its calls but for the span.

use nuncio_core::caracal::{Context, Header};
use nuncio_core::trace::SpanId;
use nuncio_link::http::{HeaderMap, HeaderName, HeaderValue, header};

static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The header fields of a context's calls. Clones of a value share its bytes, so a call copies neither the token nor the
/// baggage.
pub(super) struct Fields(HeaderMap);

impl Fields {
    /// Converts the fields that [`Context::headers`] returns.
    pub(super) fn of(headers: &[Header]) -> Fields {
        Fields(headers.iter().filter_map(to_field).collect())
    }

    /// Returns the fields of a call that a span makes.
    pub(super) fn of_call(&self, context: &Context, span: SpanId) -> HeaderMap {
        let mut headers = self.0.clone();
        let parent = context.trace().map(|trace| trace.parent(span).to_ascii());
        if let (Some(field), Some(Ok(parent))) =
            (headers.get_mut(&TRACEPARENT), parent.map(|parent| HeaderValue::from_bytes(&parent)))
        {
            *field = parent;
        }
        headers
    }
}

/// Replaces all fields of a name.
pub(super) fn set(headers: &mut HeaderMap, header: &Header) {
    if let Some((name, value)) = to_field(header) {
        headers.insert(name, value);
    }
}

/// Returns a header field. Every value of the machine is printable ASCII, so that there is one for each. Tokens are marked
/// as sensitive, so that nothing prints them.
pub(super) fn to_field(header: &Header) -> Option<(HeaderName, HeaderValue)> {
    let name = match header.name() {
        "authorization" => header::AUTHORIZATION,
        // The http crate knows no others of a context's fields, and checks each byte of them.
        "baggage" => BAGGAGE.clone(),
        "traceparent" => TRACEPARENT.clone(),
        "tracestate" => TRACESTATE.clone(),
        other => HeaderName::from_bytes(other.as_bytes()).ok()?,
    };
    let mut value = HeaderValue::from_str(header.value().expose()).ok()?;
    value.set_sensitive(header.value().is_secret());
    Some((name, value))
}
