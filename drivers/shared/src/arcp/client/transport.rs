//! Connected streams.

use nuncio_link::{ClientOptions, Link, LinkOptions};

use crate::io::Stream;

/// A connected stream, and how frames are written on it.
#[must_use = "a client uses the transport that its `connect` function returns"]
pub struct Transport {
    pub(super) stream: Stream,
    framing: Framing,
}

enum Framing {
    WebSocket(Box<ClientOptions>),
    Upgraded,
    Lines,
}

impl Transport {
    /// A stream to a WebSocket server, which is asked to upgrade: TCP, TLS, anything.
    pub fn websocket(stream: Stream, options: ClientOptions) -> Transport {
        Transport { stream, framing: Framing::WebSocket(Box::new(options)) }
    }

    /// A WebSocket that somebody else has upgraded.
    pub fn upgraded(stream: Stream) -> Transport {
        Transport { stream, framing: Framing::Upgraded }
    }

    /// A stream of newline-delimited frames, the form of stdio (§4).
    pub fn lines(stream: Stream) -> Transport {
        Transport { stream, framing: Framing::Lines }
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
