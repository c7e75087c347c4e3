//! Records: their bytes, and a router that goes on from them.

use core::time::Duration;

use nuncio_core::cap::{
    Decision, Dispatch, JobStatus, Policy, RecordKind, Router, RouterConfig, RouterRecord, RouterRecordError,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::support::{Harness, START, config, request, with_deadline, with_key};

fn recording() -> RouterConfig {
    config().with(|config| {
        config.records = true;
        config.policy = Policy::Ask;
        config.dispatch = Dispatch::LeastLoaded;
    })
}

fn harness() -> Harness {
    let mut harness = Harness::offline(recording());
    harness.router.handle_connected(START);
    harness.drain();
    harness
}

/// Restarts a router, which connects.
fn restart(harness: &Harness) -> (Harness, Vec<String>) {
    let mut harness = harness.restart(recording());
    harness.router.handle_connected(harness.now);
    let mut lines = harness.drain();
    lines.retain(|line| !line.starts_with("sub "));
    (harness, lines)
}

fn kinds(harness: &Harness) -> Vec<RecordKind> {
    harness.records.values().map(|bytes| RouterRecord::decode(bytes).unwrap().kind()).collect()
}

#[test]
fn a_question_to_the_policy_is_asked_again() {
    let mut harness = harness();
    harness.submit(request("j"));
    let (mut harness, lines) = restart(&harness);
    assert_eq!(lines, ["check j"]);
    harness.decide("j", Decision::RequireHuman { reason: "why".into() });
    let (mut harness, lines) = restart(&harness);
    assert_eq!(lines, ["approval j: why"]);
    assert_eq!(harness.decide("j", Decision::Allow), [""; 0]);
    let (mut harness, _) = restart(&harness);
    assert_eq!(harness.handshake("w", &["job.echo"]), ["joined w", "j to worker.w.jobs"]);
}

#[test]
fn deadlines_go_on_while_the_router_is_away() {
    let mut harness = harness();
    harness.handshake("w", &["job.echo"]);
    harness.submit(with_deadline(request("a"), 1_000));
    harness.decide("a", Decision::Allow);
    harness.submit(request("b"));
    harness.decide("b", Decision::Throttle { delay: Duration::from_secs(3) });
    harness.submit(request("c"));
    harness.decide("c", Decision::Allow);
    harness.cancel("c", "c");
    harness.now = harness.now.plus_secs(100);
    let (mut harness, lines) = restart(&harness);
    assert_eq!(lines, ["cancel c: enough", "a to worker.w.jobs"]);
    let lines = harness.wait(0);
    for line in ["ended a TIMEOUT", "check b", "ended c CANCELLED"] {
        assert!(lines.iter().any(|other| other == line), "no {line} in {lines:?}");
    }
}

#[test]
fn the_worker_of_a_restored_job_is_lost_unless_it_is_heard() {
    let mut harness = harness();
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("j"));
    harness.decide("j", Decision::Allow);
    let (mut harness, lines) = restart(&harness);
    assert_eq!(lines, ["j to worker.w.jobs"]);
    assert_eq!(harness.wait(15_000), ["lost w", "retrying j: the worker \"w\" is lost"]);
}

#[test]
fn an_ended_job_and_its_followers_are_remembered() {
    let mut harness = harness();
    harness.submit(with_key(request("a"), "k"));
    harness.submit(with_key(request("b"), "k"));
    harness.decide("a", Decision::Deny { reason: "no".into() });
    let (mut harness, lines) = restart(&harness);
    assert_eq!(lines, [""; 0]);
    assert_eq!(harness.submit(with_key(request("a"), "k")), ["result a DENIED SAFETY_DENIED: no"]);
    assert_eq!(harness.submit(with_key(request("b"), "k")), ["result b DENIED SAFETY_DENIED: no"]);
    assert_eq!(harness.submit(with_key(request("c"), "k")), ["result c DENIED SAFETY_DENIED: no"]);
    assert_eq!(harness.submit(request("a"))[1], "refused: another request has the job id \"a\"");
}

#[test]
fn records_that_are_replaced_can_be_dropped() {
    let mut harness = harness();
    harness.handshake("w", &["job.echo"]);
    harness.submit(request("j"));
    harness.decide("j", Decision::Allow);
    harness.progress("j", "w");
    assert_eq!(kinds(&harness), [RecordKind::Accepted, RecordKind::Moved, RecordKind::Moved]);
    assert_eq!(harness.records.remove(&2).map(|_| ()), Some(()));
    let (mut harness, _) = restart(&harness);
    assert_eq!(harness.status("j"), JobStatus::RUNNING);
    harness.result("j", "w", JobStatus::SUCCEEDED);
    harness.records.retain(|number, _| *number > 3);
    assert_eq!(kinds(&harness), [RecordKind::Ended]);
    let (mut harness, _) = restart(&harness);
    assert_eq!(harness.status("j"), JobStatus::SUCCEEDED);
    harness.wait(24 * 3_600_000);
    assert_eq!(kinds(&harness).last(), Some(&RecordKind::Forgotten));
    let (harness, _) = restart(&harness);
    assert_eq!(harness.router.jobs().count(), 0);
}

#[test]
fn a_record_that_cannot_be_used_is_an_error_that_names_it() {
    let mut harness = harness();
    harness.submit(request("j"));
    let record = harness.records[&1].clone();
    // The version is the first field: its tag and its value.
    assert_eq!(record[..2], [8, 1]);
    let newer = [&[8, 2], &record[2..]].concat();
    assert_eq!(RouterRecord::decode(&newer), Err(RouterRecordError::Version(2)));
    assert_eq!(RouterRecord::decode(&record[2..]), Err(RouterRecordError::Field("version")));
    assert!(matches!(RouterRecord::decode(&record[..9]), Err(RouterRecordError::Damaged(_))));
    assert_eq!(RouterRecord::decode(&record[..4]), Err(RouterRecordError::Field("job_id")));
    // A change without what was changed.
    harness.decide("j", Decision::Allow);
    let moved = RouterRecord::decode(&harness.records[&2]).unwrap();
    let error = Router::restore(recording(), [7; 32], START, [(2, moved)]).unwrap_err();
    assert_eq!((error.number, error.job_id.as_str()), (2, "j"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte: u8) {
        _ = RouterRecord::decode(&bytes);
        let mut harness = harness();
        harness.submit(with_key(request("j"), "k"));
        let mut record = harness.records[&1].clone();
        *at.get_mut(&mut record) = byte;
        if let Ok(record) = RouterRecord::decode(&record) {
            prop_assert_eq!(RouterRecord::decode(&record.encode()), Ok(record.clone()));
            if let Ok(mut router) = Router::restore(recording(), [7; 32], START, [(1, record)]) {
                router.handle_connected(START);
                while router.poll_output().is_some() {}
            }
        }
    }
}
