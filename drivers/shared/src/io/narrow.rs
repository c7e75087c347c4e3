//! A stream for tests, which takes no more than it is told to. The pipes of `memory.rs` refuse a write now and then although
//! they have room.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};

use super::sync::lock;

/// A stream that takes what it has room for, and brings nothing.
#[derive(Default)]
pub(crate) struct Narrow {
    pub(crate) taken: Arc<Mutex<Taken>>,
}

/// What a stream has taken.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) bytes: Vec<u8>,
    pub(crate) room: usize,
    /// Whether every write fails.
    pub(crate) is_broken: bool,
    waits: Option<Waker>,
}

impl Taken {
    /// Gives the stream more room.
    pub(crate) fn give(&mut self, room: usize) {
        self.room = room;
        self.waits.take().into_iter().for_each(Waker::wake);
    }
}

impl AsyncRead for Narrow {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, _buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut taken = lock(&self.taken);
        if taken.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let fits = bytes.len().min(taken.room);
        if fits == 0 {
            taken.waits = Some(cx.waker().clone());
            return Poll::Pending;
        }
        taken.room -= fits;
        taken.bytes.extend_from_slice(&bytes[..fits]);
        Poll::Ready(Ok(fits))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
