//! Real frames of the deployed clients: each is accepted in a suitable state.

use nuncio_core::arcp::{ConnId, Via};
use nuncio_tests::sdk::{SDKS, Sdk};
use nuncio_tests::world::{FEATURES, Frame, Job, World};
use serde_json::{Value, json};

/// A world with the agents that the fixtures name.
fn world(sdk: &Sdk) -> World {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.resume_by_token = true;
        config.dialect = Some(sdk.dialect);
    });
    for agent in ["ops", "delegate"] {
        w.runtime.register(nuncio_core::arcp::AgentSpec::new(agent)).unwrap();
    }
    w
}

/// Creates a session with a running job and enough events to acknowledge.
fn session(w: &mut World) -> (ConnId, Job) {
    let a = w.login_via("tok-alice", &FEATURES, Via::Tls);
    let lease = json!({"agent.delegate": ["*"], "fs.read": ["/ws/**"], "cost.budget": ["USD:5"]});
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    for n in 0..210 {
        w.log(&job, &n.to_string());
    }
    w.drain(a);
    (a, job)
}

fn answer(w: &mut World, line: &str) -> Vec<Frame> {
    let mut frame: Value = serde_json::from_str(&line.replace("\"TOKEN\"", "\"tok-alice\"")).unwrap();
    let (a, job) = session(w);
    if matches!(frame["type"].as_str(), Some("session.hello" | "session.resume")) {
        let conn = w.open();
        let payload = &mut frame["payload"];
        let place = if payload.get("resume").is_some() { &mut payload["resume"] } else { payload };
        for (name, value) in [("session_id", w.session(a)), ("resume_token", w.token(a)), ("token", w.token(a))] {
            if place.get(name).is_some() {
                place[name] = json!(value);
            }
        }
        w.send_frame(conn, &frame);
        return w.drain(conn);
    }
    frame["session_id"] = json!(w.session(a));
    if frame.get("job_id").is_some() {
        frame["job_id"] = json!(job.id);
    }
    for name in ["job_id", "parent_job_id"] {
        if frame["payload"].get(name).is_some() {
            frame["payload"][name] = json!(job.id);
        }
    }
    w.send_frame(a, &frame);
    w.drain(a)
}

/// Returns the code of the refusal that a recorded frame has to get: it has a value that no runtime accepts.
fn refused(frame: &Value) -> Option<&'static str> {
    let payload = &frame["payload"];
    let hello = frame["type"] == "session.hello";
    if payload["lease_request"]["cost.budget"] == json!([]) || payload["cursor"] == "cursor-from-the-last-page" {
        Some("INVALID_REQUEST")
    } else if hello && !payload["auth"]["token"].is_string() {
        Some("UNAUTHENTICATED")
    } else {
        None
    }
}

#[test]
fn fixtures_every_client_frame_is_accepted() {
    for sdk in &SDKS {
        for line in sdk.lines() {
            let frame: Value = serde_json::from_str(line).unwrap();
            let mut w = world(sdk);
            let frames = answer(&mut w, line);
            if let Some(code) = refused(&frame) {
                assert!(frames.iter().any(|frame| frame.payload()["code"] == code), "{line}\n{frames:#?}");
                continue;
            }
            let expected = match frame["type"].as_str().unwrap() {
                "session.hello" | "session.resume" => "session.welcome",
                "session.bye" | "session.close" => "session.closed",
                "session.list_jobs" => "session.jobs",
                "session.ping" => "session.pong",
                "job.submit" => "job.accepted",
                "job.cancel" => "job.cancelled",
                "job.subscribe" => "job.subscribed",
                "session.ack" | "session.pong" | "job.unsubscribe" => "nothing",
                other => panic!("unknown fixture {other}"),
            };
            let first = frames.first().map_or("nothing", |frame| frame.kind());
            assert_eq!(first, expected, "{}: {line}\n{frames:#?}", sdk.name);
        }
    }
}
