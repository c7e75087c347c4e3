//! The `traceparent` header as Caracal's services read it (§1.3).

use crate::trace::{TraceId, TraceParent};

/// The trace that a request belongs to.
///
/// The Python SDK 0.1.1 takes the trace id of some headers that W3C Trace Context refuses: those of version `ff` and
/// those whose span is zero. Nuncio joins their trace too, but such a header names no parent.
///
/// ```
/// use nuncio_core::caracal::InboundTrace;
///
/// let joined = InboundTrace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01").unwrap();
/// assert_eq!(joined.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(joined.parent.is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundTrace {
    /// The id of the trace.
    pub trace_id: TraceId,
    /// The calling span and its flags, if the header is valid by W3C Trace Context.
    pub parent: Option<TraceParent>,
}

impl InboundTrace {
    /// Parses the value of a `traceparent` header: four fields of lower-case hexadecimal digits. Returns `None` for any
    /// other text and for a trace id of zero.
    pub fn parse(value: &str) -> Option<InboundTrace> {
        let value = value.trim_matches([' ', '\t']);
        if value.len() != TraceParent::LEN {
            return None;
        }
        if let Some(parent) = TraceParent::parse(value) {
            return Some(InboundTrace { trace_id: parent.trace_id, parent: Some(parent) });
        }
        let mut fields = value.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let formed = is_hex(version, 2) && is_hex(span, 16) && is_hex(flags, 2) && fields.next().is_none();
        let trace_id = TraceId::parse(trace)?;
        formed.then_some(InboundTrace { trace_id, parent: None })
    }
}

/// Returns whether a text is `digits` lower-case hexadecimal digits.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
