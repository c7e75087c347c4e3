//! Ours: restoring never fails, whatever the journal holds.

use nuncio_core::arcp::{Record, Restored, Runtime};
use nuncio_tests::world::World;
use serde_json::json;

use crate::durability::busy;

const SEED: [u8; 32] = [3; 32];

fn restore(w: &World, records: impl IntoIterator<Item = (u64, Record)>) -> (Runtime, Restored) {
    Runtime::restore(w.runtime.config().clone(), w.agents.clone(), SEED, w.now, records).unwrap()
}

fn outputs(mut runtime: Runtime) -> Vec<String> {
    let mut outputs = Vec::new();
    while let Some(output) = runtime.poll_output() {
        outputs.push(format!("{output:?}"));
    }
    outputs
}

#[test]
fn ours_repeated_and_reordered_records_change_nothing() {
    let w = busy();
    let records = w.records(w.stored.len());
    let clean = restore(&w, records.clone());
    let twice = restore(&w, records.iter().flat_map(|record| [record.clone(), record.clone()]));
    assert_eq!(twice.1.repeated, records.len() as u64);
    assert_eq!(twice.1.applied, clean.1.applied);
    let again = restore(&w, records.iter().chain(&records).cloned());
    assert_eq!(again.1.repeated, records.len() as u64);
    let clean = outputs(clean.0);
    assert_eq!(clean, outputs(twice.0));
    assert_eq!(clean, outputs(again.0));
}

#[test]
fn ours_any_record_may_be_missing() {
    let w = busy();
    let records = w.records(w.stored.len());
    for missing in 0..records.len() {
        let rest = records.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, record)| record.clone());
        let (mut runtime, restored) = restore(&w, rest);
        assert_eq!(restored.repeated, 0);
        exercise(&mut runtime, &w);
    }
}

#[test]
fn ours_any_two_records_may_be_swapped() {
    let w = busy();
    let records = w.records(w.stored.len());
    for first in (0..records.len()).step_by(3) {
        for second in (first + 1..records.len()).step_by(7) {
            let mut swapped = records.clone();
            let (one, other) = (swapped[first].1.clone(), swapped[second].1.clone());
            swapped[first].1 = other;
            swapped[second].1 = one;
            let (mut runtime, _) = restore(&w, swapped);
            exercise(&mut runtime, &w);
        }
    }
}

#[test]
fn ours_a_session_continues_after_a_gap_in_the_journal() {
    let mut w = crate::durability::world();
    let (a, job) = crate::durability::start_leased_job(&mut w);
    for message in ["one", "two", "three"] {
        w.log(&job, message);
    }
    let (session, token) = (w.session(a), w.token(a));
    let lost = w.stored.iter().position(|(_, record)| String::from_utf8(record.encode()).unwrap().contains("\"two\""));
    let records = w.records(w.stored.len());
    let kept = records.into_iter().enumerate().filter(|(index, _)| Some(*index) != lost).map(|(_, record)| record);
    let (runtime, _) = restore(&w, kept);
    w.adopt(runtime);
    // The window begins after the gap: a resume from before it is refused.
    let c = w.resume_as("tok-alice", &session, &token, 2);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let c = w.resume_as("tok-alice", &session, &token, 3);
    w.expect(c, "session.welcome");
    assert_eq!(w.event(c, "log").seq(), Some(4));
    assert_eq!(w.expect(c, "job.error").seq(), Some(5));
}

#[test]
fn ours_a_truncated_record_is_an_error_and_an_altered_one_is_harmless() {
    let w = busy();
    let mut kinds: Vec<&str> = Vec::new();
    for (_, record) in &w.stored {
        if kinds.contains(&record.kind()) {
            continue;
        }
        kinds.push(record.kind());
        let bytes = record.encode();
        for end in 0..bytes.len() {
            assert!(
                Record::decode(&bytes[..end]).is_err(),
                "the first {end} bytes of a record are not a record: {end}"
            );
        }
        for at in 0..bytes.len() {
            for value in [0, b'"', b'{', b'0', b'9', b'z', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(record) = Record::decode(&changed) {
                    let records = w.records(w.stored.len()).into_iter().chain([(u64::MAX, record)]);
                    if at % 64 == 0 {
                        drop(restore(&w, records));
                    }
                }
            }
        }
    }
    assert!(kinds.len() >= 11, "{kinds:?}");
}

#[test]
fn ours_the_largest_numbers_are_harmless() {
    let w = busy();
    let max = json!(9_007_199_254_740_991_u64);
    let mut changed = 0;
    for (index, (seq, record)) in w.records(w.stored.len()).into_iter().enumerate() {
        let mut value: serde_json::Value = serde_json::from_slice(&record.encode()).unwrap();
        for member in ["seq", "position", "at", "from", "created_at", "expires_at"] {
            if value.get(member).is_some() {
                value[member] = max.clone();
            }
        }
        if let Some(first) = value.get_mut("to").and_then(|to| to.as_array_mut()).and_then(|to| to.first_mut()) {
            first["seq"] = max.clone();
        }
        let Ok(record) = Record::decode(value.to_string().as_bytes()) else { continue };
        changed += 1;
        let mut records = w.records(w.stored.len());
        records[index] = (seq, record);
        let (mut runtime, _) = restore(&w, records);
        exercise(&mut runtime, &w);
    }
    assert!(changed > 40);
}

/// Lets a restored runtime produce its outputs and run its timers.
fn exercise(runtime: &mut Runtime, w: &World) {
    while runtime.poll_output().is_some() {}
    for _ in 0..50 {
        let Some((at, _)) = runtime.poll_timeout() else { break };
        runtime.handle_timeout(at.max(w.now));
        while runtime.poll_output().is_some() {}
    }
    assert!(runtime.bytes_held() < 1 << 20);
}
