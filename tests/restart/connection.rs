//! A connection to a server that may be killed at any moment.

use std::io::ErrorKind;
use std::net::TcpStream;

use nuncio_tests::raw::PATIENCE;
use serde_json::Value;
use tungstenite::{Error, Message, WebSocket};

pub(crate) struct Connection(WebSocket<TcpStream>);

impl Connection {
    /// Connects, or returns `None` if the server is gone.
    pub(crate) fn open(url: &str) -> Option<Connection> {
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap();
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(Connection(tungstenite::client(url, stream).ok()?.0))
    }

    /// Sends a frame. A failure is ignored: it shows in what is read.
    pub(crate) fn send(&mut self, frame: &Value) {
        drop(self.0.send(Message::text(frame.to_string())));
    }

    /// Reads the next frame, or returns `None` at the end of the connection.
    ///
    /// # Panics
    /// If no frame arrives in time.
    pub(crate) fn read(&mut self) -> Option<String> {
        loop {
            match self.0.read() {
                Ok(Message::Text(frame)) => return Some(frame.to_string()),
                Ok(Message::Close(_)) => return None,
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("no frame arrived")
                }
                Err(_) => return None,
            }
        }
    }
}
