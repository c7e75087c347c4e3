//! Streams that end when nothing moves on them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_shared::io::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream that fails with [`io::ErrorKind::TimedOut`] once neither a read nor a write has moved a byte for a time, so that
/// a peer which never reads its answer does not keep a connection. For HTTP servers without such a limit of their own.
///
/// ```
/// use std::time::Duration;
///
/// use nuncio_tokio::IdleLimit;
/// use tokio::io::AsyncReadExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (ours, _theirs) = tokio::io::duplex(64);
/// let mut stream = IdleLimit::new(ours, Duration::from_millis(1), std::future::pending());
/// let error = stream.read(&mut [0; 8]).await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
/// # }
/// ```
pub struct IdleLimit<S> {
    stream: S,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    /// `None` once it has completed.
    end: Option<BoxFuture<'static, ()>>,
}

impl<S> IdleLimit<S> {
    /// Limits a stream. It also fails once `end` completes, and drops `end` with itself.
    pub fn new(stream: S, idle: Duration, end: impl Future<Output = ()> + Send + 'static) -> IdleLimit<S> {
        IdleLimit { stream, idle, deadline: Box::pin(sleep(idle)), end: Some(Box::pin(end)) }
    }

    /// Fails if the time is over.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.end.as_mut().is_none_or(|end| end.as_mut().poll(cx).is_ready()) {
            self.end = None;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the connection has made way for another one"));
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing has moved on the connection for too long"));
        }
        Ok(())
    }

    /// Notes the result of a read or a write.
    fn moved<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(result) => {
                let deadline = sleep(self.idle);
                self.deadline.set(deadline);
                Poll::Ready(result)
            }
            Poll::Pending => match self.check(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleLimit<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.moved(cx, read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.moved(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            // A flush without anything to write moves nothing.
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.moved(cx, Poll::Pending),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.moved(cx, shut)
    }
}

impl<S> std::fmt::Debug for IdleLimit<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdleLimit").field("idle", &self.idle).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_left_and_one_that_moves_is_not() {
        const IDLE: Duration = Duration::from_secs(10);
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut stream = IdleLimit::new(ours, IDLE, std::future::pending());
        let reader = tokio::spawn(async move {
            let mut byte = [0];
            for _ in 0..20 {
                tokio::time::sleep(IDLE / 2).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
            theirs
        });
        // 24 bytes, of which 20 are read, each before the time is over.
        stream.write_all(&[7; 24]).await.unwrap();
        let theirs = reader.await.unwrap();
        let written = tokio::time::timeout(IDLE + Duration::from_millis(5), stream.write_all(&[7])).await;
        assert_eq!(written.expect("it is left in time").unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn the_debug_form_shows_the_limit_and_nothing_of_the_stream() {
        let limited = IdleLimit::new(&b"secret"[..], Duration::from_secs(10), std::future::pending());
        assert_eq!(format!("{limited:?}"), "IdleLimit { idle: 10s, .. }");
    }

    #[tokio::test]
    async fn a_stream_makes_way() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut stream = IdleLimit::new(ours, Duration::from_hours(1), async move { drop(ended.await) });
        let reading = tokio::spawn(async move { stream.read_u8().await.unwrap_err().kind() });
        drop(end);
        assert_eq!(reading.await.unwrap(), io::ErrorKind::TimedOut);
    }
}
