//! The two tasks of a connection: the reader moves bytes from a stream through a link to a machine, the writer moves
//! frames back.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use futures_lite::AsyncRead;
use futures_lite::future::{or, yield_now};
use futures_lite::io::{ReadHalf, WriteHalf};
#[cfg(any(feature = "cap", feature = "caracal"))]
use futures_lite::{AsyncWrite, AsyncWriteExt as _};
use nuncio_link::{Cause, Closed, Link, LinkEvent, LinkOptions, Utf8Bytes, code};

use super::clock::{monotonic, timeout};
use super::driver::Io;
use super::outlet::Output;
use super::port::{Greeting, Port};
use super::{BoxFuture, Stream};
use crate::io::lane::Lane;
use crate::io::pipe::{Outlet, Pipe};
use crate::io::sync::CancellationToken;
use crate::io::sync::lock;

/// The time limits of a connection that its driver has to enforce.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the start to the end of the handshake; `None` if the machine has a deadline for it.
    pub(crate) open: Option<Duration>,
    /// From the decision to close to the end.
    pub(crate) linger: Duration,
    /// The options of the link once the peer is greeted.
    pub(crate) link: LinkOptions,
}

/// The maximum number of frames that are taken from a link at a time.
const BATCH: usize = 64;
const READ_BYTES: usize = 64 * 1024;
/// The step in which unread bytes of a peer are reported that the machine knows, so that small frames are not.
const UNREAD_STEP: usize = 64 * 1024;

