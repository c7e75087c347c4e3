//! The wall clock of a worker, which may be set: intervals do not follow it.

use core::time::Duration;

use nuncio_core::cap::{BusPacket, DecodeLimits, JobFailure, WorkerOutput};
use nuncio_core::time::Time;

use super::support::{Harness, bare, plain, with_deadline};

const HOUR: i64 = 3_600_000_000;

impl Harness {
    /// Sets the wall clock.
    pub(crate) fn set_wall(&mut self, by: i64) {
        self.worker.handle_wall(self.now, Time(self.now.0.checked_add_signed(by).unwrap()));
    }
}

/// What a worker says after the wall clock was set, with the milliseconds after which it does.
fn said(prepare: impl Fn() -> Harness, step: Option<i64>) -> Vec<(u64, Vec<String>)> {
    let mut harness = prepare();
    if let Some(step) = step {
        harness.set_wall(step);
    }
    let lines = harness.drain();
    assert_eq!(lines, [""; 0], "nothing happens when the clock is set");
    let steps = (1..=80).map(|at| (at * 500, harness.wait(500)));
    steps.filter(|(_, lines)| !lines.is_empty()).collect()
}

fn unmoved(prepare: impl Fn() -> Harness) {
    let expected = said(&prepare, None);
    assert!(!expected.is_empty());
    for step in [HOUR, -HOUR, 2_000_000] {
        assert_eq!(said(&prepare, Some(step)), expected, "the wall clock was set by {step} µs");
    }
}

#[test]
fn ours_heartbeats_deadlines_and_pauses_do_not_follow_the_wall_clock() {
    // Heartbeats.
    unmoved(Harness::new);
    // The deadline of a job.
    unmoved(|| {
        let mut harness = Harness::new();
        harness.request(with_deadline(bare("j"), 7_000));
        harness
    });
    // The longest time of a job.
    unmoved(|| {
        let mut harness = Harness::with(|config| config.max_runtime = Some(Duration::from_secs(5)));
        harness.request(bare("j"));
        harness
    });
    // The pause before a handler is called again.
    unmoved(|| {
        let mut harness = Harness::with(|config| config.retries = 2);
        harness.request(bare("j"));
        harness.fail("j", JobFailure { ..plain("it fails") });
        harness
    });
    // The time for the store.
    unmoved(|| {
        let mut harness = Harness::new();
        harness.request(super::support::request("j"));
        harness
    });
}

#[test]
fn ours_packets_have_the_time_that_the_wall_clock_shows() {
    let mut harness = Harness::new();
    for step in [HOUR, -HOUR, 0] {
        harness.set_wall(step);
        harness.now = harness.now.plus_secs(10);
        harness.worker.handle_timeout(harness.now);
        let packet = core::iter::from_fn(|| harness.worker.poll_output()).find_map(|output| match output {
            WorkerOutput::Publish { bytes, .. } => BusPacket::decode(&bytes, &DecodeLimits::default()).ok(),
            _ => None,
        });
        let made = packet.unwrap().created_at.unwrap().to_time();
        assert_eq!(made, Some(Time(harness.now.0.checked_add_signed(step).unwrap())));
    }
}
