//! A connection between a peer and the runtime, with all the faults of a transport.

use std::collections::VecDeque;

use bytes::Bytes;
use nuncio_core::arcp::ConnId;

/// The peer of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client(usize),
    Hostile(usize),
}

/// Frames stay in order in each direction, and only the last ones can be lost, as on a reliable transport.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a transport")]
pub(super) struct Link {
    pub(super) peer: End,
    pub(super) conn: ConnId,
    /// Frames that the runtime has sent: not yet written, and written but not yet delivered.
    pub(super) down_queue: VecDeque<Bytes>,
    pub(super) down: VecDeque<Bytes>,
    pub(super) up_queue: VecDeque<Bytes>,
    pub(super) up: VecDeque<Bytes>,
    /// The close code that the runtime has sent.
    pub(super) code: Option<u16>,
    /// Whether the socket accepts nothing more from the runtime, so that its credit does not return.
    pub(super) stalled: bool,
    /// Whether the transport is broken: frames written from now on are lost.
    pub(super) broken: bool,
    /// Whether the runtime never notices the loss.
    pub(super) half_open: bool,
    /// Whether the connection is gone for the runtime; its last frames may still wait for the journal.
    pub(super) closed: bool,
    /// Whether the runtime has closed the connection or was told that it is closed.
    pub(super) runtime_done: bool,
    /// Whether the peer has closed the connection or was told that it is closed.
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
            code: None,
            broken: false,
            half_open: false,
            closed: false,
            runtime_done: false,
            peer_done: false,
        }
    }

    /// Breaks the transport: only the first `down` and `up` frames on the way still arrive.
    pub(super) fn cut(&mut self, down: usize, up: usize) {
        self.broken = true;
        self.down.truncate(down);
        self.up.truncate(up);
        self.up_queue.clear();
    }

    /// Writes frames of the runtime to the socket; returns how many.
    pub(super) fn write_down(&mut self, frames: usize) -> usize {
        if self.stalled {
            return 0;
        }
        let taken = frames.min(self.down_queue.len());
        let written = self.down_queue.drain(..taken);
        if self.broken || self.peer_done {
            drop(written);
        } else {
            self.down.extend(written);
        }
        taken
    }

    /// Writes frames of the peer to the socket; returns how many.
    pub(super) fn write_up(&mut self, frames: usize) -> usize {
        let taken = frames.min(self.up_queue.len());
        let written = self.up_queue.drain(..taken);
        if self.broken || self.runtime_done {
            drop(written);
        } else {
            self.up.extend(written);
        }
        taken
    }

    /// Returns whether the runtime would read the end of the stream now.
    pub(super) fn up_ended(&self) -> bool {
        let ended = self.peer_done && self.up_queue.is_empty() || self.broken;
        ended && !self.half_open && self.up.is_empty() && !self.runtime_done
    }

    /// Returns whether the peer would read the end of the stream now.
    pub(super) fn down_ended(&self) -> bool {
        let ended = self.runtime_done && self.down_queue.is_empty() || self.broken;
        ended && self.down.is_empty() && !self.peer_done
    }

    pub(super) fn is_over(&self) -> bool {
        self.runtime_done && self.peer_done
    }
}
