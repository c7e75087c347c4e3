//! How a pool does, for the operators of the servers that it serves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use nuncio_core::arcp::{BusLink, BusStatus, PoolAgentStatus, PoolStatus};

use crate::arcp::server::status::PoolSource;
use crate::cap::{BusState, Client};
use crate::io::sync::lock;

/// A pool as its operators see it: the connection of its client, and the jobs of its agents.
pub(super) struct Roster<D> {
    pub(super) client: Client<D>,
    agents: Mutex<Vec<Arc<Tally>>>,
}

impl<D> Roster<D> {
    pub(super) fn new(client: Client<D>) -> Roster<D> {
        Roster { client, agents: Mutex::new(Vec::new()) }
    }

    /// Adds an agent.
    pub(super) fn add(&self, tally: &Arc<Tally>) {
        let mut agents = lock(&self.agents);
        agents.push(Arc::clone(tally));
        agents.sort_by(|one, other| one.agent.cmp(&other.agent));
    }
}

impl<D> PoolSource for Roster<D> {
    fn status(&self) -> PoolStatus {
        let connection = self.client.connection();
        let link = match connection.state {
            BusState::Connected(_) => BusLink::Connected,
            BusState::Disconnected => BusLink::Disconnected,
            BusState::Closed => BusLink::Closed,
        };
        let agents = lock(&self.agents).iter().map(|tally| tally.status()).collect();
        PoolStatus { bus: BusStatus { link, since: connection.since }, agents, agents_left_out: 0 }
    }
}

/// The jobs of an agent.
#[derive(Debug, Default)]
pub(super) struct Tally {
    agent: String,
    topic: String,
    dispatched: AtomicU64,
    outstanding: AtomicU64,
}

impl Tally {
    /// `agent` is the name of the agent in the server, if it is known.
    pub(super) fn new(agent: &str, topic: &str) -> Arc<Tally> {
        Arc::new(Tally { agent: agent.to_owned(), topic: topic.to_owned(), ..Tally::default() })
    }

    /// Counts a job that was handed to the pool. It is outstanding until the value is dropped.
    pub(super) fn dispatch(self: &Arc<Tally>) -> Outstanding {
        self.dispatched.fetch_add(1, Ordering::Relaxed);
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Outstanding(Arc::clone(self))
    }

    fn status(&self) -> PoolAgentStatus {
        PoolAgentStatus {
            agent: self.agent.clone(),
            topic: self.topic.clone(),
            dispatched: self.dispatched.load(Ordering::Relaxed),
            outstanding: self.outstanding.load(Ordering::Relaxed),
        }
    }
}

/// A job whose result is awaited.
pub(super) struct Outstanding(Arc<Tally>);

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}
