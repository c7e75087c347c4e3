//! The output of a connection: frames from the pipe through the link to the stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_lite::AsyncWrite;
use futures_lite::future::poll_fn;
use nuncio_core::arcp::wire::close;
use nuncio_link::{Link, Refusal, code};

use super::Io;
use super::lane::Lane;
use super::pipe::{Outlet, Pipe};
use super::port::Port;
use super::sync::lock;

/// The output of a connection. Its task writes what the machine sends; a thread that has something to send and finds that
/// nothing is being written may [write it itself](Outlet::write_now), which saves waking the task.
pub(super) struct Output<P, W> {
    link: Arc<Mutex<Link>>,
    pipe: Arc<Pipe>,
    port: Arc<P>,
    /// The lane of the peer, once the machine knows that.
    lane: OnceLock<Arc<Lane>>,
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
    /// How many bytes were written that the lane was not told of.
    moved: usize,
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
            moved: 0,
            paused: false,
            is_broken: false,
        };
        Output { link, pipe, port, lane: OnceLock::new(), sink: Mutex::new(sink) }
    }

    /// The lane whose time the task spends.
    pub(super) fn lane(&self) -> &OnceLock<Arc<Lane>> {
        &self.lane
    }

    /// Writes until the connection ends. A peer whose socket takes megabytes at once, or who has many connections, makes others
    /// wait for no longer than its lane works between two rests.
    pub(super) async fn run(&self, io: &dyn Io) {
        loop {
            if let Some(lane) = self.lane.get() {
                lane.enter().await;
            }
            match poll_fn(|cx| self.poll_turn(cx, io)).await {
                None => continue,
                Some(Done::Idle) => {}
                Some(Done::Broken) => return,
                Some(Done::Finished) => {
                    // It makes no difference if the peer has closed first.
                    drop(poll_fn(|cx| Pin::new(&mut lock(&self.sink).stream).poll_close(cx)).await);
                    return;
                }
            }
            self.pipe.writable.notified().await;
        }
    }

    /// Writes batches for as long as the lane works. Returns why nothing is left to write, or `None` if the lane rests before.
    fn poll_turn(&self, cx: &mut Context<'_>, io: &dyn Io) -> Poll<Option<Done>> {
        let mut sink = lock(&self.sink);
        loop {
            let batch = self.poll_batch(&mut sink, cx);
            let (moved, lane) = (std::mem::take(&mut sink.moved), self.lane.get());
            if let Some(lane) = lane.filter(|_| moved > 0) {
                lane.spend_bytes(moved, io);
            }
            match ready!(batch) {
                Some(done) => return Poll::Ready(Some(done)),
                None if lane.is_some_and(|lane| lane.is_resting()) => return Poll::Ready(None),
                None => {}
            }
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
                // For a handshake that is still going on.
                link.refuse(match code {
                    close::TOO_MANY_LOGINS => Refusal::TooManyLogins,
                    // The deadline of the hello has passed.
                    code::POLICY => Refusal::Slow,
                    _ => Refusal::Busy,
                });
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
                Ok(count) => {
                    self.written += count;
                    self.moved += count;
                }
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
            Ok(mut sink) => {
                let done = self.write_batches(&mut sink);
                // A lane is about the time of the task's thread.
                sink.moved = 0;
                done
            }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use nuncio_link::{Closed, Request, Utf8Bytes};

    use super::*;
    use crate::io::by_hand::ByHand;
    use crate::io::port::Turn;

    const FRAME: usize = 64 * 1024;
    const FRAMES: usize = 160;

    /// A machine that has a frame for the peer whenever one was written, until these are all.
    struct Machine {
        pipe: Arc<Pipe>,
        left: AtomicUsize,
    }

    impl Machine {
        fn put(&self) {
            if self.left.load(Ordering::SeqCst) > 0 {
                self.left.fetch_sub(1, Ordering::SeqCst);
                self.pipe.push(Bytes::from(vec![b'x'; FRAME]));
                self.pipe.wake();
            }
        }
    }

    impl Port for Machine {
        fn opened(&self, _: Option<&Request>) {}

        fn receive(&self, _: &mut VecDeque<Utf8Bytes>) -> Turn {
            Turn::default()
        }

        fn spoiled(&self, _: &Closed) {}

        fn sent(&self, _: usize) {
            self.put();
        }

        fn ended(&self, _: &Closed) {}
    }

    /// A stream that takes everything at once, and counts it.
    struct Taking(Arc<AtomicUsize>);

    impl AsyncWrite for Taking {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.fetch_add(bytes.len(), Ordering::SeqCst);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Sockets of peers that do not read take megabytes each before they are full.
    #[test]
    fn between_two_turns_of_others_the_connections_of_a_lane_write_a_bounded_number_of_bytes() {
        let most = 10 * FRAME;
        let (io, lane) = (Arc::new(ByHand::default()), Arc::new(Lane::new(most as u64 / 64)));
        let written = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let pipe = Arc::new(Pipe::default());
            let machine = Arc::new(Machine { pipe: Arc::clone(&pipe), left: AtomicUsize::new(FRAMES) });
            let link = Arc::new(Mutex::new(Link::lines(nuncio_link::LinkOptions::default())));
            let output = Output::new(link, pipe, Arc::clone(&machine), Taking(Arc::clone(&written)));
            assert!(output.lane().set(Arc::clone(&lane)).is_ok());
            machine.put();
            let its_io = Arc::clone(&io);
            io.spawn(Box::pin(async move { output.run(&*its_io).await }));
        }
        let all = 20 * FRAMES * (FRAME + 1);
        let (mut before, mut rounds) = (0, 0);
        while before < all {
            io.poll();
            let now = written.load(Ordering::SeqCst);
            assert!(now - before <= most + 2 * FRAME, "{} bytes in one round", now - before);
            assert!(rounds < 10_000, "{now} of {all} bytes are written");
            (before, rounds) = (now, rounds + 1);
        }
        assert_eq!(before, all);
    }
}
