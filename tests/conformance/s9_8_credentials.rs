//! §9.8, §14: provisioned credentials.

use nuncio_core::arcp::{ConnId, Credential, ErrorCode, Event, Record, Refused, RevocationId, Secret, Via};
use nuncio_tests::world::{FEATURES, Job, OnSubmit, SECOND, World};
use serde_json::{Value, json};
use std::time::Duration;

fn world() -> World {
    World::with(|config| config.provisioner = true)
}

fn leased() -> Value {
    json!({"agent": "slow", "lease_request": {"model.use": ["tier-fast/*"], "agent.delegate": ["*"]}})
}

fn start_job(w: &mut World) -> (ConnId, Job) {
    let a = w.login("tok-alice");
    let job = w.submit(a, leased());
    (a, job)
}

/// Takes the next revocation request: `(key, id, value, attempt)`.
fn next_revocation(w: &mut World) -> Option<(RevocationId, String, String, u32)> {
    w.try_host_event(|event| match event {
        Event::Revoke { revocation, id, value, attempt, .. } => {
            Some((*revocation, id.clone()?, value.as_ref()?.expose().to_owned(), *attempt))
        }
        _ => None,
    })
}

fn credential_value(job: &Job) -> String {
    job.accepted.payload()["credentials"][0]["value"].as_str().unwrap().to_owned()
}

#[test]
fn s9_8_1_the_shape_of_a_credential() {
    let mut w = world();
    let (_, job) = start_job(&mut w);
    assert_eq!(
        job.accepted.payload()["credentials"],
        json!([{
            "id": "cred_1",
            "scheme": "bearer",
            "value": format!("secret-{}-1", job.id),
            "endpoint": "https://gateway.example.test/v1",
            "profile": "openai",
            "constraints": {"model.use": ["tier-fast/*"]},
        }])
    );
}

#[test]
fn s9_8_1_absent_members_are_omitted() {
    let mut w = world();
    let a = w.login("tok-alice");
    let bare = Credential {
        id: "c".into(),
        value: Secret::new("value-of-c"),
        endpoint: "https://e/".into(),
        profile: None,
        constraints: None,
    };
    w.secret("value-of-c", "alice");
    w.on_submit = OnSubmit::Credentials(vec![bare]);
    let job = w.submit(a, leased());
    assert_eq!(
        job.accepted.payload()["credentials"],
        json!([{"id": "c", "scheme": "bearer", "value": "value-of-c", "endpoint": "https://e/"}])
    );
}

#[test]
fn s9_8_none_are_shown_if_none_were_minted() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow"}));
    let asked = w.host_event("Submitted", |event| match event {
        Event::Submitted { credentials, .. } => Some(*credentials),
        _ => None,
    });
    assert!(asked, "negotiated, so the host may mint");
    assert!(job.accepted.payload().get("credentials").is_none());
}

#[test]
fn s14_each_credential_is_recorded_before_it_is_sent() {
    let mut w = world();
    let (a, job) = start_job(&mut w);
    let recorded = w.stored.iter().find_map(|(sends, record)| match record {
        Record::CredentialIssued { job: id, id: credential } if id.to_string() == job.id && credential == "cred_1" => {
            Some(*sends)
        }
        _ => None,
    });
    let sent = w.history.iter().position(|(_, conn, frame)| *conn == a && frame.kind() == "job.accepted").unwrap();
    assert!(recorded.unwrap() <= sent as u64);
    w.rotate(&job, "cred_1", "rotated-value", "alice").unwrap();
    let sent = w.history.iter().position(|(_, _, frame)| frame.text().contains("rotated-value")).unwrap();
    let issued: Vec<u64> = w
        .stored
        .iter()
        .filter(|(_, record)| matches!(record, Record::CredentialIssued { .. }))
        .map(|(sends, _)| *sends)
        .collect();
    assert_eq!(issued.len(), 2, "a rotation is recorded as a new credential");
    assert!(issued[1] <= sent as u64);
}

