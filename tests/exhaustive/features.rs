//! Every pair of the features, with each message that needs some of them.

use nuncio_tests::world::{FEATURES, World};
use serde_json::{Value, json};

/// Messages, each with the features without which it is `INVALID_REQUEST`.
fn requests() -> Vec<(Vec<&'static str>, &'static str, Value)> {
    let job = "job_01M7XYPH85GSFKWQXBK44MZHS9";
    let submit = |rest: Value| {
        let mut payload = json!({"agent": "echo"});
        payload.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        payload
    };
    vec![
        (vec![], "job.submit", submit(json!({}))),
        (vec![], "session.ping", json!({"nonce": "n", "sent_at": "2026-05-13T19:30:00.000Z"})),
        (vec!["list_jobs"], "session.list_jobs", json!({})),
        (vec!["subscribe"], "job.subscribe", json!({"job_id": job})),
        (vec!["subscribe"], "job.unsubscribe", json!({"job_id": job})),
        (
            vec!["lease_expires_at"],
            "job.submit",
            submit(json!({"lease_constraints": {"expires_at": "2099-01-01T00:00:00Z"}})),
        ),
        (vec!["cost.budget"], "job.submit", submit(json!({"lease_request": {"cost.budget": ["USD:1"]}}))),
        (vec!["model.use"], "job.submit", submit(json!({"lease_request": {"model.use": ["m"]}}))),
        (vec!["agent_versions"], "job.submit", json!({"agent": "ver@1.0.0"})),
        (
            vec!["cost.budget", "model.use", "lease_expires_at"],
            "job.submit",
            submit(json!({
                "lease_request": {"cost.budget": ["USD:1"], "model.use": ["m"]},
                "lease_constraints": {"expires_at": "2099-01-01T00:00:00Z"},
            })),
        ),
    ]
}

#[test]
fn every_pair_of_features_with_every_message() {
    let requests = requests();
    for (at, first) in FEATURES.iter().enumerate() {
        for second in &FEATURES[at..] {
            for (needs, kind, payload) in &requests {
                let mut w = World::with(|config| config.provisioner = true);
                let a = w.login_with("tok-alice", &[first, second]);
                let id = w.send(a, kind, payload.clone());
                let answers = w.drain(a);
                let invalid = answers.iter().any(|frame| {
                    frame.kind() == "session.error"
                        && frame.payload()["code"] == "INVALID_REQUEST"
                        && frame.payload()["request_id"] == id.as_str()
                });
                let negotiated = needs.iter().all(|need| need == first || need == second);
                assert_eq!(invalid, !negotiated, "{first} and {second}: {kind} {payload}: {answers:?}");
                assert_eq!(w.closed(a), None, "the session survives");
            }
        }
    }
}
