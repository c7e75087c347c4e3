//! A WebSocket with plain frames: conversations to record, and sessions that do nothing.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, Utf8Bytes, WebSocket};

use crate::Result;

pub(crate) type Socket = WebSocket<TcpStream>;

/// The token of the principal that is measured, on every server.
pub(crate) const TOKEN: &str = "tok-alice";

/// Returns the configuration that corresponds to Nuncio's link.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4 * 1024)
}

pub(crate) fn connect(url: &str) -> Result<Socket> {
    let rest = url.strip_prefix("ws://").ok_or("the URL begins with ws://")?;
    let stream = TcpStream::connect(rest.split('/').next().unwrap_or(rest))?;
    stream.set_nodelay(true)?;
    let (socket, _) =
        tungstenite::client::client_with_config(url, stream, Some(config())).map_err(|e| e.to_string())?;
    Ok(socket)
}

/// Opens a session.
pub(crate) fn hello(url: &str, features: &[&str]) -> Result<Socket> {
    let mut socket = connect(url)?;
    let hello = json!({
        "client": {"name": "bench", "version": "1"},
        "auth": {"scheme": "bearer", "token": TOKEN},
        "capabilities": {"encodings": ["json"], "features": features},
    });
    socket.send(Message::Text(frame(1, "session.hello", &hello)))?;
    until(&mut socket, "session.welcome")?;
    Ok(socket)
}

/// Ends a session, so that the server forgets it.
pub(crate) fn bye(mut socket: Socket) -> Result<()> {
    socket.send(Message::Text(frame(9, "session.close", &json!({}))))?;
    // A server that closes the connection without an answer has ended the session as well.
    while text(&mut socket).is_ok_and(|text| !text.contains("session.closed")) {}
    Ok(())
}

pub(crate) fn frame(number: u8, kind: &str, payload: &Value) -> Utf8Bytes {
    let id = format!("01JZ8QJ6Z0000000000000000{number}");
    json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}).to_string().into()
}

/// Returns the next text.
pub(crate) fn text(socket: &mut Socket) -> std::result::Result<Utf8Bytes, tungstenite::Error> {
    loop {
        if let Message::Text(text) = socket.read()? {
            return Ok(text);
        }
    }
}

/// Reads frames up to and including the first of a type.
pub(crate) fn until(socket: &mut Socket, kind: &str) -> Result<Vec<Utf8Bytes>> {
    let mut frames = Vec::new();
    loop {
        let text = text(socket)?;
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