#[test]
fn s9_8_2_credentials_are_revoked_at_every_terminal() {
    for how in ["success", "error", "cancelled", "timed_out", "abort"] {
        let mut w = world();
        let a = w.login("tok-alice");
        let mut submit = leased();
        submit["max_runtime_sec"] = json!(10);
        let job = w.submit(a, submit);
        assert!(next_revocation(&mut w).is_none());
        match how {
            "success" => w.finish(&job, "1"),
            "error" => w.fail(&job, "INTERNAL_ERROR", "x").unwrap(),
            "cancelled" => {
                w.send(a, "job.cancel", json!({"job_id": job.id}));
                w.finish(&job, "1");
            }
            "timed_out" => w.advance(10 * SECOND),
            _ => w.abort(),
        }
        let (_, id, revoked, attempt) = next_revocation(&mut w).unwrap_or_else(|| panic!("{how}"));
        assert_eq!((id.as_str(), revoked, attempt), ("cred_1", credential_value(&job), 0), "{how}");
        assert!(next_revocation(&mut w).is_none());
        assert!(w.stored.iter().any(|(_, record)| matches!(record, Record::CredentialRevoked { .. })), "{how}");
    }
}

#[test]
fn s9_8_2_a_failed_revocation_is_retried() {
    let mut w = world();
    w.auto_revoke = false;
    let (_, job) = start_job(&mut w);
    w.finish(&job, "1");
    for expected in 0..5 {
        let (key, _, revoked, attempt) = next_revocation(&mut w).unwrap();
        assert_eq!((revoked, attempt), (credential_value(&job), expected));
        w.runtime.revoke_failed(w.now, key).unwrap();
        w.advance(0);
        assert!(next_revocation(&mut w).is_none(), "the retry is not immediate");
        w.advance(24 * 3600 * SECOND);
    }
    let (key, ..) = next_revocation(&mut w).unwrap();
    w.runtime.revoked(w.now, key).unwrap();
    w.advance(24 * 3600 * SECOND);
    assert!(next_revocation(&mut w).is_none());
    assert_eq!(w.runtime.revoked(w.now, key), Err(Refused::Stale));
    assert_eq!(w.runtime.revoke_failed(w.now, key), Err(Refused::Stale));
}

#[test]
fn s9_8_2_rotation_shows_the_new_value_once_and_revokes_the_prior() {
    let mut w = world();
    let (a, job) = start_job(&mut w);
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    w.rotate(&job, "cred_1", "rotated-value", "alice").unwrap();
    let status = w.event(a, "status");
    assert_eq!(
        *status.body(),
        json!({"phase": "credential_rotated", "credential_id": "cred_1", "id": "cred_1", "value": "rotated-value"})
    );
    let (_, id, revoked, _) = next_revocation(&mut w).unwrap();
    assert_eq!((id.as_str(), revoked), ("cred_1", credential_value(&job)), "the prior value is revoked by value");
    // Once it was written, the value is redacted everywhere else.
    let again = w.resume(a, 0);
    let frames = w.drain(again);
    let replayed = frames.iter().find(|frame| frame.body()["phase"] == "credential_rotated").unwrap();
    assert!(!replayed.text().contains("rotated-value"), "{replayed:?}");
    assert_eq!(replayed.body()["credential_id"], "cred_1");
    let accepted = frames.iter().find(|frame| frame.kind() == "job.accepted").unwrap();
    assert_eq!(accepted.payload()["credentials"][0]["value"], "rotated-value", "the currently valid value");
    let c = w.login("tok-alice");
    let subscribed = w.subscribe(c, json!({"job_id": job.id, "history": true}));
    assert_eq!(
        subscribed.payload()["credentials"][0]["value"],
        "rotated-value",
        "the owner can read the value in job.subscribed"
    );
    assert!(w.drain(c).iter().all(|frame| !frame.text().contains("rotated-value")));
    assert_eq!(w.runtime.job(job.key).unwrap().credentials[0].value.expose(), "rotated-value");
    w.finish(&job, "1");
    assert_eq!(next_revocation(&mut w).unwrap().2, "rotated-value");
}

#[test]
fn s9_8_2_a_rotation_that_was_not_written_is_written_after_the_resume() {
    let mut w = world();
    let (a, job) = start_job(&mut w);
    w.cut(a);
    w.rotate(&job, "cred_1", "rotated-value", "alice").unwrap();
    let b = w.resume(a, 1);
    let status = w.event(b, "status");
    assert_eq!(status.body()["value"], "rotated-value");
    let c = w.resume(b, 1);
    assert!(w.event(c, "status").body().get("value").is_none());
}

#[test]
fn s9_8_2_rotating_an_unknown_credential_is_refused() {
    let mut w = world();
    let (a, job) = start_job(&mut w);
    assert!(w.rotate(&job, "cred_9", "x-value", "alice").is_err());
    w.expect_nothing(a);
    w.finish(&job, "1");
    assert!(w.rotate(&job, "cred_1", "y-value", "alice").is_err());
    assert!(next_revocation(&mut w).is_some());
    assert!(next_revocation(&mut w).is_none());
}