thread_local! {
    /// The read buffer of every connection of the thread, so that an idle connection holds none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Carries one connection to its end, on the thread `io`. It is not one that moves to another thread.
pub(crate) async fn run<P: Port>(
    io: Arc<dyn Io>,
    stream: Stream,
    link: Arc<Mutex<Link>>,
    pipe: Arc<Pipe>,
    port: Arc<P>,
    patience: Patience,
) {
    let moved = Carried::new(stream, link, pipe, port, patience).run(&io).await;
    debug_assert!(moved.is_none(), "its port moves it");
}

/// A connection whose stream is open.
pub(crate) struct Carried<P> {
    input: ReadHalf<Stream>,
    output: Arc<Output<P, WriteHalf<Stream>>>,
    link: Arc<Mutex<Link>>,
    pipe: Arc<Pipe>,
    port: Arc<P>,
    patience: Patience,
    /// Frames that the machine has not taken.
    frames: VecDeque<Utf8Bytes>,
    /// What the machine was told last about unread bytes.
    unread: usize,
}

impl<P: Port> Carried<P> {
    pub(crate) fn new(
        stream: Stream,
        link: Arc<Mutex<Link>>,
        pipe: Arc<Pipe>,
        port: Arc<P>,
        patience: Patience,
    ) -> Carried<P> {
        let (input, output) = futures_lite::io::split(stream);
        let output = Arc::new(Output::new(Arc::clone(&link), Arc::clone(&pipe), Arc::clone(&port), output));
        if port.is_written_anywhere() {
            let outlet: Arc<dyn Outlet> = Arc::<Output<P, _>>::clone(&output);
            pipe.set_outlet(Arc::downgrade(&outlet));
        }
        Carried { input, output, link, pipe, port, patience, frames: VecDeque::new(), unread: 0 }
    }

    /// Carries the connection on the thread `io`: to its end, or until another thread has to, which is returned.
    pub(crate) async fn run(&mut self, io: &Arc<dyn Io>) -> Option<Arc<dyn Io>> {
        let (done, written) = oneshot::channel::<()>();
        let abort = CancelOnDrop(CancellationToken::new());
        let (aborted, writer, its_io) = (abort.0.clone(), Arc::clone(&self.output), Arc::clone(io));
        io.spawn(Box::pin(async move {
            or(aborted.cancelled(), writer.run(&*its_io)).await;
            drop(done);
        }));
        let Carried { input, output, link, pipe, port, patience, frames, unread } = self;
        let patience = *patience;
        let mut reader = Reader {
            io: &**io,
            link,
            pipe,
            port: &**port,
            patience,
            deadline: None,
            greeted: false,
            lane: output.lane(),
            unread,
        };
        let closed = match reader.run(input, frames).await {
            Read::Closed(closed) => closed,
            Read::Moves(io) => {
                abort.0.cancel();
                // The channel closes once the writer has ended.
                let _ended = written.await;
                return Some(io);
            }
        };
        let in_time = reader.deadline.as_ref().is_none_or(|deadline| monotonic() < deadline.at);
        port.ended(&closed);
        pipe.finish();
        if in_time && timeout(&**io, patience.linger, written).await.is_some() && port.lingers() {
            // If a socket is closed with unread input, the system discards output that the peer has not read yet.
            timeout(&**io, patience.linger, discard(input)).await;
        }
        None
    }
}

/// Ends the writer of a connection that is dropped.
struct CancelOnDrop(CancellationToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Deadline {
    at: Instant,
    timer: BoxFuture<'static, ()>,
}

impl Deadline {
    fn after(io: &dyn Io, pause: Duration) -> Deadline {
        let at = monotonic() + pause;
        Deadline { at, timer: io.sleep_until(at) }
    }
}

/// Why a reader ends.
enum Read {
    /// The connection has ended.
    Closed(Closed),
    /// Another thread carries it on.
    Moves(Arc<dyn Io>),
}

/// Why a reader continues.
enum Woken {
    Late,
    Pipe,
    /// With the number of bytes that were read.
    Input(io::Result<usize>),
}

struct Reader<'a, P> {
    io: &'a dyn Io,
    link: &'a Mutex<Link>,
    pipe: &'a Pipe,
    port: &'a P,
    patience: Patience,
    deadline: Option<Deadline>,
    greeted: bool,
    lane: &'a OnceLock<Arc<Lane>>,
    unread: &'a mut usize,
}

impl<P: Port> Reader<'_, P> {
    async fn run<R: AsyncRead + Unpin>(&mut self, input: &mut R, frames: &mut VecDeque<Utf8Bytes>) -> Read {
        if let Some(open) = self.patience.open {
            self.deadline = Some(Deadline::after(self.io, open));
        }
        loop {
            if !self.greeted
                && let Some(io) = self.port.moves_to()
            {
                return Read::Moves(io);
            }
            let batch = self.batch();
            let ended = self.poll_link(frames, batch);
            let full = batch > 0 && frames.len() >= batch;
            let goes_on = !frames.is_empty() && self.take_turn(frames).await;
            self.report_unread();
            if let Some(closed) = ended {
                // On a link of lines the machine can still answer a faulty line.
                if closed.cause == Cause::Fault && lock(self.link).is_open() {
                    self.port.spoiled(&closed);
                }
                return Read::Closed(closed);
            }
            if self.pipe.is_broken() {
                return Read::Closed(lost("writing to the connection failed"));
            }
            if self.pipe.is_closing() {
                frames.clear();
                if self.deadline.is_none() {
                    self.deadline = Some(Deadline::after(self.io, self.patience.linger));
                }
            }
            if goes_on && !frames.is_empty() {
                // Other connections have their turns.
                yield_now().await;
                continue;
            }
            if full && frames.is_empty() {
                continue;
            }
            let wants_input = frames.is_empty() && self.wants_input();
            let late = async {
                match &mut self.deadline {
                    Some(deadline) => deadline.timer.as_mut().await,
                    None => std::future::pending().await,
                }
                Woken::Late
            };
            let told = async {
                self.pipe.readable.notified().await;
                Woken::Pipe
            };
            let read = async {
                if !wants_input {
                    return std::future::pending().await;
                }
                Woken::Input(receive(input, self.link).await)
            };
            match or(late, or(told, read)).await {
                Woken::Late => return Read::Closed(lost("the peer did not answer in time")),
                Woken::Pipe => {}
                Woken::Input(Ok(bytes)) => {
                    if let Some(lane) = self.lane.get() {
                        lane.spend_bytes(bytes, self.io);
                    }
                }
                Woken::Input(Err(error)) => {
                    let closed = lost(&error.to_string());
                    self.port.failed(error);
                    return Read::Closed(closed);
                }
            }
        }
    }

    /// Hands frames to the machine, once it is the peer's turn. Returns whether it would read more in another turn.
    async fn take_turn(&mut self, frames: &mut VecDeque<Utf8Bytes>) -> bool {
        if let Some(lane) = self.lane.get() {
            lane.enter().await;
        }
        let turn = self.port.receive(frames);
        if let Some(lane) = self.lane.get() {
            lane.spend(turn.work, self.io);
        }
        turn.goes_on
    }

    /// Returns how many frames the machine takes now.
    fn batch(&mut self) -> usize {
        if self.greeted {
            return BATCH;
        }
        let greeting = self.port.greeting();
        if greeting == Greeting::Done {
            self.greeted = true;
            if let Some(lane) = self.port.lane() {
                // It is set once.
                drop(self.lane.set(lane));
            }
            lock(self.link).welcome(self.patience.link);
            return BATCH;
        }
        // What follows a hello is read once the machine knows the peer, so that it has the limits of that.
        usize::from(greeting == Greeting::Awaited || lock(self.link).has_ended() || self.pipe.is_closing())
    }

    /// Reports what is held and is not a complete frame.
    fn report_unread(&mut self) {
        let unread = lock(self.link).unread();
        let unread = if self.greeted { unread - unread % UNREAD_STEP } else { unread };
        if unread != *self.unread {
            *self.unread = unread;
            self.port.unread(unread);
        }
    }

    /// Returns whether to read, before it is waited for.
    fn wants_input(&self) -> bool {
        let waits = !self.greeted && self.port.greeting() == Greeting::InDoubt;
        let mut link = lock(self.link);
        link.release();
        if waits { link.unread() == 0 && !link.has_ended() } else { link.wants_input() }
    }

    /// Takes the events of the link, up to this many frames.
    fn poll_link(&mut self, frames: &mut VecDeque<Utf8Bytes>, batch: usize) -> Option<Closed> {
        let mut opened = None;
        let mut closed = None;
        let mut link = lock(self.link);
        while frames.len() < batch && closed.is_none() {
            match link.poll_event() {
                Some(LinkEvent::Open(request)) => opened = Some(request),
                Some(LinkEvent::Frame(text)) => frames.push_back(text),
                Some(LinkEvent::Closed(how)) => closed = Some(how),
                None => break,
            }
        }
        let has_output = !link.output().is_empty();
        drop(link);
        if has_output {
            self.pipe.writable.notify();
        }
        if let Some(request) = opened {
            self.deadline = None;
            self.port.opened(request.as_ref());
        }
        closed
    }
}

