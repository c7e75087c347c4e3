//! Envelopes against `serde_json`'s values.

use nuncio_core::arcp::wire::{Envelope, MAX_INTEGER, Text};
use serde_json::Value;

/// A parsed envelope has the members that any JSON parser sees.
pub fn envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(envelope) = Envelope::parse(text) else { return };
    // A lone surrogate is passed through in a payload, but is not a string for `serde_json`.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let members: [(&str, &Option<Text<'_>>); 6] = [
        ("arcp", &envelope.arcp),
        ("id", &envelope.id),
        ("type", &envelope.kind),
        ("session_id", &envelope.session_id),
        ("trace_id", &envelope.trace_id),
        ("job_id", &envelope.job_id),
    ];
    for (name, read) in members {
        assert_eq!(read.as_ref().map(Text::as_str), value[name].as_str(), "{name}");
    }
    let seq = envelope.event_seq.map(|seq| seq.0);
    assert_eq!(seq, value["event_seq"].as_u64());
    assert!(seq.is_none_or(|seq| seq <= MAX_INTEGER));
    for (name, raw) in [("payload", envelope.payload), ("extensions", envelope.extensions)] {
        let read = raw.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).expect("raw JSON is JSON"));
        assert_eq!(read, value[name], "{name}");
    }
}
