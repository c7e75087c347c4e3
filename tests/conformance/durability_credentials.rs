//! Ours: no credential stays valid forever, whenever the runtime crashes.

use nuncio_core::arcp::{ConnId, ErrorCode, Event, JobUlid, Record, Refused};
use nuncio_tests::world::{OnSubmit, SECOND, World};
use serde_json::{Value, json};

use crate::durability::world;

fn leased() -> Value {
    json!({"agent": "slow", "lease_request": {"model.use": ["tier-fast/*"], "agent.delegate": ["*"]}})
}

fn holding_world() -> (World, ConnId) {
    let mut w = world();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    (w, a)
}

/// The jobs whose credentials the restarted runtime wants revoked without naming them.
fn jobs_to_revoke(w: &mut World) -> Vec<JobUlid> {
    let mut jobs = Vec::new();
    while let Some((job, id, value)) = w.try_host_event(|event| match event {
        Event::Revoke { job, id, value, .. } => Some((*job, id.clone(), value.clone())),
        _ => None,
    }) {
        assert_eq!((id, value), (None, None));
        jobs.push(job);
    }
    jobs
}

fn jobs_asked(w: &World) -> Vec<JobUlid> {
    let asked = w.stored.iter().filter(|(_, record)| matches!(record, Record::CredentialsAsked { .. }));
    asked.filter_map(|(_, record)| record.job()).collect()
}

#[test]
fn ours_credentials_the_host_may_have_minted_are_revoked_by_job() {
    let (mut w, a) = holding_world();
    let job = w.submit_held(a, leased());
    let id = w.runtime.job(job).unwrap().id;
    assert_eq!(jobs_asked(&w), [id], "the request is on record before the host is asked");
    w.auto_revoke = false;
    for _ in 0..2 {
        // The host may or may not have minted credentials.
        let restored = w.restart();
        assert_eq!((restored.unanswered, restored.unrevoked, restored.interrupted), (1, 0, 0));
        assert_eq!(jobs_to_revoke(&mut w), [id]);
    }
    w.auto_revoke = true;
    assert_eq!(w.restart().unanswered, 1);
    assert_eq!(w.restart().unanswered, 0, "the revocation is on record");
}

#[test]
fn ours_credentials_of_a_delegated_job_are_revoked_the_same_way() {
    let mut w = world();
    let a = w.login("tok-alice");
    let parent = w.submit(a, leased());
    w.on_submit = OnSubmit::Hold;
    w.delegate(&parent, &json!({"agent": "slow", "delegate_id": "d1"})).unwrap();
    assert_eq!(w.restart().unanswered, 1);
    let child = *jobs_asked(&w).last().unwrap();
    assert_ne!(child.to_string(), parent.id);
}

#[test]
fn ours_the_hosts_answer_is_recorded_with_what_it_minted() {
    for how in ["started", "declined", "lapsed, then started", "lapsed, then declined"] {
        let (mut w, a) = holding_world();
        w.auto_revoke = false;
        let job = w.submit_held(a, leased());
        let minted = vec![w.credential(job, "1")];
        if how.starts_with("lapsed") {
            w.advance(30 * SECOND);
            assert!(w.drain(a).iter().any(|frame| frame.kind() == "session.error"));
            let stores = w.stored.len();
            assert_eq!(w.crashed_at(stores).1.unanswered, 1, "{how}: the host may still mint credentials");
        }
        let fault = nuncio_core::arcp::Fault::new(ErrorCode::InternalError, "declined");
        let stored = w.stored.len();
        match how {
            "started" => w.start_with(job, minted).unwrap(),
            "declined" => w.decline(job, ErrorCode::InternalError),
            "lapsed, then started" => assert_eq!(w.start_with(job, minted), Err(Refused::Stale)),
            _ => {
                assert_eq!(w.runtime.decline(w.now, job, fault), Err(Refused::Stale));
                w.settle();
            }
        }
        // Wherever the journal is cut, the credentials are revoked: by name if they are on record, otherwise all of the
        // job's.
        for stores in stored..=w.stored.len() {
            let restored = w.crashed_at(stores).1;
            let answered = |(_, r): &(u64, Record)| matches!(r, Record::CredentialsAnswered { .. });
            let answered = w.stored.iter().take(stores).any(answered);
            assert_eq!(restored.unanswered, u64::from(!answered), "{how}");
            let named = how.ends_with("started") && answered;
            assert!(!named || restored.unrevoked == 1, "{how}");
            assert!(restored.is_clean());
        }
        assert_eq!(w.restart().unanswered, 0, "{how}");
    }
}

#[test]
fn ours_without_the_feature_the_host_is_asked_for_no_credentials() {
    let mut w = world();
    let a = w.login_with("tok-alice", &["ack"]);
    w.job(a, "slow");
    let about = |record: &Record| record.kind().starts_with("credential");
    assert!(!w.stored.iter().any(|(_, record)| about(record)));
}