/// Reads once, and hands the bytes or the end of the stream to the link. Returns the number of bytes.
async fn receive<R: AsyncRead + Unpin>(input: &mut R, link: &Mutex<Link>) -> io::Result<usize> {
    let mut count = 0;
    let take = |bytes: &[u8]| {
        count = bytes.len();
        match bytes {
            [] => lock(link).receive_end(),
            bytes => lock(link).receive(bytes),
        }
    };
    read_into(input, take).await?;
    Ok(count)
}

async fn discard<R: AsyncRead + Unpin>(input: &mut R) {
    let mut more = true;
    while more && read_into(input, |bytes| more = !bytes.is_empty()).await.is_ok() {}
}

async fn read_into<R: AsyncRead + Unpin>(input: &mut R, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    std::future::poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            let count = ready!(Pin::new(&mut *input).poll_read(cx, scratch))?;
            take(scratch.get(..count).unwrap_or_default());
            Poll::Ready(Ok(()))
        })
    })
    .await
}

/// Writes everything, and flushes.
#[cfg(any(feature = "cap", feature = "caracal"))]
pub(crate) async fn write<W: AsyncWrite + Unpin>(output: &mut W, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes).await?;
    output.flush().await
}

pub(crate) fn lost(reason: &str) -> Closed {
    Closed { cause: Cause::Lost, code: code::ABNORMAL, reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "conn_tests.rs"]
mod tests;
