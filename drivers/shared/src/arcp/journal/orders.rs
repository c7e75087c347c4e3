//! The orders that a server sends to the thread of its journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use nuncio_core::arcp::{ReplayId, ReplayRange};

use super::health::Health;
use crate::io::sync::Watch;

/// An order to the journal's thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// Commit the records that wait in the server.
    Commit,
    /// Read events back.
    Replay(Replay),
    /// Commit what waits, and end.
    Stop,
}

/// A range of events to read back.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The machine's id of the request.
    pub(crate) id: ReplayId,
    pub(crate) range: ReplayRange,
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
}

/// The sending end of a journal's orders.
pub(crate) struct Orders {
    sender: Sender<Order>,
    /// Whether an [`Order::Commit`] was sent and is not received yet.
    commit_sent: AtomicBool,
    ended: Watch<bool>,
    pub(crate) health: Health,
}

impl Orders {
    pub(crate) fn new() -> (Arc<Orders>, Receiver<Order>) {
        let (sender, receiver) = channel();
        let (commit_sent, ended, health) = (AtomicBool::new(false), Watch::new(false), Health::default());
        (Arc::new(Orders { sender, commit_sent, ended, health }), receiver)
    }

    /// Sends [`Order::Commit`] unless one is on its way.
    pub(crate) fn commit(&self) {
        if !self.commit_sent.swap(true, Ordering::SeqCst) {
            self.send(Order::Commit);
        }
    }

    pub(crate) fn send(&self, order: Order) {
        // The thread ends before its server only after a `Stop`.
        let _ended = self.sender.send(order);
    }

    /// Notes that an [`Order::Commit`] was received; records that come from now on need another one.
    pub(super) fn commit_received(&self) {
        self.commit_sent.store(false, Ordering::SeqCst);
    }

    pub(super) fn set_ended(&self) {
        self.ended.set(true);
    }

    /// Waits until the thread has closed its journal and ended.
    pub(crate) async fn ended(&self) {
        self.ended.wait(|ended| ended.then_some(())).await;
    }
}
