//! Frames recorded from the deployed runtimes, all of which the client accepts (core/docs/arcp.md, "The client").

use crate::support::{Harness, accepted, event, plain, welcome};
use nuncio_core::arcp::client::{ClientConfig, ListQuery};
use serde_json::Value;

const TYPESCRIPT: &str = include_str!("../fixtures/ts-runtime.jsonl");
const PYTHON: &str = include_str!("../fixtures/py-runtime.jsonl");
const GO: &str = include_str!("../fixtures/go-runtime.jsonl");
const JAVA: &str = include_str!("../fixtures/java-runtime.jsonl");
const RUBY: &str = include_str!("../fixtures/ruby-runtime.jsonl");
/// Read from the source of the SDK, not recorded. Each line has the member `derived`, which the SDK does not send.
const CSHARP: &str = include_str!("../fixtures/csharp-runtime.jsonl");

#[test]
fn every_line_of_the_typescript_runtime_is_accepted() {
    accept_all(TYPESCRIPT, 92);
}

#[test]
fn every_line_of_the_python_runtime_is_accepted() {
    accept_all(PYTHON, 85);
}

#[test]
fn every_line_of_the_go_runtime_is_accepted() {
    accept_all(GO, 29);
}

#[test]
fn every_line_of_the_java_runtime_is_accepted() {
    accept_all(JAVA, 34);
}

#[test]
fn every_line_of_the_ruby_runtime_is_accepted() {
    accept_all(RUBY, 38);
}

#[test]
fn every_line_of_the_csharp_runtime_is_accepted() {
    accept_all(CSHARP, 31);
}

fn accept_all(lines: &str, expected: usize) {
    let mut count = 0;
    for line in lines.lines() {
        accept(line, &serde_json::from_str(line).unwrap());
        count += 1;
    }
    assert_eq!(count, expected);
}

/// Passes a frame to a client that expects it, and checks what comes out.
fn accept(line: &str, frame: &Value) {
    let session = frame["session_id"].as_str().filter(|_| frame["type"] != "session.welcome");
    let in_our_session = session.map_or_else(|| line.to_owned(), |session| line.replace(session, "sess_1"));
    let line = in_our_session.as_str();
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
        "session.closed" => {
            let mut harness = Harness::live();
            harness.client.close(harness.now, None);
            assert_eq!(harness.drain(), ["> session.close"]);
            assert_eq!(harness.frame(line), ["drop 1000", "closed: the application closed the client"]);
        }
        "session.error" => {
            let code = frame["payload"]["code"].as_str().unwrap();
            let mut harness = Harness::live();
            harness.submit();
            let lines = harness.frame(&as_answer_to(line, frame, &harness.id_of("job.submit")));
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
            let mut harness = live_before(seq);
            let handle = harness.job(job);
            harness.client.cancel(harness.now, handle, None).unwrap();
            harness.drain();
            let lines = harness.frame(line);
            assert!(lines.len() == 1 && lines[0].ends_with("cancelled acknowledged=true"), "{line} gave {lines:?}");
        }
        "job.error" if refuses(frame) => {
            let mut harness = Harness::live();
            let (submits, subscribes) = (job.is_empty(), !job.is_empty());
            let request = if submits {
                harness.submit();
                harness.id_of("job.submit")
            } else {
                harness.subscribe(job);
                harness.id_of("job.subscribe")
            };
            let code = frame["payload"]["code"].as_str().unwrap();
            let lines = harness.frame(&as_answer_to(line, frame, &request));
            let what = if subscribes { "subscribe" } else { "submit" };
            let closed = lines.last().is_some_and(|line| line.starts_with(&format!("closed: {code}")));
            assert!(closed || lines == [format!("h0 {what} failed: {code}")], "{line} gave {lines:?}");
        }
        "job.event" if job.is_empty() => {
            let mut harness = live_before(seq);
            assert!(harness.frame(line).is_empty());
            assert_eq!(harness.frame(&event("job_before", seq + 1)).len(), 1, "{line} counts");
        }
        "job.event" | "job.result" | "job.error" => {
            let mut harness = live_before(seq);
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

/// Returns a client that has received all numbers before this one, as events of another job.
fn live_before(seq: u64) -> Harness {
    let mut harness = Harness::live();
    harness.job("job_before");
    for before in 1..seq {
        harness.frame(&event("job_before", before));
    }
    harness
}

/// Returns whether a `job.error` refuses a request, as the Java and Ruby runtimes do: it has no number, and no job or the
/// envelope id of the request.
fn refuses(frame: &Value) -> bool {
    let (payload, numbered) = (&frame["payload"], frame["event_seq"].is_u64());
    let ends_a_ruby_job = payload["job_id"].is_string() && payload["reply_to"].is_null();
    !numbered && !ends_a_ruby_job
}

/// Returns the frame as the answer to our request. The runtime has quoted the request in the payload, or as the envelope
/// id of a refusal.
fn as_answer_to(line: &str, frame: &Value, id: &str) -> String {
    let payload = &frame["payload"];
    let own_id = frame["id"].as_str().filter(|_| frame["type"] == "job.error");
    match payload["request_id"].as_str().or(payload["reply_to"].as_str()).or(own_id) {
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
