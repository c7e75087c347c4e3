//! The server's side of sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::ops::Deref;
use std::sync::Arc;

use nuncio_link::{Link, ServerOptions};
use nuncio_shared::arcp::{Accept, Connection, ListenOptions, Listening, Via};
use nuncio_shared::io::BoxFuture;
use nuncio_shared::io::Stream;
use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::{AsyncToSocketAddrs, TcpListener};

use crate::arcp::ServerBuilder;

/// A runtime in the sense of the specification: it runs agents for the sessions of its clients.
///
/// It works from [`build`](ServerBuilder::build) on, on threads of its own. Connections come from
/// [`listen`](Server::listen), [`serve_stdio`](Server::serve_stdio), and as streams. When the last clone is dropped
/// everything ends at once: jobs, sessions, connections; [`shutdown`](nuncio_shared::arcp::Server::shutdown) is the graceful
/// way. Agents run on smol's global executor, unless they are given another one.
#[derive(Clone, Debug)]
pub struct Server {
    shared: nuncio_shared::arcp::Server,
}

impl Server {
    /// A server to be given agents, a verifier, and limits.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::empty()
    }

    pub(crate) fn of(shared: nuncio_shared::arcp::Server) -> Server {
        Server { shared }
    }

    /// Serves WebSocket on a TCP address, at `/arcp`.
    pub async fn listen(&self, address: impl AsyncToSocketAddrs) -> io::Result<Listening> {
        self.listen_with(address, ListenOptions::default()).await
    }

    /// Serves WebSocket on a TCP address.
    pub async fn listen_with(&self, address: impl AsyncToSocketAddrs, options: ListenOptions) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        self.serve_on(listener, options)
    }

    /// Serves WebSocket on a socket that listens already: from systemd, say.
    pub fn listen_on(&self, listener: StdListener, options: ListenOptions) -> io::Result<Listening> {
        self.serve_on(Async::new(listener)?.into(), options)
    }

    fn serve_on(&self, listener: TcpListener, options: ListenOptions) -> io::Result<Listening> {
        let address = listener.local_addr()?;
        Ok(self.shared.listen(Socket(listener), address, options))
    }

    /// Serves a stream that begins with the HTTP request of a WebSocket upgrade: a socket of one's own, TLS included.
    /// `via` says who could listen to it; credentials are not shown on [`Via::Plain`].
    pub fn accept_websocket<S>(&self, stream: S, via: Via, options: Arc<ServerOptions>) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.shared.attach(Box::pin(stream), Link::server(options), via, "stream")
    }

    /// Serves a WebSocket that somebody else has upgraded: a web framework. Bytes it read beyond the request are lost;
    /// there are none before the 101 is sent.
    pub fn accept_upgraded<S>(&self, stream: S, via: Via) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let link = Link::server_upgraded(self.shared.link_options());
        self.shared.attach(Box::pin(stream), link, via, "upgraded stream")
    }

    /// Serves newline-delimited frames, the form of stdio (§4).
    pub fn accept_lines<S>(&self, stream: S, via: Via) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.shared.attach(Box::pin(stream), Link::lines(self.shared.link_options()), via, "lines")
    }
}

struct Socket(TcpListener);

impl Accept for Socket {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(async {
            let (stream, peer) = self.0.accept().await?;
            // It only costs latency if the system does not want to.
            drop(stream.set_nodelay(true));
            Ok((Box::pin(stream) as Stream, peer))
        })
    }
}

impl Deref for Server {
    type Target = nuncio_shared::arcp::Server;

    fn deref(&self) -> &nuncio_shared::arcp::Server {
        &self.shared
    }
}