#[test]
fn s9_8_credentials_minted_too_late_are_revoked() {
    let mut w = world();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, leased());
    let minted = w.credential(key, "1");
    w.advance(30 * SECOND);
    w.drain(a);
    assert_eq!(w.start_with(key, vec![minted.clone()]), Err(Refused::Stale));
    let (_, _, revoked, _) = next_revocation(&mut w).expect("a late credential is revoked");
    assert_eq!(revoked, minted.value.expose());
    assert!(w.history.iter().all(|(_, _, frame)| frame.kind() != "job.accepted"));
}

#[test]
fn s9_8_without_the_feature_the_host_may_give_no_credentials() {
    let mut w = world();
    let a = w.login_without("tok-alice", &["provisioned_credentials"]);
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, leased());
    let minted = w.credential(key, "1");
    assert!(w.start_with(key, vec![minted]).is_err());
    assert!(w.drain(a).iter().all(|frame| !frame.text().contains("secret-")));
}

fn credential(id: &str, value: &str) -> Credential {
    let endpoint = "https://e/".into();
    Credential { id: id.into(), value: Secret::new(value), endpoint, profile: None, constraints: None }
}

#[test]
fn s9_8_1_a_credential_has_an_id_of_its_own_a_value_and_an_endpoint() {
    let mut w = world();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, leased());
    w.secret("good-value", "alice");
    for bad in [
        vec![credential("", "good-value")],
        vec![credential("c", "")],
        vec![Credential { endpoint: String::new(), ..credential("c", "good-value") }],
        vec![credential("c", "good-value"), credential("c", "another-value")],
    ] {
        assert!(matches!(w.start_with(key, bad), Err(Refused::Invalid(_))));
        w.expect_nothing(a);
    }
    w.start_with(key, vec![credential("c", "good-value")]).unwrap();
    assert_eq!(w.expect(a, "job.accepted").payload()["credentials"][0]["value"], "good-value");
}

#[test]
fn s9_8_2_a_value_is_not_reused_across_jobs() {
    let mut w = world();
    w.auto_revoke = false;
    let a = w.login("tok-alice");
    let first = w.submit(a, leased());
    let used = credential_value(&first);
    w.on_submit = OnSubmit::Hold;
    let second = w.submit_held(a, leased());
    let refused = |refused: Result<(), Refused>| assert!(matches!(refused, Err(Refused::Invalid(_))), "{refused:?}");
    refused(w.start_with(second, vec![credential("cred_2", &used)]));
    w.secret("own-value", "alice");
    refused(w.start_with(second, vec![credential("cred_2", "own-value"), credential("cred_3", "own-value")]));
    w.start_with(second, vec![credential("cred_2", "own-value")]).unwrap();
    let accepted = w.expect(a, "job.accepted");
    let second = w.job_of(&accepted);
    w.event(a, "status");
    // A rotation may not reuse a value either, not even the current one, which would then be revoked.
    refused(w.rotate(&second, "cred_2", &used, "alice"));
    refused(w.rotate(&second, "cred_2", "own-value", "alice"));
    w.rotate(&second, "cred_2", "newer-value", "alice").unwrap();
    refused(w.rotate(&first, "cred_1", "own-value", "alice"));
    // Until it is revoked, a value is valid upstream, and may not be given to another job.
    w.finish(&first, "1");
    let third = w.submit_held(a, leased());
    refused(w.start_with(third, vec![credential("cred_4", &used)]));
    w.drain(a);
    w.secret("third-value", "alice");
    w.start_with(third, vec![credential("cred_4", "third-value")]).unwrap();
}

#[test]
fn s9_8_too_many_credentials_are_refused_to_the_host() {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.limits.credentials_per_job = 2;
    });
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, leased());
    let minted: Vec<Credential> = ["1", "2", "3"].iter().map(|suffix| w.credential(key, suffix)).collect();
    assert!(matches!(w.start_with(key, minted), Err(Refused::Limit { limit: "credentials_per_job", max: 2 })));
}

#[test]
fn s9_8_2_a_childs_credentials_end_with_its_parent() {
    let mut w = world();
    let (a, parent) = start_job(&mut w);
    let body = json!({"agent": "slow", "delegate_id": "d", "lease_request": {"model.use": ["tier-fast/*"]}});
    w.delegate(&parent, &body).unwrap();
    let frames = w.drain(a);
    let accepted = frames.iter().find(|frame| frame.kind() == "job.accepted").unwrap();
    let childs = accepted.payload()["credentials"][0]["value"].as_str().unwrap().to_owned();
    w.finish(&parent, "1");
    let first = next_revocation(&mut w).unwrap().2;
    let second = next_revocation(&mut w).unwrap().2;
    assert_eq!((first, second), (childs, credential_value(&parent)), "the child's credential is revoked first");
}

