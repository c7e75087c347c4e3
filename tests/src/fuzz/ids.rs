//! Generated ids in fuzz inputs, which were written before the ids were generated.

use nuncio_core::arcp::wire::Envelope;
use serde_json::Value;

/// The maximum number of ids that are remembered.
const KEPT: usize = 40;

/// Ids and tokens in the order in which they were first sent. In an input, `$0` stands for the first of them, `$1` for
/// the second, and so on through the bytes after `0`.
#[derive(Default)]
pub(super) struct Ids(Vec<String>);

impl Ids {
    /// Remembers the ids of a sent frame, after checking that it is a valid frame.
    pub(super) fn learn(&mut self, frame: &[u8]) -> Value {
        let text = std::str::from_utf8(frame).expect("a sent frame is text");
        Envelope::<Value>::parse(text).expect("a sent frame is an envelope");
        let value: Value = serde_json::from_str(text).expect("a sent frame is JSON");
        let payload = &value["payload"];
        let named = ["session_id", "job_id", "id", "resume_token", "nonce", "next_cursor", "result_id"];
        for found in named.iter().flat_map(|name| [&value[name], &payload[name]]).filter_map(Value::as_str) {
            if self.0.len() < KEPT && self.0.iter().all(|known| known != found) {
                self.0.push(found.to_owned());
            }
        }
        value
    }

    /// Returns the input with `$` and the following byte replaced by an id.
    pub(super) fn insert(&self, line: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(line.len());
        let mut bytes = line.iter();
        while let Some(byte) = bytes.next() {
            let named = (*byte == b'$').then(|| bytes.clone().next()).flatten();
            match named.and_then(|name| self.0.get(usize::from(name.wrapping_sub(b'0')))) {
                Some(id) => {
                    out.extend_from_slice(id.as_bytes());
                    bytes.next();
                }
                None => out.push(*byte),
            }
        }
        out
    }
}
