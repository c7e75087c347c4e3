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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::Waker;
    use std::time::Instant;

    use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::io::BoxFuture;
    use crate::io::memory::End;
    use crate::io::sync::lock;

    /// A thread whose timers have passed at once, and whose tasks are polled once.
    struct Hasty;

    impl Io for Hasty {
        fn spawn(&self, mut task: BoxFuture<'static, ()>) {
            assert!(poll(task.as_mut()).is_ready(), "it waits for nothing more");
        }

        fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// A child that ends by itself, or when it is killed, and the calls that it gets.
    struct Script {
        ends: bool,
        calls: Arc<Mutex<Vec<&'static str>>>,
    }

    impl Child for Script {
        fn wait(&mut self) -> BoxFuture<'_, io::Result<()>> {
            lock(&self.calls).push("wait");
            if self.ends { Box::pin(std::future::ready(Ok(()))) } else { Box::pin(std::future::pending()) }
        }

        fn kill(&mut self) -> io::Result<()> {
            lock(&self.calls).push("kill");
            self.ends = true;
            Ok(())
        }
    }

    fn child(ends: bool) -> (Stream, End, Arc<Mutex<Vec<&'static str>>>) {
        let (ours, theirs) = End::pair(64);
        let (stdout, stdin) = futures_lite::io::split(ours);
        let calls = Arc::default();
        let script = Script { ends, calls: Arc::clone(&calls) };
        let process = Process { stdin: Box::pin(stdin), stdout: Box::pin(stdout), child: Box::new(script) };
        (process.into_stream(&Arc::new(Hasty)), theirs, calls)
    }

    #[test]
    fn a_child_that_does_not_end_when_it_is_left_is_killed() {
        for (ends, expected) in [(true, &["wait"][..]), (false, &["wait", "kill", "wait"])] {
            let (stream, _theirs, calls) = child(ends);
            assert_eq!(*lock(&calls), [""; 0], "it is in use");
            drop(stream);
            assert_eq!(*lock(&calls), expected);
        }
    }

    /// Polls a future to its end. The pipes in memory do nothing now and then although they could.
    fn finish<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut polls = (0..1_000).map(|_| poll(future.as_mut()));
        let done = polls.find_map(|poll| if let Poll::Ready(done) = poll { Some(done) } else { None });
        done.unwrap_or_else(|| panic!("it waits for something"))
    }

    #[test]
    fn the_pipes_of_a_child_are_one_stream_until_its_stdin_is_closed() {
        let (mut stream, mut theirs, _calls) = child(true);
        let mut read = [0; 3];
        assert!(finish(stream.write_all(b"ask")).is_ok());
        assert!(finish(stream.flush()).is_ok());
        assert!(finish(theirs.read_exact(&mut read)).is_ok());
        assert_eq!(&read, b"ask");
        assert!(finish(theirs.write_all(b"say")).is_ok());
        assert!(finish(stream.read_exact(&mut read)).is_ok());
        assert_eq!(&read, b"say");
        assert!(finish(stream.close()).is_ok());
        assert!(finish(stream.flush()).is_ok(), "nothing is left to write");
        let error = finish(stream.write_all(b"more")).map_err(|error| error.kind());
        assert_eq!(error, Err(io::ErrorKind::BrokenPipe), "it is closed");
    }
}
