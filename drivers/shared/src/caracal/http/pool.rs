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
