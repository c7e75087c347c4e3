//! Frames recorded from the deployed runtimes, all of which the client accepts (core/docs/arcp.md, "The client").

use crate::support::{Harness, accepted, event, plain, welcome};
use nuncio_core::arcp::client::{ClientConfig, ListQuery};
use serde_json::Value;

const TYPESCRIPT: &str = include_str!("../fixtures/ts-runtime.jsonl");
const PYTHON: &str = include_str!("../fixtures/py-runtime.jsonl");

#[test]
fn every_line_of_the_typescript_runtime_is_accepted() {
    accept_all(TYPESCRIPT);
}

#[test]
fn every_line_of_the_python_runtime_is_accepted() {
    accept_all(PYTHON);
}

fn accept_all(lines: &str) {
    let mut count = 0;
    for line in lines.lines() {
        accept(line, &serde_json::from_str(line).unwrap());
        count += 1;
    }
    assert!(count > 60, "only {count} lines");
}

/// Passes a frame to a client that expects it, and checks what comes out.
fn accept(line: &str, frame: &Value) {
    let job = frame["job_id"].as_str().unwrap_or_default();
    let seq = frame["event_seq"].as_u64().unwrap_or_default();
    match frame["type"].as_str().unwrap() {
        "session.welcome" => {
            let mut harness = Harness::idle(ClientConfig::default());
            harness.open();
            let expected = format!("welcome {}", frame["session_id"].as_str().unwrap());
            assert_eq!(harness.frame(line), [expected]);
        }
        "session.ping" => assert_eq!(Harness::live().frame(line), ["> session.pong"]),
        "session.pong" => assert!(Harness::live().frame(line).is_empty()),
        "session.error" => {
            let code = frame["payload"]["code"].as_str().unwrap();
            let mut harness = Harness::live();
            harness.submit();
            let lines = harness.frame(line);
            let refused = [format!("h0 submit failed: {code}")];
            let closed = lines.last().is_some_and(|line| line.starts_with(&format!("closed: {code}")));
            assert!(lines == refused || closed, "{line} gave {lines:?}");
        }
        "session.jobs" => {
            let mut harness = Harness::live();
            harness.client.list(harness.now, &ListQuery::default()).unwrap();
            harness.drain();
            let rows = frame["payload"]["jobs"].as_array().unwrap().len();
            let lines = harness.frame(&as_answer_to(line, frame, &harness.id_of("session.list_jobs")));
            let ids = lines[0].split(['[', ']']).nth(1).unwrap();
            assert_eq!(ids.split(',').filter(|id| !id.is_empty()).count(), rows, "{lines:?}");
        }
        "job.accepted" => {
            let mut harness = Harness::live();
            harness.submit();
            let lines = harness.frame(&as_answer_to(line, frame, &harness.id_of("job.submit")));
            let child = frame["payload"]["parent_job_id"].is_string() && frame["payload"]["request_id"].is_null();
            let expected = if child { format!("h1 child {job} of -") } else { format!("h0 accepted {job}") };
            assert_eq!(lines, [expected]);
        }
        "job.subscribed" => {
            let mut harness = Harness::live();
            harness.subscribe(job);
            let lines = harness.frame(&as_answer_to(line, frame, &harness.id_of("job.subscribe")));
            assert!(lines[0].starts_with(&format!("h0 subscribed {job}")), "{lines:?}");
        }
        "job.cancelled" => {
            let mut harness = Harness::live();
            let handle = harness.job(job);
            harness.client.cancel(harness.now, handle, None).unwrap();
            harness.drain();
            assert_eq!(harness.frame(line), ["h0 cancelled acknowledged=true"]);
        }
        "job.event" | "job.result" | "job.error" => {
            let mut harness = Harness::live();
            harness.job("job_before");
            for before in 1..seq {
                harness.frame(&event("job_before", before));
            }
            // A subscription may begin in the middle of a streamed result.
            harness.subscribe(job);
            harness.frame(&plain("job.subscribed", &format!(r#""job_id":"{job}""#)));
            harness.reports_taken = false;
            let lines = harness.frame(line);
            assert_eq!(lines.len(), 1, "{line} gave {lines:?}");
            assert!(lines[0].starts_with(&format!("h1 #{seq} ")), "{line} gave {lines:?}");
        }
        other => panic!("this test does not know {other}"),
    }
}

/// Returns the frame as the answer to our request.
fn as_answer_to(line: &str, frame: &Value, id: &str) -> String {
    match frame["payload"]["request_id"].as_str() {
        Some(request) => line.replace(request, id),
        None => line.to_owned(),
    }
}

#[test]
fn a_whole_conversation_with_the_typescript_runtime() {
    // The frames of one session in the order in which that runtime sends them. None has a `request_id`.
    let mut harness = Harness::idle(ClientConfig::default());
    harness.submit();
    harness.open();
    let mut lines = harness.frame(&welcome("sess_1", "t"));
    lines.extend(harness.frame(&accepted("j", None)));
    lines.extend(harness.frame(&event("j", 1)));
    assert_eq!(lines, ["welcome sess_1", "> job.submit", "h0 accepted j", r#"h0 #1 log {"n":1}"#]);
}
