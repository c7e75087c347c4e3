//! TCP sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use nuncio_shared::io::{Accept, Address, BoxFuture, Stream, widen_backlog};
use smol::Async;
use smol::net::{TcpListener, TcpStream};

use crate::stream;

pub(crate) async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    smol::net::resolve((host, port)).await
}

pub(crate) async fn dial(address: SocketAddr) -> io::Result<Stream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(stream(socket))
}

pub(crate) async fn bind(address: Address) -> io::Result<Listener> {
    let socket = match address {
        Address::Sockets(addresses) => TcpListener::bind(&*addresses).await?,
        Address::Name(name) => TcpListener::bind(name).await?,
    };
    widen_backlog(&socket)?;
    Ok(Listener(socket))
}

/// A listening socket. From [`Driver::bind`](nuncio_shared::io::Driver::bind).
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Registers a socket with smol's reactor, which belongs to no thread.
    pub(crate) fn new(socket: StdListener) -> io::Result<Listener> {
        Ok(Listener(Async::new(socket)?.into()))
    }
}

impl Accept for Listener {
    fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(async {
            let (socket, peer) = self.0.accept().await?;
            // Without the option, small frames are delayed and nothing else goes wrong.
            drop(socket.set_nodelay(true));
            Ok((stream(socket), peer))
        })
    }
}
