//! A connection to a server that may be gone at any moment.

use std::io::ErrorKind;
use std::net::TcpStream;

use nuncio_tests::raw::PATIENCE;
use serde_json::Value;
use tungstenite::{Error, Message, WebSocket};

pub(crate) struct Line(WebSocket<TcpStream>);

impl Line {
    /// `None` if nobody is there any more.
    pub(crate) fn open(url: &str) -> Option<Line> {
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap();
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(Line(tungstenite::client(url, stream).ok()?.0))
    }

    /// Whether it arrives shows in what comes back.
    pub(crate) fn send(&mut self, frame: &Value) {
        drop(self.0.send(Message::text(frame.to_string())));
    }

    /// The next frame; `None` at the end of the connection.
    ///
    /// # Panics
    /// If nothing comes.
    pub(crate) fn read(&mut self) -> Option<String> {
        loop {
            match self.0.read() {
                Ok(Message::Text(frame)) => return Some(frame.to_string()),
                Ok(Message::Close(_)) => return None,
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("nothing comes")
                }
                Err(_) => return None,
            }
        }
    }
}
