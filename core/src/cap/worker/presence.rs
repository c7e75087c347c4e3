//! The load of a worker, and its next heartbeat.

use super::output::{Load, WorkerTimer};
use super::timers::{Deadline, Timers};
use crate::time::Time;

/// The load that heartbeats report, and when the next one is due.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    load: Load,
    heartbeat: Deadline,
}

impl Presence {
    pub(super) const fn new() -> Presence {
        Presence {
            load: Load { cpu: 0.0, gpu: 0.0, memory: 0.0 },
            heartbeat: Deadline::new(WorkerTimer::Heartbeat, None),
        }
    }

    pub(super) fn load(&self) -> Load {
        self.load
    }

    pub(super) fn set_load(&mut self, load: Load) {
        self.load = load;
    }

    /// Sends the next heartbeat at some time.
    pub(super) fn await_heartbeat(&mut self, at: Time, timers: &mut Timers) {
        self.heartbeat.set(at, timers);
    }

    /// Sends no more heartbeats.
    pub(super) fn stop(&mut self, timers: &mut Timers) {
        self.heartbeat.clear(timers);
    }
}
