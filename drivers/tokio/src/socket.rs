//! TCP sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use nuncio_shared::io::{Accept, Address, BoxFuture, Stream, widen_backlog};
use tokio::net::{TcpListener, TcpStream};

use crate::stream;
use crate::thread::IoThread;

pub(crate) async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

pub(crate) async fn dial(address: SocketAddr) -> io::Result<Stream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(stream(socket))
}

pub(crate) async fn bind(address: Address, thread: Arc<IoThread>) -> io::Result<Listener> {
    let socket = match address {
        Address::Sockets(addresses) => TcpListener::bind(&*addresses).await?,
        Address::Name(name) => TcpListener::bind(name).await?,
    };
    widen_backlog(&socket)?;
    Listener::new(socket.into_std()?, &thread)
}

/// A listening socket. From [`Driver::bind`](nuncio_shared::io::Driver::bind).
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Registers a socket with the reactor of `thread`.
    pub(crate) fn new(socket: StdListener, thread: &IoThread) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let _runtime = thread.handle().enter();
        Ok(Listener(TcpListener::from_std(socket)?))
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
