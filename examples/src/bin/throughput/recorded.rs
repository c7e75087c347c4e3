//! The frames of a real conversation with Nuncio, recorded by a plain WebSocket client.

use std::error::Error;
use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::{Message, Utf8Bytes, WebSocket};

/// The frames that the baseline sends.
#[derive(Clone)]
pub(crate) struct Frames {
    /// The event frames of a flood.
    pub(crate) events: Vec<Utf8Bytes>,
    /// The submit of an echo.
    pub(crate) submit: Utf8Bytes,
    /// All frames that answer the submit. The terminal is the last one.
    pub(crate) answers: Vec<Utf8Bytes>,
}

/// The number of events to record. They fit into a session's log without an acknowledgement.
const EVENTS: u64 = 4_096;

impl Frames {
    pub(crate) fn record(url: &str) -> Result<Frames, Box<dyn Error + Send + Sync>> {
        let address = url.trim_start_matches("ws://").trim_end_matches("/arcp");
        let (mut socket, _) = tungstenite::client(url, TcpStream::connect(address)?)?;
        let features = ["heartbeat", "ack", "list_jobs", "subscribe", "progress", "result_chunk", "agent_versions"];
        let hello = json!({
            "client": {"name": "recorder", "version": "1"},
            "auth": {"scheme": "bearer", "token": "secret"},
            "capabilities": {"features": features},
        });
        socket.send(Message::Text(frame(1, "session.hello", &hello)))?;
        until(&mut socket, "session.welcome")?;
        let flood = json!({"agent": "flood", "input": EVENTS});
        socket.send(Message::Text(frame(2, "job.submit", &flood)))?;
        let mut events = until(&mut socket, "job.result")?;
        events.retain(|frame| frame.contains(r#""kind":"log""#));
        let submit =
            frame(3, "job.submit", &json!({"agent": "echo", "input": 1_234, "idempotency_key": "0123456789abcdef"}));
        socket.send(Message::Text(submit.clone()))?;
        let answers = until(&mut socket, "job.result")?;
        socket.send(Message::Text(frame(4, "session.close", &json!({}))))?;
        until(&mut socket, "session.closed")?;
        Ok(Frames { events, submit, answers })
    }
}

fn frame(number: u8, kind: &str, payload: &Value) -> Utf8Bytes {
    let id = format!("01JZ8QJ6Z0000000000000000{number}");
    json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}).to_string().into()
}

/// Reads frames up to and including the first of a type.
fn until(socket: &mut WebSocket<TcpStream>, kind: &str) -> Result<Vec<Utf8Bytes>, Box<dyn Error + Send + Sync>> {
    let mut frames = Vec::new();
    loop {
        let Message::Text(text) = socket.read()? else { continue };
        let found: Value = serde_json::from_str(&text)?;
        let ended = found["type"] == kind;
        if found["type"] == "session.error" {
            return Err(text.to_string().into());
        }
        frames.push(text);
        if ended {
            return Ok(frames);
        }
    }
}
