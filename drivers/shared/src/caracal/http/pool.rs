//! The connections of a client, by origin.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use event_listener::Event;
use nuncio_core::time::Time;

use super::exchange::Connection;
use super::origin::Origin;
use crate::io::clock::{Clock, micros};
use crate::io::sync::lock;

/// The most origins whose idle connections are kept.
const MAX_ORIGINS: usize = 64;

pub(super) struct Pool {
    origins: Mutex<BTreeMap<Origin, Connections>>,
    /// A request has ended.
    freed: Event,
    max: usize,
    idle: Duration,
    clock: Clock,
}

#[derive(Default)]
struct Connections {
    /// Requests that have a connection, or are getting one.
    busy: usize,
    /// Connections without a request, the one that was used last at the end.
    idle: Vec<(Connection, Time)>,
}

/// The right to have one connection to an origin.
pub(super) struct Permit<'a> {
    pool: &'a Pool,
    origin: Origin,
}

impl Pool {
    /// `max` connections to an origin are made at a time, and kept for `idle` without a request.
    pub(super) fn new(max: usize, idle: Duration) -> Pool {
        Pool { origins: Mutex::default(), freed: Event::new(), max, idle, clock: Clock::start() }
    }

    /// Waits until there may be another request to an origin.
    pub(super) async fn permit(&self, origin: &Origin) -> Permit<'_> {
        loop {
            let freed = self.freed.listen();
            if let Some(permit) = self.try_permit(origin) {
                return permit;
            }
            freed.await;
        }
    }

    fn try_permit(&self, origin: &Origin) -> Option<Permit<'_>> {
        let mut origins = lock(&self.origins);
        let connections = origins.entry(origin.clone()).or_default();
        if connections.busy >= self.max {
            return None;
        }
        connections.busy += 1;
        Some(Permit { pool: self, origin: origin.clone() })
    }

    /// Drops the connections that were idle for too long, and forgets origins without any.
    fn sweep(&self, origins: &mut BTreeMap<Origin, Connections>) {
        let (now, longest) = (self.clock.now(), micros(self.idle));
        let keeps_idle = origins.len() <= MAX_ORIGINS;
        origins.retain(|_, connections| {
            connections.idle.retain(|(_, since)| keeps_idle && now.since(*since) < longest);
            connections.busy > 0 || !connections.idle.is_empty()
        });
    }
}

impl Permit<'_> {
    /// Returns a connection that was kept and is still open.
    pub(super) async fn idle(&self) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut origins = lock(&self.pool.origins);
                self.pool.sweep(&mut origins);
                origins.get_mut(&self.origin)?.idle.pop()?.0
            };
            if connection.is_usable().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for another request, if it can have one.
    pub(super) fn keep(self, connection: Connection) {
        if connection.is_reusable()
            && let Some(connections) = lock(&self.pool.origins).get_mut(&self.origin)
        {
            connections.idle.push((connection, self.pool.clock.now()));
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut origins = lock(&self.pool.origins);
        if let Some(connections) = origins.get_mut(&self.origin) {
            connections.busy = connections.busy.saturating_sub(1);
        }
        self.pool.sweep(&mut origins);
        drop(origins);
        self.pool.freed.notify(usize::MAX);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::io;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use futures_lite::{AsyncRead, AsyncWrite};

    use nuncio_link::http1::{Http1Config, Http1Link};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn origin(number: usize) -> Origin {
        Origin::of(&format!("http://host-{number}:80/").parse().unwrap()).unwrap()
    }

    /// A stream of a server that says nothing, or has closed it.
    struct Silent {
        is_open: bool,
    }

    impl AsyncRead for Silent {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            if self.is_open { Poll::Pending } else { Poll::Ready(Ok(0)) }
        }
    }

    impl AsyncWrite for Silent {
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

    fn connection(is_open: bool) -> Connection {
        Connection::new(Box::pin(Silent { is_open }), Http1Link::new(Http1Config::default()))
    }

    fn idle(permit: &Permit<'_>) -> Option<Connection> {
        match poll(permit.idle()) {
            Poll::Ready(found) => found,
            Poll::Pending => panic!("it waits for nothing"),
        }
    }

    #[test]
    fn an_origin_has_a_number_of_connections_at_a_time() {
        let pool = Pool::new(2, HOUR);
        let (one, other) = (origin(1), origin(2));
        let (first, _second) = (poll(pool.permit(&one)), poll(pool.permit(&one)));
        assert!(first.is_ready());
        let mut third = pin!(pool.permit(&one));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        assert!(poll(pool.permit(&other)).is_ready(), "other origins have their own");
        drop(first);
        assert!(third.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn a_connection_is_kept_for_the_next_request_for_some_time() {
        for (idle_for, is_kept) in [(HOUR, true), (Duration::ZERO, false)] {
            let (pool, origin) = (Pool::new(1, idle_for), origin(1));
            let Poll::Ready(permit) = poll(pool.permit(&origin)) else { panic!("it is free") };
            permit.keep(connection(true));
            let Poll::Ready(permit) = poll(pool.permit(&origin)) else { panic!("it is free again") };
            assert_eq!(idle(&permit).is_some(), is_kept, "{idle_for:?}");
            assert!(idle(&permit).is_none(), "there was one");
        }
    }

    #[test]
    fn a_connection_that_the_server_has_closed_is_not_used() {
        let (pool, origin) = (Pool::new(2, HOUR), origin(1));
        for is_open in [true, false] {
            let Poll::Ready(permit) = poll(pool.permit(&origin)) else { panic!("it is free") };
            permit.keep(connection(is_open));
            let Poll::Ready(permit) = poll(pool.permit(&origin)) else { panic!("it is free again") };
            assert_eq!(idle(&permit).is_some(), is_open);
        }
    }

    /// A client that asks many hosts once each would otherwise keep a connection to each of them.
    #[test]
    fn nothing_is_kept_for_too_many_origins() {
        let pool = Pool::new(1, HOUR);
        for number in 0..=MAX_ORIGINS {
            let origin = origin(number);
            let Poll::Ready(permit) = poll(pool.permit(&origin)) else { panic!("it is free") };
            permit.keep(connection(true));
            let kept = lock(&pool.origins).values().filter(|connections| !connections.idle.is_empty()).count();
            assert_eq!(kept, if number < MAX_ORIGINS { number + 1 } else { 0 });
        }
        assert!(lock(&pool.origins).is_empty(), "an origin without connections is forgotten");
    }
}
