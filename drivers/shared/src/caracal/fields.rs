//! The header fields of a context as those of the http crate, which are the same for all its calls but for the span.

use std::fmt;
use std::sync::Arc;

use nuncio_core::caracal::{Context, Header};
use nuncio_core::trace::{SpanId, TraceParent};
use nuncio_link::http::{HeaderMap, HeaderName, HeaderValue, header};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Returns whether a context is carried by fields of this name, which is in lower case.
pub(super) fn is_of_context(name: &str) -> bool {
    matches!(name, "authorization" | "traceparent" | "tracestate" | "baggage")
}

/// The header fields that carry a context on a call: `authorization`, `traceparent`, `tracestate` and `baggage`. From
/// [`Caracal::headers`](super::Caracal::headers).
///
/// They share the bytes of their context's token and baggage.
///
/// ```no_run
/// # use nuncio_shared::caracal::{Caracal, http_types::{HeaderMap, Request}};
/// # async fn call(caracal: Caracal<nuncio_smol::Smol>) -> Result<(), Box<dyn std::error::Error>> {
/// let mut request = Request::get("http://inventory:8080/items").body(())?;
/// caracal.headers().await?.set(request.headers_mut());
/// assert!(request.headers().contains_key("authorization"));
///
/// // Or as a map of their own.
/// let headers: HeaderMap = caracal.headers().await?.into();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ContextHeaders {
    fixed: Arc<Fixed>,
    /// The `traceparent`, which is printable ASCII.
    parent: Option<[u8; TraceParent::LEN]>,
}

/// The fields that are the same for all calls of a context.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixed(Vec<(HeaderName, HeaderValue)>);

impl Fixed {
    /// Converts the fields that [`Context::headers`] returns.
    pub(super) fn of(headers: &[Header]) -> Fixed {
        Fixed(headers.iter().filter(|header| TRACEPARENT != *header.name()).filter_map(to_field).collect())
    }
}

impl ContextHeaders {
    /// Returns the fields of a call that a span of a context makes.
    pub(super) fn new(fixed: &Arc<Fixed>, context: &Context, span: SpanId) -> ContextHeaders {
        let parent = context.trace().map(|trace| trace.parent(span).to_ascii());
        ContextHeaders { fixed: Arc::clone(fixed), parent }
    }

    /// Returns the value of a field, whose name is in lower case. That of `authorization` must not be logged.
    pub fn get(&self, name: &str) -> Option<&str> {
        if name == TRACEPARENT {
            return self.parent();
        }
        self.fixed.0.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str().ok())
    }

    fn parent(&self) -> Option<&str> {
        std::str::from_utf8(self.parent.as_ref()?).ok()
    }

    /// Sets the fields of a request, in place of those that it has by these names.
    pub fn set(self, headers: &mut HeaderMap) {
        for (name, value) in &self.fixed.0 {
            headers.insert(name, value.clone());
        }
        if let Some(Ok(parent)) = self.parent.map(|parent| HeaderValue::from_bytes(&parent)) {
            headers.insert(&TRACEPARENT, parent);
        }
    }
}

/// Without the token.
impl fmt::Debug for ContextHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixed = self.fixed.0.iter().map(|(name, value)| (name, value));
        f.debug_map().entries(fixed).entries(self.parent().map(|parent| (&TRACEPARENT, parent))).finish()
    }
}

impl From<ContextHeaders> for HeaderMap {
    fn from(headers: ContextHeaders) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(4);
        headers.set(&mut map);
        map
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
