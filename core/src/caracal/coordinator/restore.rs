//! Restoring a coordinator from its records.

use super::Coordinator;
use super::config::CoordinatorConfig;
use super::ids::{NewIds, Uuid};
use super::record::CoordinatorRecord;
use crate::clock::Clock;
use crate::time::Time;

/// A summary of a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoordinatorRestored {
    /// The number of the last record; 0 if there was none. The stores of the coordinator continue from here.
    pub last_store: u64,
    /// Records that were applied.
    pub applied: u64,
    /// Records that were skipped because their number was not greater than the one before.
    pub repeated: u64,
    /// Records that were skipped because they do not fit those before them, exceed a limit of the configuration, or belong
    /// to a zone or an application that is not configured.
    pub ignored: u64,
    /// The time of the coordinator, from which on it is given times: that of the latest record, and what has passed since by the
    /// wall clock. It is the given one if there is no record or the wall clock was never set.
    pub now: Time,
}

impl Coordinator {
    /// Returns a coordinator that continues from these records.
    ///
    /// `records` are the durable records of its [`Store`](super::event::CoordinatorOutput::Store)s, with their numbers.
    /// `now` is the time of the wall clock. Sessions and edges that expired while no coordinator ran end now, with
    /// outputs and stores as usual. The leases of services are not extended.
    ///
    /// The function is total. A record that does not fit the state is skipped and counted. The limits of `config` apply
    /// to all records.
    pub fn restore(
        config: CoordinatorConfig,
        seed: [u8; 32],
        now: Time,
        records: impl IntoIterator<Item = (u64, CoordinatorRecord)>,
    ) -> (Coordinator, CoordinatorRestored) {
        let mut coordinator = Coordinator::new(config, seed, now);
        let mut restored = CoordinatorRestored::default();
        let mut greatest = Uuid::MIN;
        coordinator.clock = Clock::new(Time::default());
        for (seq, record) in records {
            if seq <= restored.last_store {
                restored.repeated = restored.repeated.saturating_add(1);
                continue;
            }
            restored.last_store = seq;
            greatest = greatest.max(record.greatest_id());
            coordinator.pass(record.at, record.wall);
            coordinator.lapse_unrecorded(record.at);
            if coordinator.restore_record(&record) {
                restored.applied = restored.applied.saturating_add(1);
            } else {
                restored.ignored = restored.ignored.saturating_add(1);
            }
        }
        coordinator.ids = NewIds::resume(seed, greatest);
        coordinator.outputs.continue_after(restored.last_store);
        // How long no coordinator ran is known by the wall clock alone.
        let away = now.since(coordinator.clock.wall());
        coordinator.pass(coordinator.clock.now().plus_micros(away), now);
        restored.now = coordinator.clock.now();
        coordinator.lapse();
        for key in coordinator.zone_keys() {
            coordinator.forget_surplus(key);
        }
        (coordinator, restored)
    }

    /// Moves on to a time at which the wall clock showed `wall`.
    fn pass(&mut self, now: Time, wall: Time) {
        let before = self.clock.offset();
        self.clock.advance(now);
        self.clock.set_wall(wall);
        if self.clock.offset() != before {
            self.follow_walls();
        }
    }

    fn restore_record(&mut self, record: &CoordinatorRecord) -> bool {
        let Some(key) = self.zone_key(record.zone.as_str()) else { return false };
        let Some(zone) = usize::try_from(key).ok().and_then(|at| self.zones.get_mut(at)) else { return false };
        zone.apply(&self.config, record, &mut self.timers)
    }
}
