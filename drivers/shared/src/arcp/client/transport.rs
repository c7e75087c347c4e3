//! Connected streams.

use nuncio_link::{ClientOptions, Link, LinkOptions};

use crate::io::Stream;

/// A connected stream, and how frames are written on it.
#[must_use = "a client uses the transport that its `connect` function returns"]
pub struct Transport {
    pub(super) stream: Stream,
    framing: Framing,
    /// Whether any thread may write to the stream.
    pub(super) is_written_anywhere: bool,
}

enum Framing {
    WebSocket(Box<ClientOptions>),
    Upgraded,
    Lines,
}

impl Transport {
    /// Returns a transport over a stream (TCP, TLS or any other) to a WebSocket server, which is sent an upgrade
    /// request.
    pub fn websocket(stream: Stream, options: ClientOptions) -> Transport {
        Transport::new(stream, Framing::WebSocket(Box::new(options)))
    }

    /// Returns a transport over a WebSocket connection that is already upgraded.
    pub fn upgraded(stream: Stream) -> Transport {
        Transport::new(stream, Framing::Upgraded)
    }

    /// Returns a transport over a stream of newline-delimited frames, as on stdio (§4).
    pub fn lines(stream: Stream) -> Transport {
        Transport::new(stream, Framing::Lines)
    }

    /// A stream of the application may need the thread that it is read on, so that only this thread writes to it.
    fn new(stream: Stream, framing: Framing) -> Transport {
        Transport { stream, framing, is_written_anywhere: false }
    }

    /// Lets any thread write to the stream, which is one of the driver or within the process.
    pub(crate) fn written_anywhere(self) -> Transport {
        Transport { is_written_anywhere: true, ..self }
    }

    pub(super) fn link(&mut self, max_message: usize) -> Link {
        let options = LinkOptions { max_message };
        match &mut self.framing {
            Framing::WebSocket(client) => {
                client.link = options;
                Link::client(client)
            }
            Framing::Upgraded => Link::client_upgraded(options),
            Framing::Lines => Link::lines(options),
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}
