//! §5: user data is passed through as the text that was received.

use nuncio_core::arcp::{Body, Event, Refused, Via};
use nuncio_tests::world::{World, json_text};
use serde_json::json;

const AWKWARD: [&str; 12] = [
    "12408.0",
    "1e400",
    "-0",
    "1E+2",
    "0.10000000000000000000000001",
    "18446744073709551617",
    r#"{"z":1,"a":2,"m":{"b":null,"a":[]}}"#,
    r#"{"a":1,"a":2}"#,
    r#""\u0041\/\ud83e\udd80 \n\t""#,
    r#""\ud800""#,
    r#"{ "spaced" : [ 1 , 2 ,  3 ] }"#,
    "null",
];

fn submit(input: &str) -> String {
    format!(r#"{{"arcp":"1.1","id":"s","type":"job.submit","payload":{{"agent":"echo","input":{input}}}}}"#)
}

#[test]
fn s5_input_reaches_the_agent_byte_for_byte() {
    for input in AWKWARD {
        let mut w = World::new();
        let a = w.login("tok-alice");
        w.send_text(a, &submit(input));
        let accepted = w.expect(a, "job.accepted");
        let job = w.job_of(&accepted);
        assert_eq!(w.runtime.job(job.key).unwrap().input.unwrap().get(), input);
    }
}

#[test]
fn s5_an_absent_input_is_none() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    assert!(w.runtime.job(job.key).unwrap().input.is_none());
}

#[test]
fn s5_result_passes_byte_for_byte() {
    for result in AWKWARD {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.finish(&job, result);
        let terminal = w.expect(a, "job.result");
        assert_eq!(terminal.raw(&["payload", "result"]), result);
        let told = w.host_event("Ended", |event| match event {
            Event::Ended { result, .. } => Some(result.clone()),
            _ => None,
        });
        assert_eq!(std::str::from_utf8(&told.unwrap()).unwrap(), result);
    }
}

#[test]
fn s5_bodies_pass_byte_for_byte() {
    for value in AWKWARD {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        let body = format!(r#"{{"any":{value}}}"#);
        w.emit(&job, &Body::raw("x-vendor.acme.custom", &json_text(&body)).unwrap());
        let event = w.event(a, "x-vendor.acme.custom");
        assert_eq!(event.raw(&["payload", "body"]), body);
    }
}

#[test]
fn s5_raw_line_breaks_become_spaces_and_nothing_else_changes() {
    let mut w = World::new();
    let a = w.login_via("tok-alice", &[], Via::Stdio);
    let job = w.job(a, "echo");
    let pretty = "{\n  \"a\": \"x\\ny\",\r\n\t\"b\": [1,\n2]\n}";
    w.emit(&job, &Body::raw("x-vendor.acme.custom", &json_text(pretty)).unwrap());
    let body = w.event(a, "x-vendor.acme.custom").raw(&["payload", "body"]);
    assert_eq!(body, pretty.replace(['\n', '\r'], " "));
    w.finish(&job, pretty);
    assert_eq!(w.expect(a, "job.result").raw(&["payload", "result"]), pretty.replace(['\n', '\r'], " "));
}

#[test]
fn s5_a_metric_value_is_passed_as_written() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for value in ["12408", "12408.0", "1e3", "0.0234", "-5", "1E-7"] {
        let body = format!(r#"{{"name":"rows","value":{value},"unit":"rows"}}"#);
        w.emit(&job, &Body::raw("metric", &json_text(&body)).unwrap());
        assert_eq!(w.event(a, "metric").raw(&["payload", "body", "value"]), value);
    }
}

#[test]
fn s5_an_event_that_would_not_fit_is_refused() {
    let mut w = World::with(|config| {
        config.limits.frame_bytes = 8192;
        config.limits.stdio_frame_bytes = 4096;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let big = Body::log("info", &"x".repeat(8192), None);
    let refused = w.try_emit(&job, &big).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { max: 8192, .. }), "{refused:?}");
    w.expect_nothing(a);
    w.log(&job, "small");
    w.event(a, "log");

    let b = w.login_via("tok-alice", &[], Via::Stdio);
    let job = w.job(b, "echo");
    let refused = w.try_emit(&job, &Body::log("info", &"x".repeat(4096), None)).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { max: 4096, .. }), "{refused:?}");
    w.expect_nothing(b);
}

#[test]
fn s5_an_oversized_inline_result_is_streamed_where_negotiated() {
    let mut w = World::with(|config| config.limits.frame_bytes = 8192);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let text = format!("\"{}\"", "x".repeat(20_000));
    w.finish(&job, &text);
    let frames = w.drain(a);
    let (terminal, chunks) = frames.split_last().unwrap();
    assert_eq!(terminal.kind(), "job.result");
    let mut assembled = String::new();
    for (index, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.event(), "result_chunk");
        assert_eq!(chunk.body()["chunk_seq"], index);
        assert_eq!(chunk.body()["more"], index + 1 < chunks.len(), "{chunk:?}");
        assembled.push_str(chunk.body()["data"].as_str().unwrap());
    }
    assert_eq!(assembled, text, "the streamed result is the JSON text");
    assert_eq!(terminal.payload()["result_size"], text.len());
    assert_eq!(terminal.payload()["result_id"], chunks[0].body()["result_id"]);
}

#[test]
fn s5_an_oversized_inline_result_is_an_error_where_not_negotiated() {
    let mut w = World::with(|config| config.limits.frame_bytes = 8192);
    let a = w.login_without("tok-alice", &["result_chunk"]);
    let job = w.job(a, "echo");
    w.finish(&job, &format!("\"{}\"", "x".repeat(20_000)));
    let error = w.expect(a, "job.error");
    assert_eq!(error.payload()["code"], "INTERNAL_ERROR");
    assert_eq!(error.payload()["details"]["limit"], "frame_bytes");
    assert_eq!(error.payload()["final_status"], "error");
    w.expect_nothing(a);
}

#[test]
fn s5_nulls_within_user_data_are_kept() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.finish(&job, "null");
    let terminal = w.expect(a, "job.result");
    assert!(
        terminal.payload()["result"].is_null() && terminal.payload().get("result").is_some(),
        "a null result is shown: {terminal:?}"
    );
    let job = w.job(a, "echo");
    w.raw(&job, "tool_result", &json!({"call_id": "c", "result": null}));
    assert_eq!(w.event(a, "tool_result").body(), &json!({"call_id": "c", "result": null}));
}
