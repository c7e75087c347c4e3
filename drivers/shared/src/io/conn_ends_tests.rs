//! How a connection ends, on a thread that is polled by hand.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use nuncio_link::{Cause, Link, LinkOptions};

use super::{Machine, machine};
use crate::io::by_hand::ByHand;
use crate::io::conn::{Patience, run};
use crate::io::memory::End;
use crate::io::narrow::Narrow;
use crate::io::sync::lock;
use crate::io::{BoxFuture, Io};

/// A connection of lines on a thread that is polled by hand.
pub(super) fn by_hand(
    thread: &Arc<ByHand>,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    machine: &Arc<Machine>,
) -> BoxFuture<'static, ()> {
    let patience = Patience { open: None, linger: Duration::from_millis(50), link: LinkOptions::default() };
    let link = Arc::new(Mutex::new(Link::lines(LinkOptions::default())));
    let io: Arc<dyn Io> = Arc::<ByHand>::clone(thread);
    Box::pin(run(io, Box::pin(stream), link, Arc::clone(&machine.pipe), Arc::clone(machine), patience))
}

/// The peer has gone without a word, so that only a write shows it.
#[test]
fn a_connection_that_cannot_be_written_has_ended() {
    type Put = fn(&Machine, &str);
    let ways: [(&str, Put); 2] = [("the task", Machine::put), ("another thread", Machine::put_now)];
    for (way, put) in ways {
        let stream = Narrow::default();
        lock(&stream.taken).is_broken = true;
        let (machine, thread) = (machine(true), Arc::new(ByHand::default()));
        let mut connection = by_hand(&thread, stream, &machine);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connection.as_mut().poll(&mut cx).is_pending() && lock(&machine.ended).is_none());
        put(&machine, "frame");
        thread.poll();
        let _lingers = connection.as_mut().poll(&mut cx);
        let ended = lock(&machine.ended).clone().unwrap_or_else(|| panic!("{way} has told the reader"));
        assert_eq!((ended.cause, &*ended.reason), (Cause::Lost, "writing to the connection failed"), "{way}");
        assert_eq!(machine.sent.load(Ordering::SeqCst), 0, "{way}");
    }
}

/// A thread that ends drops the connections that it carries. The writer may be on another one.
#[test]
fn the_writer_of_a_connection_that_is_dropped_ends() {
    let stream = Narrow::default();
    let taken = Arc::downgrade(&stream.taken);
    let (machine, thread) = (machine(true), Arc::new(ByHand::default()));
    let mut connection = by_hand(&thread, stream, &machine);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connection.as_mut().poll(&mut cx).is_pending());
    thread.poll();
    drop(connection);
    assert!(taken.strong_count() > 0, "the writer has the stream");
    thread.poll();
    assert_eq!(taken.strong_count(), 0);
}

/// A stream whose reads fail.
struct Unreadable;

impl AsyncRead for Unreadable {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the cable is cut")))
    }
}

impl AsyncWrite for Unreadable {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_machine_is_told_why_its_connection_cannot_be_read() {
    let (machine, thread) = (machine(true), Arc::new(ByHand::default()));
    let mut connection = by_hand(&thread, Unreadable, &machine);
    let _lingers = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(*lock(&machine.failed), Some(io::ErrorKind::ConnectionReset));
    let ended = lock(&machine.ended).clone().expect("it has ended");
    assert_eq!((ended.cause, &*ended.reason), (Cause::Lost, "the cable is cut"));
}

/// If it was not read, the system would discard what was written and has not arrived yet.
#[test]
fn what_a_peer_still_sends_is_read_until_it_closes_unless_sockets_are_scarce() {
    for is_scarce in [false, true] {
        let (mut peer, theirs) = End::pair(1 << 10);
        let (machine, thread) = (machine(true), Arc::new(ByHand::default()));
        machine.hurries.store(is_scarce, Ordering::SeqCst);
        let mut connection = by_hand(&thread, theirs, &machine);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connection.as_mut().poll(&mut cx).is_pending());
        machine.pipe.close(1001, "done");
        machine.pipe.wake();
        // The pipes in memory do nothing now and then although they could.
        let mut is_over = || {
            (0..100).any(|_| {
                thread.poll();
                connection.as_mut().poll(&mut cx).is_ready()
            })
        };
        assert_eq!(is_over(), is_scarce);
        assert!(lock(&machine.ended).is_some());
        if !is_scarce {
            futures_lite::future::block_on(peer.write_all(b"late")).expect("the pipe is open");
            assert!(!is_over(), "more may follow");
            drop(peer);
            assert!(is_over());
        }
    }
}
