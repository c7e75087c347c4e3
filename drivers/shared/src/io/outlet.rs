//! The output of a connection: frames from the pipe through the link to the stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_lite::AsyncWrite;
use futures_lite::future::poll_fn;
use nuncio_link::{Link, Refusal, code};

use super::pipe::{Outlet, Pipe};
use super::port::Port;
use super::sync::lock;

/// The output of a connection. Its task writes what the machine sends; a thread that has something to send and finds that
/// nothing is being written may [write it itself](Outlet::write_now), which saves waking the task.
pub(super) struct Output<P, W> {
    link: Arc<Mutex<Link>>,
    pipe: Arc<Pipe>,
    port: Arc<P>,
    /// Held by the thread that writes. It is never held while that waits.
    sink: Mutex<Sink<W>>,
}

struct Sink<W> {
    stream: W,
    frames: Vec<Bytes>,
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    written: usize,
    /// How many frames the bytes are.
    count: usize,
    /// Whether the link reads no more until the bytes are written.
    paused: bool,
    is_broken: bool,
}

/// Why nothing is left to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// Everything was written.
    Idle,
    /// Everything was written, and nothing follows.
    Finished,
    /// Writing has failed.
    Broken,
}

/// Batches that a thread writes for others before it leaves the rest to the task.
const BATCHES: usize = 4;

impl<P: Port, W: AsyncWrite + Unpin + Send> Output<P, W> {
    pub(super) fn new(link: Arc<Mutex<Link>>, pipe: Arc<Pipe>, port: Arc<P>, stream: W) -> Output<P, W> {
        let sink = Sink {
            stream,
            frames: Vec::new(),
            bytes: Vec::new(),
            written: 0,
            count: 0,
            paused: false,
            is_broken: false,
        };
        Output { link, pipe, port, sink: Mutex::new(sink) }
    }

    /// Writes until the connection ends.
    pub(super) async fn run(&self) {
        loop {
            let done = poll_fn(|cx| {
                let mut sink = lock(&self.sink);
                loop {
                    if let Some(done) = ready!(self.poll_batch(&mut sink, cx)) {
                        return Poll::Ready(done);
                    }
                }
            });
            match done.await {
                Done::Idle => {}
                Done::Broken => return,
                Done::Finished => {
                    // It makes no difference if the peer has closed first.
                    drop(poll_fn(|cx| Pin::new(&mut lock(&self.sink).stream).poll_close(cx)).await);
                    return;
                }
            }
            self.pipe.writable.notified().await;
        }
    }

    /// Writes the bytes that are left, and takes the next ones. Returns whether nothing is left, and why.
    fn poll_batch(&self, sink: &mut Sink<W>, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        if sink.is_broken {
            return Poll::Ready(Some(Done::Broken));
        }
        if ready!(sink.poll_write(cx)).is_err() {
            sink.is_broken = true;
            self.pipe.broken();
            return Poll::Ready(Some(Done::Broken));
        }
        if std::mem::take(&mut sink.paused) {
            self.pipe.readable.notify();
        }
        let count = std::mem::take(&mut sink.count);
        if count > 0 {
            self.port.sent(count);
        }
        let orders = self.pipe.take(&mut sink.frames);
        sink.count = sink.frames.len();
        {
            let mut link = lock(&self.link);
            for frame in sink.frames.drain(..) {
                link.send(&frame);
            }
            if let Some((code, reason)) = orders.close {
                // A handshake that is still going on has run into the deadline of the hello, or the server is full.
                link.refuse(if code == code::POLICY { Refusal::Slow } else { Refusal::Busy });
                link.close(code, reason);
                self.pipe.readable.notify();
            }
            // The link reads no more until its answers to pings are written.
            sink.paused = !link.wants_input();
            link.take_output(&mut sink.bytes);
        }
        if sink.count > 0 || !sink.bytes.is_empty() {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut sink.paused) {
            self.pipe.readable.notify();
        }
        if orders.finish {
            return Poll::Ready(Some(Done::Finished));
        }
        // A connection that waits holds no buffers.
        (sink.frames, sink.bytes) = (Vec::new(), Vec::new());
        Poll::Ready(Some(Done::Idle))
    }
}

impl<W: AsyncWrite + Unpin> Sink<W> {
    /// Whether bytes are left that the stream has not taken.
    fn is_writing(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Writes the bytes that are left, and flushes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.bytes.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<P: Port, W: AsyncWrite + Unpin + Send> Outlet for Output<P, W> {
    fn write_now(&self) {
        let done = match self.sink.try_lock() {
            // The task waits for the stream.
            Ok(sink) if sink.is_writing() => false,
            Ok(mut sink) => self.write_batches(&mut sink),
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => false,
        };
        if !done {
            self.pipe.writable.notify();
        }
    }
}

impl<P: Port, W: AsyncWrite + Unpin + Send> Output<P, W> {
    /// Writes some batches as far as the stream takes them at once. Returns whether everything is written.
    fn write_batches(&self, sink: &mut Sink<W>) -> bool {
        // The task is woken if the stream is full, and waits for it then.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..BATCHES {
            match self.poll_batch(sink, &mut cx) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(done)) => return done == Done::Idle,
                Poll::Pending => return false,
            }
        }
        false
    }
}
