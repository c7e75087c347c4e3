//! A connection between a peer and the runtime, with everything that can go wrong on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use nuncio_core::arcp::ConnId;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client(usize),
    Hostile(usize),
}

/// Frames are in order in each direction, and only the last ones can be lost: this is a transport, not a datagram.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a transport")]
pub(super) struct Link {
    pub(super) peer: End,
    pub(super) conn: ConnId,
    /// Given by the runtime and not written yet; written and on the way.
    pub(super) down_queue: VecDeque<Bytes>,
    pub(super) down: VecDeque<Bytes>,
    pub(super) up_queue: VecDeque<Bytes>,
    pub(super) up: VecDeque<Bytes>,
    /// The socket takes nothing more from the runtime: its credit does not come back.
    pub(super) stalled: bool,
    /// What is written from now on is lost.
    pub(super) dead: bool,
    /// The runtime never hears of the loss.
    pub(super) half_open: bool,
    /// The connection is gone for the runtime, though the last frames may wait for the journal.
    pub(super) closed: bool,
    /// The runtime is done with the connection: it closed it, or was told that it is closed.
    pub(super) runtime_done: bool,
    /// The peer is done with it.
    pub(super) peer_done: bool,
}

impl Link {
    pub(super) fn new(peer: End, conn: ConnId) -> Link {
        Link {
            peer,
            conn,
            down_queue: VecDeque::new(),
            down: VecDeque::new(),
            up_queue: VecDeque::new(),
            up: VecDeque::new(),
            stalled: false,
            dead: false,
            half_open: false,
            closed: false,
            runtime_done: false,
            peer_done: false,
        }
    }

    /// The transport breaks: of what is on the way so many frames still arrive.
    pub(super) fn cut(&mut self, down: usize, up: usize) {
        self.dead = true;
        self.down.truncate(down);
        self.up.truncate(up);
        self.up_queue.clear();
    }

    /// Gives frames of the runtime to the socket; how many.
    pub(super) fn write_down(&mut self, frames: usize) -> usize {
        if self.stalled {
            return 0;
        }
        let taken = frames.min(self.down_queue.len());
        let written = self.down_queue.drain(..taken);
        if self.dead || self.peer_done {
            drop(written);
        } else {
            self.down.extend(written);
        }
        taken
    }

    /// Gives frames of the peer to the socket; how many.
    pub(super) fn write_up(&mut self, frames: usize) -> usize {
        let taken = frames.min(self.up_queue.len());
        let written = self.up_queue.drain(..taken);
        if self.dead || self.runtime_done {
            drop(written);
        } else {
            self.up.extend(written);
        }
        taken
    }

    /// The runtime would read the end of the stream now.
    pub(super) fn up_ended(&self) -> bool {
        let ended = self.peer_done && self.up_queue.is_empty() || self.dead;
        ended && !self.half_open && self.up.is_empty() && !self.runtime_done
    }

    /// The peer would read the end of the stream now.
    pub(super) fn down_ended(&self) -> bool {
        let ended = self.runtime_done && self.down_queue.is_empty() || self.dead;
        ended && self.down.is_empty() && !self.peer_done
    }

    pub(super) fn is_over(&self) -> bool {
        self.runtime_done && self.peer_done
    }
}
