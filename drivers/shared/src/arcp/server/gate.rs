//! Where outputs wait until the records they depend on are durable.

use std::collections::{HashMap, VecDeque};

use nuncio_core::arcp::{ConnId, Event, Output};

/// Outputs that wait for the journal. Outputs for one connection keep their order, and so do the events for the host.
#[derive(Default)]
pub(super) struct Gate {
    /// The number of the last record that is durable.
    durable: u64,
    /// In the machine's order.
    held: VecDeque<Output>,
    /// The number of held outputs for each connection, and for the host.
    conns: HashMap<ConnId, usize>,
    events: usize,
}

impl Gate {
    pub(super) fn new(durable: u64) -> Gate {
        Gate { durable, ..Gate::default() }
    }

    /// Notes that all records up to this one are durable.
    pub(super) fn committed(&mut self, seq: u64) {
        self.durable = self.durable.max(seq);
    }

    /// Returns the output if nothing that it depends on or has to follow is still held; holds it otherwise.
    pub(super) fn pass(&mut self, output: Output) -> Option<Output> {
        if self.is_durable(&output) && !self.is_behind(&output) {
            return Some(output);
        }
        match conn_of(&output) {
            Some(conn) => *self.conns.entry(conn).or_default() += 1,
            None => self.events += 1,
        }
        self.held.push_back(output);
        None
    }

    /// Takes out the first held output if its records are durable by now.
    pub(super) fn release(&mut self) -> Option<Output> {
        if !self.is_durable(self.held.front()?) {
            return None;
        }
        let output = self.held.pop_front()?;
        match conn_of(&output) {
            Some(conn) => {
                if let Some(held) = self.conns.get_mut(&conn) {
                    *held -= 1;
                    if *held == 0 {
                        self.conns.remove(&conn);
                    }
                }
            }
            None => self.events -= 1,
        }
        Some(output)
    }

    /// Drops the held outputs of a connection that has ended, so that a peer that connects again and again does not make
    /// them pile up.
    pub(super) fn discard(&mut self, conn: ConnId) {
        if self.conns.remove(&conn).is_some() {
            self.held.retain(|output| conn_of(output) != Some(conn));
        }
    }

    fn is_durable(&self, output: &Output) -> bool {
        if is_unrecorded(output) {
            return true;
        }
        match output {
            Output::Store { .. } | Output::Reading { .. } | Output::Close { .. } => true,
            Output::Send { after, .. } | Output::Event { after, .. } => *after <= self.durable,
        }
    }

    /// Whether outputs that it has to follow are held. A record follows nothing: what one input stores is committed
    /// together.
    fn is_behind(&self, output: &Output) -> bool {
        if is_unrecorded(output) || matches!(output, Output::Store { .. }) {
            return false;
        }
        match conn_of(output) {
            Some(conn) => self.conns.contains_key(&conn),
            None => self.events > 0,
        }
    }
}

/// Whether an event is about no record. Such events pass at once: a peer can cause any number of them, and they must not
/// pile up while the journal cannot be written.
fn is_unrecorded(output: &Output) -> bool {
    matches!(output, Output::Event { event: Event::Authenticate { .. } | Event::RefusedFrame { .. }, .. })
}

/// Returns the connection that an output is for, or `None` if it is for the host.
fn conn_of(output: &Output) -> Option<ConnId> {
    match output {
        Output::Send { conn, .. } | Output::Reading { conn } | Output::Close { conn, .. } => Some(*conn),
        Output::Store { .. } | Output::Event { .. } => None,
    }
}

#[cfg(test)]
impl Gate {
    pub(super) fn held_for_connections(&self) -> usize {
        self.held.iter().filter(|output| conn_of(output).is_some()).count()
    }

    pub(super) fn held_for_host(&self) -> usize {
        self.events
    }
}