#[test]
fn s9_8_2_credentials_minted_for_a_child_after_its_parent_ended_are_revoked() {
    let mut w = world();
    let (a, parent) = start_job(&mut w);
    w.on_submit = OnSubmit::Hold;
    let child =
        w.delegate(&parent, &json!({"agent": "slow", "lease_request": {"model.use": ["tier-fast/*"]}})).unwrap();
    let minted = w.credential(child, "2");
    w.finish(&parent, "1");
    assert_eq!(next_revocation(&mut w).unwrap().2, credential_value(&parent));
    assert_eq!(w.start_with(child, vec![minted.clone()]), Err(Refused::Stale));
    assert_eq!(next_revocation(&mut w).expect("it is revoked").2, minted.value.expose());
    assert!(w.drain(a).iter().all(|frame| !frame.text().contains(minted.value.expose())));
}

#[test]
fn s14_submits_with_credentials_are_refused_beyond_the_revocation_limit() {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.limits.revocations = 1;
    });
    w.auto_revoke = false;
    let (a, job) = start_job(&mut w);
    w.finish(&job, "1");
    w.drain(a);
    let error = w.submit_refused(a, leased(), "INTERNAL_ERROR");
    assert_eq!(error.payload()["details"]["limit"], "revocations");
}

#[test]
fn s9_8_a_declined_submit_shows_nothing() {
    let mut w = world();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Decline(ErrorCode::InternalError);
    w.submit_refused(a, leased(), "INTERNAL_ERROR");
    assert!(!w.stored.iter().any(|(_, record)| matches!(record, Record::CredentialIssued { .. })));
}

#[test]
fn s9_8_secrets_are_not_printed() {
    let mut w = world();
    let (_, job) = start_job(&mut w);
    let printed = format!("{:?}", w.runtime.job(job.key).unwrap().credentials);
    assert!(!printed.contains("secret-"), "{printed}");
}

#[test]
fn s9_8_a_rotated_value_is_not_shown_to_an_owner_without_the_feature() {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.resume_window = Duration::from_secs(1);
    });
    let a = w.login("tok-alice");
    let submit = json!({"agent": "slow", "lease_request": {"model.use": ["tier-fast/*"]}, "idempotency_key": "k"});
    let job = w.submit(a, submit.clone());
    assert!(job.accepted.payload().get("credentials").is_some());
    w.send(a, "session.close", json!({}));
    w.advance(2 * SECOND);
    // The same principal takes over the job on a connection that is not encrypted.
    let b = w.login_via("tok-alice", &FEATURES, Via::Plain);
    w.send_submit(b, submit);
    assert!(w.expect(b, "job.accepted").payload().get("credentials").is_none());
    assert!(w.subscribe(b, json!({"job_id": job.id})).payload().get("credentials").is_none());
    w.rotate(&job, "cred_1", "secret-rotated", "alice").unwrap();
    let rotated = w.event(b, "status");
    assert_eq!(rotated.body()["phase"], "credential_rotated");
    assert!(!rotated.text().contains("secret-rotated"), "{rotated:?}");
}

#[test]
fn s14_a_request_that_came_by_a_proxy_in_clear_gets_no_credentials() {
    let submit = json!({"agent": "slow", "lease_request": {"model.use": ["tier-fast/*"]}});
    for (socket, request, are_shown) in [
        (Via::Loopback, Via::Plain, false),
        (Via::Tls, Via::Plain, false),
        (Via::Plain, Via::Tls, true),
        (Via::Loopback, Via::Loopback, true),
    ] {
        let mut w = World::with(|config| config.provisioner = true);
        let conn = w.open_via(socket);
        w.runtime.handle_via(w.now, conn, request);
        w.hello(conn, "tok-alice", &FEATURES);
        let welcome = w.expect(conn, "session.welcome");
        let features = welcome.payload()["capabilities"]["features"].to_string();
        assert_eq!(features.contains("provisioned_credentials"), are_shown, "{socket:?} {request:?}: {features}");
        // What comes after the hello changes nothing.
        w.runtime.handle_via(w.now, conn, if are_shown { Via::Plain } else { Via::Tls });
        w.send_submit(conn, submit.clone());
        let accepted = w.expect(conn, "job.accepted");
        assert_eq!(accepted.payload().get("credentials").is_some(), are_shown, "{socket:?} {request:?}");
    }
}
