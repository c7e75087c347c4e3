//! §5, §11: trace ids and trace contexts.

use nuncio_tests::world::World;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn submit(trace: Value) -> Value {
    json!({"arcp": "1.1", "id": "s", "type": "job.submit", "trace_id": trace, "payload": {"agent": "echo"}})
}

#[test]
fn s11_a_trace_id_is_echoed_on_every_frame_of_the_job() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.send_frame(a, &submit(json!(TRACE)));
    let accepted = w.expect(a, "job.accepted");
    let job = w.job_of(&accepted);
    w.log(&job, "x");
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.finish(&job, "1");
    let frames = w.drain(a);
    assert!(frames.iter().any(|frame| frame.kind() == "job.cancelled"));
    assert!(frames.iter().any(|frame| frame.kind() == "job.error"));
    for frame in frames.iter().chain([&accepted]) {
        assert_eq!(frame["trace_id"], TRACE, "{frame:?}");
    }
    assert_eq!(accepted.payload()["trace_id"], TRACE);
}

#[test]
fn s11_a_trace_id_is_minted_where_none_was_sent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let one = w.job(a, "echo");
    let two = w.job(a, "echo");
    assert_ne!(one.accepted["trace_id"], two.accepted["trace_id"]);
}

#[test]
fn s11_a_whole_traceparent_is_accepted() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.send_frame(a, &submit(json!(format!("00-{TRACE}-00f067aa0ba902b7-01"))));
    assert_eq!(w.expect(a, "job.accepted")["trace_id"], TRACE);
}

#[test]
fn s11_any_other_trace_id_is_treated_as_absent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for trace in [
        "00000000000000000000000000000000",
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "4bf92f",
        "",
        "trace",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        let mut frame = submit(json!(trace));
        frame["id"] = json!(w.fresh_id());
        w.send_frame(a, &frame);
        let accepted = w.expect(a, "job.accepted");
        assert_ne!(accepted["trace_id"], trace);
        w.drain(a);
    }
}

#[test]
fn s11_the_w3c_context_reaches_the_agent_through_the_extension() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut frame = submit(json!(TRACE));
    let context = json!({"traceparent": format!("00-{TRACE}-00f067aa0ba902b7-01"), "tracestate": "a=b"});
    frame["extensions"] = json!({"x-vendor.opentelemetry.tracecontext": context});
    w.send_frame(a, &frame);
    let accepted = w.expect(a, "job.accepted");
    let job = w.job_of(&accepted);
    let view = w.runtime.job(job.key).unwrap();
    let extensions: Value = serde_json::from_str(view.extensions.unwrap().get()).unwrap();
    assert_eq!(extensions["x-vendor.opentelemetry.tracecontext"], context);
    assert_eq!(view.trace_id.to_string(), TRACE);
}

#[test]
fn s11_trace_id_is_not_compared_by_idempotency_and_the_first_stays() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut frame = submit(json!(TRACE));
    frame["payload"]["idempotency_key"] = json!("k");
    w.send_frame(a, &frame);
    let first = w.expect(a, "job.accepted");
    w.drain(a);
    frame["id"] = json!("other");
    frame["trace_id"] = json!("0af7651916cd43dd8448eb211c80319c");
    w.send_frame(a, &frame);
    let again = w.expect(a, "job.accepted");
    assert_eq!(again.job(), first.job());
    assert_eq!(again["trace_id"], TRACE);
}

#[test]
fn s11_a_sub_agent_gets_the_context_of_its_parent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let mut frame = submit(json!(TRACE));
    frame["payload"]["lease_request"] = json!({"agent.delegate": ["*"]});
    let context = json!({"traceparent": format!("00-{TRACE}-00f067aa0ba902b7-01"), "tracestate": "a=b"});
    frame["extensions"] = json!({"x-vendor.opentelemetry.tracecontext": context});
    w.send_frame(a, &frame);
    let accepted = w.expect(a, "job.accepted");
    let parent = w.job_of(&accepted);
    let child = w.delegate(&parent, &json!({"agent": "echo"})).unwrap();
    let view = w.runtime.job(child).unwrap();
    assert_eq!(view.trace_id.to_string(), TRACE);
    let extensions: Value = serde_json::from_str(view.extensions.unwrap().get()).unwrap();
    assert_eq!(extensions["x-vendor.opentelemetry.tracecontext"], context);
    // A job that a client submits under the parent has the parent's trace id, whatever its own frame says.
    let mut other = submit(json!("0af7651916cd43dd8448eb211c80319c"));
    (other["id"], other["payload"]["parent_job_id"]) = (json!("child"), json!(parent.id));
    w.drain(a);
    w.send_frame(a, &other);
    assert_eq!(w.expect(a, "job.accepted")["trace_id"], TRACE);
}
