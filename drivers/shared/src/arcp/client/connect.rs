//! Where a client's connections come from.

use std::io;
use std::sync::Arc;

use nuncio_link::{ClientOptions, Link, LinkOptions};

use crate::io::BoxFuture;
use crate::io::{Duplex, Stream};

/// A connected stream, and how frames are written on it.
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
    pub fn websocket<S>(stream: S, options: ClientOptions) -> Transport
    where
        S: Duplex + 'static,
    {
        Transport { stream: Box::pin(stream), framing: Framing::WebSocket(Box::new(options)) }
    }

    /// A WebSocket that somebody else has upgraded.
    pub fn upgraded<S>(stream: S) -> Transport
    where
        S: Duplex + 'static,
    {
        Transport { stream: Box::pin(stream), framing: Framing::Upgraded }
    }

    /// A stream of newline-delimited frames, the form of stdio (§4).
    pub fn lines<S>(stream: S) -> Transport
    where
        S: Duplex + 'static,
    {
        Transport { stream: Box::pin(stream), framing: Framing::Lines }
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

/// Makes connections, on the client's own thread.
pub trait Connector<T>: Send + 'static {
    /// The next connection. It is asked for whenever the former was lost.
    fn connect(&mut self, io: &Arc<T>) -> BoxFuture<'static, io::Result<Transport>>;

    /// How TLS is spoken, for those that do.
    #[cfg(feature = "tls")]
    fn set_tls(&mut self, _tls: crate::auth::tls::ClientTls) {}
}

/// A function as a connector.
pub struct Function<F>(pub F);

impl<T, F, R, S> Connector<T> for Function<F>
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = io::Result<S>> + Send + 'static,
    S: Into<Transport>,
{
    fn connect(&mut self, _io: &Arc<T>) -> BoxFuture<'static, io::Result<Transport>> {
        let connecting = (self.0)();
        Box::pin(async move { connecting.await.map(Into::into) })
    }
}
