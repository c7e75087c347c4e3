//! What all shards of a server have in common: its sockets, and how far it has come to its end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use event_listener::Event as Listeners;

use super::shutdown::Shutdown;
use crate::arcp::journal::JournalError;
use crate::io::descriptors;
use crate::io::sync::CancellationToken;

/// The sockets of a server, and how far it has come to its end.
pub(crate) struct Life {
    /// The number of listening sockets, and of connections whose last byte has not been written yet.
    sockets: AtomicUsize,
    /// The number of sockets that leaves descriptors to agents and the journal.
    max_sockets: usize,
    /// A socket was closed, or a shard has no job left.
    emptied: Listeners,
    /// Cancelled when a shutdown begins.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the server accepts no more connections, after the drain of a shutdown.
    pub(super) ending: CancellationToken,
    /// What came of the first shutdown whose drain was over.
    pub(super) outcome: OnceLock<Shutdown>,
    /// Cancelled when the server has ended.
    pub(super) stopped: CancellationToken,
    /// Cancelled when a journal is lost for good, after `lost_by` was set.
    pub(super) lost: CancellationToken,
    pub(super) lost_by: OnceLock<JournalError>,
}

impl Life {
    pub(super) fn new() -> Life {
        Life {
            sockets: AtomicUsize::new(0),
            max_sockets: descriptors::for_sockets(),
            emptied: Listeners::new(),
            stopping: CancellationToken::new(),
            ending: CancellationToken::new(),
            outcome: OnceLock::new(),
            stopped: CancellationToken::new(),
            lost: CancellationToken::new(),
            lost_by: OnceLock::new(),
        }
    }

    /// Whether another connection may be accepted without taking from the descriptors of agents and the journal.
    pub(super) fn has_sockets(&self) -> bool {
        self.sockets.load(Ordering::SeqCst) < self.max_sockets
    }

    /// Whether sockets may be kept for a while after their connections have ended.
    pub(super) fn has_spare_sockets(&self) -> bool {
        self.sockets.load(Ordering::SeqCst) < self.max_sockets / 2
    }

    /// Counts a connection or a listening socket.
    pub(super) fn socket_opened(&self) {
        self.sockets.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends the count of a connection or a listening socket.
    pub(super) fn socket_closed(&self) {
        self.sockets.fetch_sub(1, Ordering::SeqCst);
        self.notify_emptied();
    }

    /// Waits until no connection and no listening socket is left.
    pub(super) async fn disconnected(&self) {
        self.emptied_until(|| self.sockets.load(Ordering::SeqCst) == 0).await;
    }

    /// Has what [`emptied_until`](Life::emptied_until) waits for checked anew.
    pub(super) fn notify_emptied(&self) {
        self.emptied.notify(usize::MAX);
    }

    /// Waits until something is reached, which is checked whenever a socket was closed or a shard has no job left.
    pub(super) async fn emptied_until(&self, reached: impl Fn() -> bool) {
        loop {
            let emptied = self.emptied.listen();
            if reached() {
                return;
            }
            emptied.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn sockets_are_refused_and_spared_by_their_number() {
        let life = Life { max_sockets: 4, ..Life::new() };
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push((life.has_sockets(), life.has_spare_sockets()));
            life.socket_opened();
        }
        assert_eq!(seen, [(true, true), (true, true), (true, false), (true, false), (false, false)]);
        life.socket_closed();
        life.socket_closed();
        assert_eq!((life.has_sockets(), life.has_spare_sockets()), (true, false));
    }

    #[test]
    fn a_server_waits_for_the_last_of_its_sockets() {
        let (life, mut cx) = (Life::new(), Context::from_waker(Waker::noop()));
        life.socket_opened();
        life.socket_opened();
        let mut waiting = pin!(life.disconnected());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        life.socket_closed();
        assert!(waiting.as_mut().poll(&mut cx).is_pending(), "one is left");
        life.socket_closed();
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
    }
}
