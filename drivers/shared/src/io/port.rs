//! What a connection needs of the machine at its end.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use nuncio_link::{Closed, Request, Utf8Bytes};

use super::driver::Io;
use super::lane::Lane;

/// The machine at the other end of a connection.
pub(crate) trait Port: Send + Sync + 'static {
    /// The handshake is done; `request` is the one that a WebSocket server has accepted.
    fn opened(&self, request: Option<&Request>);
    /// Hands frames to the machine, from the front, for as long as it reads and its turn lasts, and removes them.
    fn receive(&self, frames: &mut VecDeque<Utf8Bytes>) -> Turn;
    /// The lane that what a greeted peer sends and is sent shares with that of its other connections.
    fn lane(&self) -> Option<Arc<Lane>> {
        None
    }
    /// The input is faulty and is no longer read, but the machine may still send.
    fn spoiled(&self, closed: &Closed);
    /// Whether the machine knows who the peer is. Until then it is handed one frame at a time.
    fn greeting(&self) -> Greeting {
        Greeting::Done
    }
    /// Returns the thread that carries the connection from now on, once that is not the one that does so. It is called until the
    /// machine knows who the peer is.
    fn moves_to(&self) -> Option<Arc<dyn Io>> {
        None
    }
    /// This many bytes are held and are not a complete frame. Of a peer that the machine knows, they are reported in steps.
    fn unread(&self, _bytes: usize) {}
    /// Whether what the peer still sends may be read and dropped for a while after the end.
    fn lingers(&self) -> bool {
        true
    }
    /// Whether any thread may write to the stream, and not only the one that carries the connection.
    fn is_written_anywhere(&self) -> bool {
        false
    }
    /// This many frames were written to the socket.
    fn sent(&self, frames: usize);
    /// Reading has failed with this error. [`ended`](Port::ended) follows.
    fn failed(&self, _error: io::Error) {}
    /// The connection has ended.
    fn ended(&self, closed: &Closed);
}

/// What a machine knows of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Nothing yet. It takes the next frame.
    Awaited,
    /// It decides about a frame. Nothing more is read meanwhile.
    InDoubt,
    /// Who it is.
    Done,
}

/// What a machine has done with frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    /// Whether it would read more in another turn.
    pub(crate) goes_on: bool,
    /// The work that it has done, in units of its own.
    pub(crate) work: u64,
}
