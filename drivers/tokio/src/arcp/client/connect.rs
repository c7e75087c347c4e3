//! Where a client's connections come from.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_link::ClientOptions;
use nuncio_shared::arcp::Connector;
use nuncio_shared::io::BoxFuture;
use nuncio_shared::io::{Io as _, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::thread::IoThread;

/// A connected stream, and how frames are written on it.
#[derive(Debug)]
pub struct Transport(nuncio_shared::arcp::Transport);

impl Transport {
    /// A stream to a WebSocket server, which is asked to upgrade: TCP, TLS, anything.
    pub fn websocket<S>(stream: S, options: ClientOptions) -> Transport
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Transport(nuncio_shared::arcp::Transport::websocket(stream.compat(), options))
    }

    /// A WebSocket that somebody else has upgraded.
    pub fn upgraded<S>(stream: S) -> Transport
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Transport(nuncio_shared::arcp::Transport::upgraded(stream.compat()))
    }

    /// A stream of newline-delimited frames, the form of stdio (§4).
    pub fn lines<S>(stream: S) -> Transport
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Transport(nuncio_shared::arcp::Transport::lines(stream.compat()))
    }
}

impl From<nuncio_shared::arcp::Transport> for Transport {
    fn from(shared: nuncio_shared::arcp::Transport) -> Transport {
        Transport(shared)
    }
}

impl From<Transport> for nuncio_shared::arcp::Transport {
    fn from(transport: Transport) -> nuncio_shared::arcp::Transport {
        transport.0
    }
}

/// Connects by TCP.
pub(super) async fn dial(host: String, port: u16) -> io::Result<Stream> {
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    Ok(Box::pin(stream.compat()))
}

/// A child process, once: its session ends with it.
pub(super) struct Process(pub(super) Option<Command>);

impl Connector<IoThread> for Process {
    fn connect(&mut self, io: &Arc<IoThread>) -> BoxFuture<'static, io::Result<nuncio_shared::arcp::Transport>> {
        let spawned =
            self.0.take().ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the child process has ended"));
        let spawned = spawned.and_then(|command| Process::spawn(command, io)).map(Into::into);
        Box::pin(std::future::ready(spawned))
    }
}

impl Process {
    fn spawn(mut command: Command, io: &Arc<IoThread>) -> io::Result<Transport> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                let reaper = Reaper { child: Some(child), io: Arc::clone(io) };
                Ok(Transport::lines(Pipes { stdin: Some(stdin), stdout, _reaper: reaper }))
            }
            (None, _) | (_, None) => Err(io::Error::other("the child process has no pipes")),
        }
    }
}

/// The pipes of a child process.
struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    _reaper: Reaper,
}

impl AsyncRead for Pipes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// A pipe is shut down by being closed: the child sees the end of its input.
    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

/// Gives a child whose input has ended some time to end by itself.
struct Reaper {
    child: Option<Child>,
    io: Arc<IoThread>,
}

impl Drop for Reaper {
    fn drop(&mut self) {
        const GRACE: Duration = Duration::from_secs(5);
        let Some(mut child) = self.child.take() else { return };
        let io = Arc::clone(&self.io);
        self.io.spawn(Box::pin(async move {
            if !matches!(tokio::time::timeout(GRACE, child.wait()).await, Ok(Ok(_))) {
                // It may be gone by itself by now.
                drop(child.kill().await);
            }
            drop(io);
        }));
    }
}
