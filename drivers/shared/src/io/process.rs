//! The pipes of a child process as a stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

use super::Stream;
use super::clock::timeout;
use super::driver::{Child, Io, Process};

/// How long a child may take to end after its stdin was closed, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

impl Process {
    /// Returns the two pipes as one stream. When the stream is dropped, the child has 5 s to end by itself; `io` carries
    /// the task that waits for it.
    pub(crate) fn into_stream<T: Io>(self, io: &Arc<T>) -> Stream {
        let reaper = Reaper { child: Some(self.child), io: Arc::clone(io) };
        Box::pin(Pipes { stdin: Some(self.stdin), stdout: self.stdout, _reaper: reaper })
    }
}

/// The pipes of a child, as one stream.
struct Pipes<T: Io> {
    stdin: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    stdout: Pin<Box<dyn AsyncRead + Send>>,
    _reaper: Reaper<T>,
}

impl<T: Io> AsyncRead for Pipes<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.stdout.as_mut().poll_read(cx, buffer)
    }
}

impl<T: Io> AsyncWrite for Pipes<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => stdin.as_mut().poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => stdin.as_mut().poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Drops the pipe, so that the child sees the end of its input.
    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

/// Waits for a child that is no longer needed, and kills it after the grace period.
struct Reaper<T: Io> {
    child: Option<Box<dyn Child>>,
    io: Arc<T>,
}

impl<T: Io> Drop for Reaper<T> {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let io = Arc::clone(&self.io);
        self.io.spawn(Box::pin(async move {
            if !matches!(timeout(&*io, GRACE, child.wait()).await, Some(Ok(()))) {
                // Both fail only if the child has ended in the meantime.
                drop(child.kill());
                drop(child.wait().await);
            }
        }));
    }
}
