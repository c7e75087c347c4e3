//! The shards of a server: each has one machine, one thread of connections and one journal, and the sessions of some of the
//! principals.
//!
//! ```text
//!  socket -> shard 0: handshake, hello, verifier -> its principal's shard -> welcome, jobs, events
//!                     (a resume by its token alone: the shard that has the session)
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use nuncio_core::arcp::{ConnId, Refused, Resumed, shard_of};
use tracing::debug;

use super::dispatch::Leaving;
use super::hub::{Hub, Siblings};
use super::relocation::{Relocation, Seat};
use super::slots::Slots;
use crate::io::Sanitized;
use crate::io::sync::lock;

/// All shards of a server, as each of them knows them.
pub(super) struct Shards {
    hubs: OnceLock<Vec<Weak<Hub>>>,
    slots: Slots,
    /// The connections of the first shard whose principal is not known yet.
    begun: Mutex<HashMap<ConnId, Arc<Relocation<Hub>>>>,
}

impl Shards {
    pub(super) fn new(slots: Slots) -> Shards {
        Shards { hubs: OnceLock::new(), slots, begun: Mutex::default() }
    }

    /// Notes all shards, once they are there.
    pub(super) fn set(&self, hubs: &[Arc<Hub>]) {
        drop(self.hubs.set(hubs.iter().map(Arc::downgrade).collect()));
    }

    fn living(&self) -> impl Iterator<Item = Arc<Hub>> {
        self.hubs.get().into_iter().flatten().filter_map(Weak::upgrade)
    }

    fn get(&self, shard: u32) -> Option<Arc<Hub>> {
        self.hubs.get()?.get(usize::try_from(shard).ok()?)?.upgrade()
    }

    /// Returns the shards, if there is more than one.
    fn several(&self) -> Option<&[Weak<Hub>]> {
        self.hubs.get().map(Vec::as_slice).filter(|hubs| hubs.len() > 1)
    }

    /// Returns the shard of a principal, unless that is `here`.
    fn elsewhere(&self, here: &Arc<Hub>, principal: &str) -> Option<Arc<Hub>> {
        let shard = shard_of(principal, u32::try_from(self.several()?.len()).unwrap_or(u32::MAX));
        self.get(shard).filter(|hub| !Arc::ptr_eq(hub, here))
    }
}

impl Siblings for Shards {
    fn begins(&self, conn: ConnId) -> Option<Arc<Relocation<Hub>>> {
        self.several()?;
        let relocation = Arc::<Relocation<Hub>>::default();
        lock(&self.begun).insert(conn, Arc::clone(&relocation));
        Some(relocation)
    }

    fn ends(&self, conn: ConnId) {
        lock(&self.begun).remove(&conn);
    }

    fn admit(&self, here: &Arc<Hub>, conn: ConnId, principal: &str) -> Result<(), Refused> {
        let relocation = lock(&self.begun).remove(&conn);
        match self.elsewhere(here, principal).zip(relocation) {
            Some((there, relocation)) => {
                let leaving = here.run(|state, now| state.leave(now, conn))?;
                arrive(&there, leaving, &relocation, principal);
                Ok(())
            }
            None => here.run(|state, now| state.runtime.admit(now, conn, principal)),
        }
    }

    fn locate(&self, here: &Arc<Hub>, conn: ConnId, resumed: &Resumed) {
        let owner = self.living().find_map(|hub| hub.look(|runtime| runtime.owner_of(resumed)));
        let answered = match owner {
            Some(owner) => self.admit(here, conn, &owner),
            None => here.run(|state, now| state.runtime.not_located(now, conn)),
        };
        if let Err(refused) = answered {
            debug!(?conn, refused = %Sanitized(&refused), "the connection has ended before its session was found");
        }
    }

    fn all(&self, here: &Arc<Hub>) -> Vec<Arc<Hub>> {
        let all: Vec<_> = self.living().collect();
        if all.is_empty() { vec![Arc::clone(here)] } else { all }
    }

    fn lend(&self, here: &Arc<Hub>, agent: &str) {
        if self.slots.take(agent, here.shard()) {
            here.run(|state, now| state.runtime.lend_slot(now, agent));
        }
    }

    fn give_back(&self, agent: &str) {
        if let Some(hub) = self.slots.give_back(agent).and_then(|shard| self.get(shard)) {
            hub.run(|state, now| state.runtime.lend_slot(now, agent));
        }
    }
}

/// Takes a connection into the shard of its principal.
fn arrive(there: &Arc<Hub>, leaving: Leaving, relocation: &Relocation<Hub>, principal: &str) {
    let Leaving { handover, pipe, peer } = leaving;
    there.run(|state, now| {
        let conn = state.runtime.adopt(now, handover, principal, None);
        state.take_in(conn, peer, Arc::clone(&pipe));
        if !relocation.settle(Seat { hub: Arc::clone(there), conn }) {
            state.close(now, conn);
        }
    });
    // The thread of the shard carries it on.
    pipe.readable.notify();
}
