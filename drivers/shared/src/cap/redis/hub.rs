//! The connection of a store, and the requests that wait for their replies.

use std::collections::VecDeque;
use std::sync::Mutex;

use event_listener::{Event, EventListener};
use futures_channel::oneshot;
use nuncio_link::resp::{RespLink, RespReply, RespRequest};

use crate::cap::blob::BlobError;
use crate::io::sync::{CancellationToken, Signal, lock};

/// What the handles of a store and its task share.
pub(super) struct Hub {
    inner: Mutex<Inner>,
    /// Wakes the task: there is something to write.
    pub(super) wanted: Signal,
    /// There is a connection, an attempt to make one has failed, or the connection is given up.
    changed: Event,
    /// Cancelled once the store is being closed.
    pub(super) closing: CancellationToken,
}

struct Inner {
    connection: Connection,
    /// Who waits for the replies, in their order.
    waiting: VecDeque<oneshot::Sender<Result<RespReply, BlobError>>>,
}

enum Connection {
    /// The first attempt is going on.
    Connecting,
    Ready(RespLink),
    /// There is none, for this reason.
    Down(String),
}

impl Hub {
    pub(super) fn new() -> Hub {
        let inner = Inner { connection: Connection::Connecting, waiting: VecDeque::new() };
        Hub {
            inner: Mutex::new(inner),
            wanted: Signal::default(),
            changed: Event::new(),
            closing: CancellationToken::new(),
        }
    }

    /// Makes a request, and waits for its reply.
    pub(super) async fn request(&self, request: &RespRequest<'_>, max: usize) -> Result<RespReply, BlobError> {
        let reply = loop {
            let changed = self.changed.listen();
            if let Some(reply) = self.start(request, max)? {
                break reply;
            }
            changed.await;
        };
        self.wanted.notify();
        reply.await.unwrap_or_else(|_| Err(BlobError::Unreachable("the store is closed".to_owned())))
    }

    /// Queues a request, unless the first connection is still being made.
    fn start(
        &self,
        request: &RespRequest<'_>,
        max: usize,
    ) -> Result<Option<oneshot::Receiver<Result<RespReply, BlobError>>>, BlobError> {
        let mut inner = lock(&self.inner);
        match &mut inner.connection {
            Connection::Connecting => Ok(None),
            Connection::Down(reason) => Err(BlobError::Unreachable(reason.clone())),
            Connection::Ready(link) => {
                link.request(request, max).map_err(|refused| BlobError::Refused(refused.to_string()))?;
                let (reply, waiting) = oneshot::channel();
                inner.waiting.push_back(reply);
                Ok(Some(waiting))
            }
        }
    }

    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    /// Takes a new connection.
    pub(super) fn connected(&self, link: RespLink) {
        lock(&self.inner).connection = Connection::Ready(link);
        self.changed.notify(usize::MAX);
    }

    /// Gives the connection up. The requests that wait fail with this reason.
    pub(super) fn give_up(&self, reason: &str) {
        let mut inner = lock(&self.inner);
        inner.connection = Connection::Down(reason.to_owned());
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        for waiting in waiting {
            let _gone = waiting.send(Err(BlobError::Unreachable(reason.to_owned()))).is_err();
        }
        self.changed.notify(usize::MAX);
        self.wanted.notify();
    }

    pub(super) fn next_change(&self) -> EventListener {
        self.changed.listen()
    }

    /// Returns why there is no connection, if there is none.
    pub(super) fn down(&self) -> Option<String> {
        match &lock(&self.inner).connection {
            Connection::Down(reason) => Some(reason.clone()),
            Connection::Connecting | Connection::Ready(_) => None,
        }
    }

    /// Moves the bytes to write to `into`.
    pub(super) fn take_output(&self, into: &mut Vec<u8>) {
        if let Connection::Ready(link) = &mut lock(&self.inner).connection {
            link.take_output(into);
        }
    }

    /// Takes bytes of the server, and hands out the replies. Returns how the server has broken the protocol, if it has.
    pub(super) fn receive(&self, bytes: &[u8]) -> Result<(), String> {
        let mut replies = Vec::new();
        let mut inner = lock(&self.inner);
        let Inner { connection, waiting } = &mut *inner;
        let mut result = Ok(());
        if let Connection::Ready(link) = connection {
            link.receive(bytes);
            loop {
                match link.poll_reply() {
                    Ok(Some(reply)) => replies.extend(waiting.pop_front().map(|waiting| (waiting, reply))),
                    Ok(None) => break,
                    Err(fault) => {
                        result = Err(fault.to_string());
                        break;
                    }
                }
            }
        }
        drop(inner);
        for (waiting, reply) in replies {
            let _gone = waiting.send(Ok(reply)).is_err();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use nuncio_link::resp::RespConfig;

    use super::*;

    fn poll<F: Future>(request: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        request.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn requests_wait_for_the_first_connection_and_have_their_replies_in_order() {
        let hub = Hub::new();
        let (mut first, mut second) =
            (pin!(hub.request(&RespRequest::Ping, 9)), pin!(hub.request(&RespRequest::Get("k"), 9)));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        let mut bytes = Vec::new();
        hub.take_output(&mut bytes);
        assert!(bytes.is_empty() && hub.down().is_none());
        hub.connected(RespLink::new(RespConfig::default()));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        assert!(poll(pin!(hub.wanted.notified())).is_ready(), "there is something to write");
        hub.take_output(&mut bytes);
        assert_eq!(bytes, b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(hub.receive(b"+PONG\r\n$1"), Ok(()));
        assert_eq!(poll(first.as_mut()), Poll::Ready(Ok(RespReply::Simple("PONG".to_owned()))));
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(hub.receive(b"\r\nv\r\n"), Ok(()));
        assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(RespReply::Bulk("v".into()))));
        assert!(hub.receive(b"nonsense\r\n").is_err());
    }

    #[test]
    fn requests_fail_with_the_reason_for_which_the_connection_is_given_up() {
        let hub = Hub::new();
        hub.connected(RespLink::new(RespConfig::default()));
        let mut waiting = pin!(hub.request(&RespRequest::Ping, 9));
        assert!(poll(waiting.as_mut()).is_pending());
        hub.give_up("it is gone");
        let error = || Poll::Ready(Err(BlobError::Unreachable("it is gone".to_owned())));
        assert_eq!(poll(waiting), error());
        assert_eq!(poll(pin!(hub.request(&RespRequest::Ping, 9))), error(), "and so do those that follow");
        assert_eq!(hub.down().as_deref(), Some("it is gone"));
        hub.connected(RespLink::new(RespConfig::default()));
        assert_eq!(hub.down(), None);
        hub.close();
        assert!(hub.closing.is_cancelled());
    }

    #[test]
    fn a_request_that_waits_for_the_first_connection_fails_with_it() {
        let hub = Hub::new();
        let mut waiting = pin!(hub.request(&RespRequest::Ping, 9));
        assert!(poll(waiting.as_mut()).is_pending());
        hub.give_up("refused");
        let error = poll(waiting);
        assert!(matches!(error, Poll::Ready(Err(BlobError::Unreachable(_)))), "{error:?}");
    }
}
