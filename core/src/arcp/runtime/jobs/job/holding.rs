//! What a job holds, and is charged.

use alloc::sync::Arc;

use super::Job;
use crate::arcp::runtime::memory::{Charge, Holder, Holding};

impl Job {
    pub(in crate::arcp::runtime::jobs) fn held(&self) -> usize {
        self.fixed
            + self.history.held()
            + self.input_len()
            + self.runs.held()
            + self.names
            + self.waiters.iter().map(|waiter| waiter.request_id.len() + 48).sum::<usize>()
            + self.output.held()
            + self.reservations.held()
            + self.questions.held()
            + self.ending_held()
            + self.terminal.as_ref().map_or(0, |terminal| terminal.held())
    }
}

impl Holder for Job {
    fn principal(&self) -> &Arc<str> {
        &self.accepted.principal
    }

    fn holding(&self) -> Holding {
        Holding { bytes: self.held(), ..Holding::default() }
    }

    fn charge(&self) -> &Charge {
        &self.charge
    }

    fn charge_mut(&mut self) -> &mut Charge {
        &mut self.charge
    }
}
