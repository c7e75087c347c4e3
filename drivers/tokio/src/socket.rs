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

/// A socket that is registered with the reactor of the thread that carries its connection, also after another thread has taken
/// that over. Both tasks of the connection are on that thread: one that waits for the socket while the other registers it
/// elsewhere would not be woken.
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
        Pin::new(self.at_home()?).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.at_home()?).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.at_home()?).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read as _, Write as _};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use nuncio_shared::io::Io as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The peer of a connection that lingers sees its end before the socket is closed.
    #[test]
    fn a_socket_that_is_shut_down_can_still_be_read() {
        let thread = IoThread::start("test").unwrap();
        let socket = StdListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let listener = Listener::new(socket, &thread).unwrap();
        let (done, ended) = channel();
        thread.spawn(Box::pin(async move {
            let (stream, _) = listener.0.accept().await.unwrap();
            let mut moving = Moving::new(stream);
            moving.write_all(b"last").await.unwrap();
            moving.shutdown().await.unwrap();
            let mut read = Vec::new();
            moving.read_to_end(&mut read).await.unwrap();
            done.send(read).unwrap();
        }));
        let mut read = Vec::new();
        peer.read_to_end(&mut read).expect("the end is seen");
        assert_eq!(read, b"last");
        peer.write_all(b"late").unwrap();
        drop(peer);
        assert_eq!(ended.recv_timeout(Duration::from_mins(1)), Ok(b"late".to_vec()));
    }

    /// Whatever is done first on the new thread: a writer that waits there is woken.
    #[test]
    fn a_socket_that_has_moved_wakes_the_tasks_of_its_new_thread() {
        let (first, second) = (IoThread::start("first").unwrap(), IoThread::start("second").unwrap());
        let socket = StdListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let listener = Listener::new(socket, &first).unwrap();
        let ((waiting, wait), (done, ended)) = (channel(), channel());
        let there = Arc::clone(&second);
        first.spawn(Box::pin(async move {
            let (stream, _) = listener.0.accept().await.unwrap();
            let mut moving = Moving::new(stream);
            moving.write_all(b"x").await.unwrap();
            there.spawn(Box::pin(async move {
                let (mut reader, mut writer) = tokio::io::split(moving);
                // More than the buffers of both sockets take, so that it waits; then the reader waits, too.
                tokio::spawn(async move { writer.write_all(&vec![b'x'; 32 << 20]).await.unwrap() });
                tokio::task::yield_now().await;
                let mut buffer = [0; 8];
                let mut reading = Box::pin(reader.read(&mut buffer));
                assert!(poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await);
                waiting.send(()).unwrap();
                assert_eq!(reading.await.unwrap(), 0, "the peer closes once it has read everything");
                done.send(()).unwrap();
            }));
        }));
        wait.recv_timeout(Duration::from_mins(1)).expect("both wait");
        peer.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let (mut buffer, mut left) = (vec![0; 1 << 20], 1 + (32 << 20));
        while left > 0 {
            left -= peer.read(&mut buffer).expect("the writer is woken");
        }
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(ended.recv_timeout(Duration::from_mins(1)), Ok(()));
    }
}
