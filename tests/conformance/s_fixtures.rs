//! Real frames of the deployed clients: each is accepted in a suitable state.

use nuncio_core::arcp::{ConnId, Via};
use nuncio_tests::world::{FEATURES, Frame, Job, World};
use serde_json::{Value, json};

const PYTHON: &str = include_str!("../data/py-client.jsonl");
const TYPESCRIPT: &str = include_str!("../data/ts-client.jsonl");

/// A world with the agents that the fixtures name.
fn world() -> World {
    let mut w = World::with(|config| config.provisioner = true);
    for agent in ["ops", "delegate"] {
        w.runtime
            .register(nuncio_core::arcp::AgentSpec {
                name: agent.into(),
                versions: vec![],
                default: None,
                max_concurrent: None,
            })
            .unwrap();
    }
    w
}

/// Creates a session with a running job and enough events to acknowledge.
fn session(w: &mut World) -> (ConnId, Job) {
    let a = w.login_via("tok-alice", &FEATURES, Via::Tls);
    let job = w.job(a, "slow");
    for n in 0..210 {
        w.log(&job, &n.to_string());
    }
    w.drain(a);
    (a, job)
}

fn answer(w: &mut World, line: &str) -> Vec<Frame> {
    let mut frame: Value = serde_json::from_str(line).unwrap();
    let (a, job) = session(w);
    if frame["type"] == "session.hello" {
        let conn = w.open();
        if frame["payload"].get("resume").is_some() {
            frame["payload"]["resume"]["session_id"] = json!(w.session(a));
            frame["payload"]["resume"]["resume_token"] = json!(w.token(a));
        }
        w.send_frame(conn, &frame);
        return w.drain(conn);
    }
    frame["session_id"] = json!(w.session(a));
    if frame.get("job_id").is_some() {
        frame["job_id"] = json!(job.id);
    }
    if frame["payload"].get("job_id").is_some() {
        frame["payload"]["job_id"] = json!(job.id);
    }
    w.send_frame(a, &frame);
    w.drain(a)
}

#[test]
fn fixtures_every_client_frame_is_accepted() {
    for line in PYTHON.lines().chain(TYPESCRIPT.lines()) {
        let kind = Frame::parse(line).kind().to_owned();
        let mut w = world();
        let frames = answer(&mut w, line);
        let first = frames.first().map_or("nothing", |frame| frame.kind());
        // One TypeScript line has an empty `cost.budget`, which is not a valid lease.
        if line.contains(r#""cost.budget": []"#) {
            assert_eq!(frames[0].payload()["code"], "INVALID_REQUEST");
            continue;
        }
        let expected = match kind.as_str() {
            "session.hello" => "session.welcome",
            "session.bye" => "session.closed",
            "session.list_jobs" => "session.jobs",
            "job.submit" => "job.accepted",
            "job.cancel" => "job.cancelled",
            "job.subscribe" => "job.subscribed",
            "session.ack" | "session.pong" => "nothing",
            other => panic!("unknown fixture {other}"),
        };
        assert_eq!(first, expected, "{line}\n{frames:#?}");
    }
}

#[test]
fn fixtures_python_is_recognised_and_typescript_is_not() {
    for (lines, python) in [(PYTHON, true), (TYPESCRIPT, false)] {
        let hello =
            lines.lines().find(|line| line.contains("session.hello") && !line.contains("resume_token")).unwrap();
        let mut w = world();
        let a = w.open();
        w.send_text(a, hello);
        w.expect(a, "session.welcome");
        let job = w.submit(a, json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1"]}}));
        assert_eq!(job.accepted.payload()["budget"]["USD"].is_string(), python);
    }
}
