//! The wall clock of a router, which may be set: intervals do not follow it, and records have its time.

use core::time::Duration;

use nuncio_core::cap::{Decision, Dispatch, JobStatus, Policy, RouterConfig};
use nuncio_core::time::Time;

use super::support::{Harness, START, config, request, with_deadline};

const HOUR: i64 = 3_600_000_000;

fn moved(now: Time, by: i64) -> Time {
    Time(now.0.checked_add_signed(by).unwrap())
}

impl Harness {
    /// Sets the wall clock.
    fn set_wall(&mut self, by: i64) {
        self.router.handle_wall(self.now, moved(self.now, by));
        assert_eq!(self.drain(), [""; 0], "nothing happens when the clock is set");
    }
}

fn unmoved(prepare: impl Fn() -> Harness) {
    let said = |step: Option<i64>| {
        let mut harness = prepare();
        if let Some(step) = step {
            harness.set_wall(step);
        }
        let steps = (1..=300).map(|at| (at * 500, harness.wait(500)));
        let said: Vec<(u64, Vec<String>)> = steps.filter(|(_, lines)| !lines.is_empty()).collect();
        assert!(!said.is_empty());
        said
    };
    let expected = said(None);
    for step in [HOUR, -HOUR, 2_000_000] {
        assert_eq!(said(Some(step)), expected, "the wall clock was set by {step} µs");
    }
}

#[test]
fn ours_deadlines_missed_heartbeats_and_pauses_do_not_follow_the_wall_clock() {
    // Nothing is heard of a job.
    unmoved(|| {
        let mut harness = Harness::new();
        harness.submit(request("j"));
        harness
    });
    // The deadline of a job.
    unmoved(|| {
        let mut harness = Harness::new();
        harness.submit(with_deadline(request("j"), 7_000));
        harness
    });
    // A worker is lost, and no worker is there for its job.
    unmoved(|| {
        let mut harness = Harness::choosing(|_| {});
        harness.handshake("w", &["job.echo"]);
        harness.submit(request("j"));
        harness
    });
    // The pause before a retry.
    unmoved(|| {
        let mut harness = Harness::new();
        harness.submit(request("j"));
        harness.result("j", "w", JobStatus::FAILED_RETRYABLE);
        harness
    });
    // A policy that delays.
    unmoved(|| {
        let mut harness = Harness::with(|config| config.policy = Policy::Ask);
        harness.submit(request("j"));
        harness.decide("j", Decision::Throttle { delay: Duration::from_secs(9) });
        harness
    });
    // A cancellation that is not answered.
    unmoved(|| {
        let mut harness = Harness::new();
        harness.submit(request("j"));
        harness.cancel("j", "c");
        harness
    });
}

fn recording() -> RouterConfig {
    config().with(|config| {
        config.records = true;
        config.policy = Policy::Ask;
        config.dispatch = Dispatch::LeastLoaded;
    })
}

/// A router with a job that has a deadline of 100 s and one that is delayed for 30 s, after the clock was set.
fn recorded(step: i64) -> Harness {
    let mut harness = Harness::offline(recording());
    harness.router.handle_connected(START);
    harness.drain();
    harness.set_wall(step);
    harness.handshake("w", &["job.echo"]);
    harness.submit(with_deadline(request("a"), 100_000));
    harness.decide("a", Decision::Allow);
    harness.submit(request("b"));
    harness.decide("b", Decision::Throttle { delay: Duration::from_secs(30) });
    harness
}

/// Restarts a router when the wall clock shows `wall`, which the time of the new one begins at, and returns after how many
/// seconds the one job is too late, which has five more than its deadline, and the other goes on.
fn restored(mut harness: Harness, wall: Time) -> (u64, u64) {
    harness.now = wall;
    let mut restored = harness.restart(recording());
    restored.router.handle_connected(wall);
    restored.drain();
    restored.handshake("w", &["job.echo"]);
    let (mut late, mut goes_on) = (None, None);
    for secs in 0..7_300 {
        let lines = restored.wait(if secs == 0 { 0 } else { 1_000 });
        restored.progress("a", "w");
        restored.heartbeat("w", 1, 4);
        if lines.iter().any(|line| line == "ended a TIMEOUT") {
            late.get_or_insert(secs);
        }
        if lines.iter().any(|line| line == "check b") {
            goes_on.get_or_insert(secs);
        }
    }
    (late.unwrap(), goes_on.unwrap())
}

#[test]
fn ours_records_are_judged_by_the_wall_clock_after_a_restart() {
    for step in [0, HOUR, -HOUR] {
        let harness = recorded(step);
        let wall = moved(harness.now.plus_secs(10), step);
        assert_eq!(restored(harness, wall), (95, 20), "the wall clock was set by {step} µs before the records");
    }
}

#[test]
fn ours_records_of_a_later_time_go_on_from_their_own_time() {
    let harness = recorded(0);
    let wall = moved(harness.now, -HOUR);
    assert_eq!(restored(harness, wall), (105, 30), "the wall clock was set back while the router was away");
}
