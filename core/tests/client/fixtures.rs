//! Real frames of the deployed runtimes: every line is accepted (core/docs/arcp.md, "The client").

use crate::support::{Desk, accepted, event, plain, welcome};
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

/// Feeds a frame to a client that waits for it, and looks at what comes out.
fn accept(line: &str, frame: &Value) {
    let job = frame["job_id"].as_str().unwrap_or_default();
    let seq = frame["event_seq"].as_u64().unwrap_or_default();
    match frame["type"].as_str().unwrap() {
        "session.welcome" => {
            let mut desk = Desk::idle(ClientConfig::default());
            desk.open();
            let expected = format!("welcome {}", frame["session_id"].as_str().unwrap());
            assert_eq!(desk.frame(line), [expected]);
        }
        "session.ping" => assert_eq!(Desk::live().frame(line), ["> session.pong"]),
        "session.pong" => assert!(Desk::live().frame(line).is_empty()),
        "session.error" => {
            let code = frame["payload"]["code"].as_str().unwrap();
            let mut desk = Desk::live();
            desk.submit();
            let lines = desk.frame(line);
            let refused = [format!("h0 submit failed: {code}")];
            let closed = lines.last().is_some_and(|line| line.starts_with(&format!("closed: {code}")));
            assert!(lines == refused || closed, "{line} gave {lines:?}");
        }
        "session.jobs" => {
            let mut desk = Desk::live();
            desk.client.list(desk.now, &ListQuery::default()).unwrap();
            desk.drain();
            let rows = frame["payload"]["jobs"].as_array().unwrap().len();
            let lines = desk.frame(&asked_by(line, frame, &desk.id_of("session.list_jobs")));
            let ids = lines[0].split(['[', ']']).nth(1).unwrap();
            assert_eq!(ids.split(',').filter(|id| !id.is_empty()).count(), rows, "{lines:?}");
        }
        "job.accepted" => {
            let mut desk = Desk::live();
            desk.submit();
            let lines = desk.frame(&asked_by(line, frame, &desk.id_of("job.submit")));
            let child = frame["payload"]["parent_job_id"].is_string() && frame["payload"]["request_id"].is_null();
            let expected = if child { format!("h1 child {job} of -") } else { format!("h0 accepted {job}") };
            assert_eq!(lines, [expected]);
        }
        "job.subscribed" => {
            let mut desk = Desk::live();
            desk.subscribe(job);
            let lines = desk.frame(&asked_by(line, frame, &desk.id_of("job.subscribe")));
            assert!(lines[0].starts_with(&format!("h0 subscribed {job}")), "{lines:?}");
        }
        "job.cancelled" => {
            let mut desk = Desk::live();
            let handle = desk.job(job);
            desk.client.cancel(desk.now, handle, None).unwrap();
            desk.drain();
            assert_eq!(desk.frame(line), ["h0 cancelled acknowledged=true"]);
        }
        "job.event" | "job.result" | "job.error" => {
            let mut desk = Desk::live();
            desk.job("job_before");
            for before in 1..seq {
                desk.frame(&event("job_before", before));
            }
            // A watcher may come into the middle of a streamed result.
            desk.subscribe(job);
            desk.frame(&plain("job.subscribed", &format!(r#""job_id":"{job}""#)));
            desk.takes = false;
            let lines = desk.frame(line);
            assert_eq!(lines.len(), 1, "{line} gave {lines:?}");
            assert!(lines[0].starts_with(&format!("h1 #{seq} ")), "{line} gave {lines:?}");
        }
        other => panic!("no rule for {other}"),
    }
}

/// The same frame, as the answer to our request.
fn asked_by(line: &str, frame: &Value, id: &str) -> String {
    match frame["payload"]["request_id"].as_str() {
        Some(request) => line.replace(request, id),
        None => line.to_owned(),
    }
}

#[test]
fn a_whole_conversation_with_the_typescript_runtime() {
    // One session, frames in the order that runtime writes them, no request_id anywhere.
    let mut desk = Desk::idle(ClientConfig::default());
    desk.submit();
    desk.open();
    let mut lines = desk.frame(&welcome("sess_1", "t"));
    lines.extend(desk.frame(&accepted("j", None)));
    lines.extend(desk.frame(&event("j", 1)));
    assert_eq!(lines, ["welcome sess_1", "> job.submit", "h0 accepted j", r#"h0 #1 log {"n":1}"#]);
}
