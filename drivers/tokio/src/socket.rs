//! TCP sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};

use nuncio_shared::io::{Accept, Address, BoxFuture, Stream, widen_backlog};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

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
            Ok((stream(Moving::new(socket)), peer))
        })
    }
}

/// A socket that is registered with the reactor of the thread that reads from it, also after another thread has taken the
/// connection over.
struct Moving {
    /// `None` once registering it has failed.
    socket: Option<TcpStream>,
    home: ThreadId,
}

impl Moving {
    fn new(socket: TcpStream) -> Moving {
        Moving { socket: Some(socket), home: thread::current().id() }
    }

    /// Returns the socket, registered with the reactor of this thread if that has one.
    fn at_home(&mut self) -> io::Result<&mut TcpStream> {
        let here = thread::current().id();
        if here != self.home && Handle::try_current().is_ok() {
            self.home = here;
            if let Some(socket) = self.socket.take() {
                self.socket = Some(TcpStream::from_std(socket.into_std()?)?);
            }
        }
        self.socket()
    }

    fn socket(&mut self) -> io::Result<&mut TcpStream> {
        self.socket.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Moving {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.at_home()?).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Moving {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.socket()?).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket()?).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket()?).poll_shutdown(cx)
    }
}
