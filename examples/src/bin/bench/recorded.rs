//! The frames of a real conversation with Nuncio, which the floor sends and reads.

use std::fs;
use std::path::Path;

use serde_json::json;
use tungstenite::{Message, Utf8Bytes};

use crate::Result;
use crate::raw::{frame, hello, until};

/// The frames that the floor carries.
#[derive(Clone)]
pub(crate) struct Frames {
    /// The event frames of a flood.
    pub(crate) events: Vec<Utf8Bytes>,
    /// The event frames of a streamed result.
    pub(crate) chunks: Vec<Utf8Bytes>,
    /// The submit of an echo.
    pub(crate) submit: Utf8Bytes,
    /// All frames that answer the submit. The terminal is the last one.
    pub(crate) answers: Vec<Utf8Bytes>,
}

/// The number of events to record. They fit into a session's log without an acknowledgement.
const EVENTS: u64 = 2_048;

impl Frames {
    /// Records the frames of Nuncio's server.
    pub(crate) fn record(url: &str) -> Result<Frames> {
        let features = ["heartbeat", "ack", "list_jobs", "subscribe", "progress", "result_chunk", "agent_versions"];
        let mut socket = hello(url, &features)?;
        socket.send(Message::Text(frame(2, "job.submit", &json!({"agent": "flood", "input": EVENTS}))))?;
        let mut events = until(&mut socket, "job.result")?;
        events.retain(|frame| frame.contains(r#""kind":"log""#));
        socket.send(Message::Text(frame(3, "job.submit", &json!({"agent": "stream", "input": 1}))))?;
        let mut chunks = until(&mut socket, "job.result")?;
        chunks.retain(|frame| frame.contains(r#""kind":"result_chunk""#));
        let submit =
            frame(4, "job.submit", &json!({"agent": "echo", "input": 1_234, "idempotency_key": "0123456789abcdef"}));
        socket.send(Message::Text(submit.clone()))?;
        let answers = until(&mut socket, "job.result")?;
        socket.send(Message::Text(frame(5, "session.close", &json!({}))))?;
        until(&mut socket, "session.closed")?;
        Ok(Frames { events, chunks, submit, answers })
    }

    /// Writes the frames to a file, one in a line and a blank line after each kind.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let submit = std::slice::from_ref(&self.submit);
        let mut text = String::new();
        let kinds = [&self.events, &self.chunks, submit, &self.answers];
        for frame in kinds.into_iter().flat_map(|kind| kind.iter().map(Utf8Bytes::as_str).chain([""])) {
            text.push_str(frame);
            text.push('\n');
        }
        Ok(fs::write(file, text)?)
    }

    /// Reads what [`write`](Frames::write) has written.
    pub(crate) fn read(file: &Path) -> Result<Frames> {
        let text = fs::read_to_string(file)?;
        let kinds: Vec<Vec<Utf8Bytes>> =
            text.trim_end().split("\n\n").map(|kind| kind.lines().map(Utf8Bytes::from).collect()).collect();
        let [events, chunks, submit, answers] =
            <[_; 4]>::try_from(kinds).map_err(|_| "there are four kinds of frames")?;
        let submit = submit.into_iter().next().ok_or("there is a submit")?;
        Ok(Frames { events, chunks, submit, answers })
    }
}
