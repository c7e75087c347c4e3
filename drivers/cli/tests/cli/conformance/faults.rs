//! Faults of a runtime, each with the rule that finds it.

use std::process::Command;
use std::thread;

use nuncio_tests::peers::{Server, example};
use serde_json::{Value, json};

use super::faulty::{Fault, Faulty};
use super::{judge, serve};
use crate::support::{stderr, stdout};

fn is(frame: &Value, kind: &str) -> bool {
    frame["type"] == kind
}

fn is_event(frame: &Value, kind: &str) -> bool {
    is(frame, "job.event") && frame["payload"]["kind"] == kind
}

/// Changes a frame if it is of this type.
fn changed(kind: &str, mut frame: Value, change: impl FnOnce(&mut Value)) -> Vec<Value> {
    if is(&frame, kind) {
        change(&mut frame);
    }
    vec![frame]
}

/// The answer to a submit that the runtime has refused, as if it had been accepted.
fn accepted(frame: Value, member: &str, value: &Value) -> Vec<Value> {
    changed("session.error", frame, |frame| {
        frame["type"] = json!("job.accepted");
        frame["payload"]["job_id"] = json!("job_that_was_refused");
        frame["payload"][member] = value.clone();
    })
}

/// Faults of a runtime without credentials.
const FAULTS: [(&str, Fault); 25] = [
    ("§5/envelopes", |_, frame| changed("job.event", frame, |frame| frame["id"] = json!(null))),
    ("§6.1/bad-token", |_, frame| {
        changed("session.error", frame, |frame| frame["payload"]["code"] = json!("INTERNAL_ERROR"))
    }),
    ("§6.2/unknown-features", |_, frame| {
        changed("session.welcome", frame, |frame| {
            frame["payload"]["capabilities"]["features"] = json!(["list_jobs", "x-conformance-unknown"]);
        })
    }),
    ("§6.2/no-progress-unnegotiated", |kept, frame| {
        // A progress event, whatever was negotiated.
        let mut event = frame.clone();
        if !is_event(&frame, "status") || !kept.is_empty() {
            return vec![frame];
        }
        kept.push(json!("sent"));
        event["payload"] = json!({"kind": "progress", "ts": "2026-01-01T00:00:00Z", "body": {"current": 1}});
        vec![frame, event]
    }),
    ("§6.2/no-expiry-unnegotiated", |_, frame| {
        accepted(frame, "lease_constraints", &json!({"expires_at": "2099-01-01T00:00:00Z"}))
    }),
    ("§6.2/no-budget-unnegotiated", |_, frame| accepted(frame, "budget", &json!({"USD": 1}))),
    ("§6.2/no-models-unnegotiated", |_, frame| accepted(frame, "lease", &json!({"model.use": ["tier-fast/*"]}))),
    ("§6.3/token-rotates", |_, frame| {
        changed("session.welcome", frame, |frame| frame["payload"]["resume_token"] = json!("rt_the_same_again"))
    }),
    // The first event behind the welcome of a resume is lost.
    ("§6.3/replay", |kept, frame| match frame["event_seq"].as_u64() {
        Some(number) if number > 3 && kept.is_empty() => {
            kept.push(frame);
            Vec::new()
        }
        Some(number) => {
            kept.push(json!(number));
            vec![frame]
        }
        None => vec![frame],
    }),
    ("§6.4/pings-are-answered", |_, frame| {
        changed("session.pong", frame, |frame| frame["payload"]["ping_nonce"] = json!("another"))
    }),
    ("§6.6/list", |_, frame| {
        changed("session.jobs", frame, |frame| frame["payload"]["request_id"] = json!("another"))
    }),
    ("§6.6/rows", |_, frame| {
        changed("session.jobs", frame, |frame| {
            frame["payload"]["jobs"].as_array_mut().unwrap().iter_mut().for_each(|row| row["status"] = json!("done"));
        })
    }),
    ("§6.7/closed", |_, frame| if is(&frame, "session.closed") { Vec::new() } else { vec![frame] }),
    // An event overtakes job.accepted.
    ("§7.1/accepted-first", |kept, frame| {
        if is(&frame, "job.accepted") {
            kept.push(frame);
            return Vec::new();
        }
        if is(&frame, "job.event") { [vec![frame], kept.split_off(0)].concat() } else { vec![frame] }
    }),
    ("§7.2/conflicting-key", |_, frame| {
        changed("session.error", frame, |frame| frame["payload"]["code"] = json!("INVALID_REQUEST"))
    }),
    ("§7.2/same-key", |_, frame| {
        changed("job.accepted", frame, |frame| frame["payload"]["accepted_at"] = frame["id"].clone())
    }),
    ("§7.3/one-terminal", |_, frame| if is(&frame, "job.error") { vec![frame.clone(), frame] } else { vec![frame] }),
    ("§7.3/failure", |_, frame| {
        changed("job.error", frame, |frame| frame["payload"]["final_status"] = json!("success"))
    }),
    ("§12/not-retryable", |_, frame| changed("job.error", frame, |frame| frame["payload"]["retryable"] = json!(true))),
    ("§7.4/cancel-order", |_, frame| if is(&frame, "job.cancelled") { Vec::new() } else { vec![frame] }),
    ("§7.6/live-only", |_, frame| {
        changed("job.event", frame, |frame| {
            if is_event(frame, "progress") {
                frame["payload"]["body"]["current"] = json!(9);
            }
        })
        .into_iter()
        .flat_map(|frame| {
            let mut old = frame.clone();
            old["payload"]["body"]["current"] = json!(0);
            if is_event(&frame, "progress") { vec![frame, old] } else { vec![frame] }
        })
        .collect()
    }),
    ("§8.2.1/progress-current", |_, frame| {
        changed("job.event", frame, |frame| {
            if is_event(frame, "progress") {
                frame["payload"]["body"]["current"] = json!(-1);
            }
        })
    }),
    // From the third on, the numbers are one too high.
    ("§8.3/numbers", |_, mut frame| {
        if let Some(number) = frame["event_seq"].as_u64().filter(|number| *number > 2) {
            frame["event_seq"] = json!(number + 1);
        }
        vec![frame]
    }),
    ("§8.4/chunk-order", |_, frame| {
        changed("job.event", frame, |frame| {
            if is_event(frame, "result_chunk") {
                frame["payload"]["body"]["more"] = json!(true);
            }
        })
    }),
    ("§8.4/result-id", |_, frame| {
        changed("job.result", frame, |frame| {
            frame["payload"].as_object_mut().unwrap().remove("result_id");
        })
    }),
];

/// Faults of a runtime whose jobs get credentials, and whose jobs anybody may watch.
const FAULTS_OF_AGENTS: [(&str, Fault); 8] = [
    ("§6.2/no-versions-unnegotiated", |_, frame| {
        changed("job.accepted", frame, |frame| frame["payload"]["agent"] = json!("ver@2.0.0"))
    }),
    ("§6.2/no-credentials-unnegotiated", |_, frame| {
        changed("job.accepted", frame, |frame| frame["payload"]["credentials"] = json!([{"id": "cred_1"}]))
    }),
    ("§7.6/credentials-of-the-submitter", |_, frame| {
        changed("job.subscribed", frame, |frame| frame["payload"]["credentials"] = json!([]))
    }),
    // The agents' runtime makes the value of the job's id.
    ("§7.6/no-credentials-for-others", |_, frame| {
        changed("job.subscribed", frame, |frame| {
            let value = format!("sk-virt-{}", frame["payload"]["job_id"].as_str().unwrap());
            frame["payload"]["credentials"] = json!([{"id": "cred_1", "value": value}]);
        })
    }),
    ("§9.8.2/with-accepted", |_, frame| {
        changed("job.accepted", frame, |frame| frame["payload"]["credentials"] = json!([]))
    }),
    ("§14/expiry-grace", |_, frame| {
        changed("job.result", frame, |frame| {
            frame["type"] = json!("job.error");
            frame["payload"] = json!({"final_status": "error", "code": "LEASE_EXPIRED"});
        })
    }),
    ("§14/chunk-cap", |_, frame| {
        let mut event = frame.clone();
        event["type"] = json!("job.event");
        let body = json!({"result_id": "r", "chunk_seq": 0, "data": "x".repeat((1 << 20) + 1), "encoding": "utf8"});
        event["payload"] = json!({"kind": "result_chunk", "body": body});
        if is(&frame, "job.error") { vec![event, frame] } else { vec![frame] }
    }),
    ("§14/beyond-cap", |_, frame| {
        changed("job.error", frame, |frame| frame["payload"]["code"] = json!("INVALID_REQUEST"))
    }),
];

/// Starts the agents of the interop tests.
fn serve_agents(flags: &[&str]) -> Server {
    let mut command = Command::new(example("interop_agents"));
    command.args(["--port", "0", "--creds"]).args(flags);
    Server::start(command)
}

/// Requires that each fault breaks its rule.
fn are_found(url: &str, table: &[(&'static str, Fault)]) {
    thread::scope(|scope| {
        for (rule, fault) in table.iter().copied() {
            scope.spawn(move || {
                let faulty = Faulty::start(url, fault);
                let output = judge(&faulty.url, &["--only", rule, "--timeout", "4s"]);
                let text = stdout(&output);
                assert_eq!(output.status.code(), Some(1), "{rule}: {text}{}", stderr(&output));
                assert!(text.starts_with("FAIL") && text.contains(rule) && text.contains("rule:  "), "{rule}: {text}");
                assert!(text.contains(" <- ") && !text.contains("tok-alice"), "{rule}: {text}");
            });
        }
    });
}

/// Requires that the rules of the faults are passed behind the proxy.
fn are_passed(url: &str, table: &[(&str, Fault)]) {
    let faulty = Faulty::start(url, |_, frame| vec![frame]);
    let rules: Vec<&str> = table.iter().flat_map(|(rule, _)| ["--only", rule]).collect();
    let output = judge(&faulty.url, &[&["--timeout", "20s"][..], &rules].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("0 failed, 0 not offered"), "{}", stdout(&output));
}

#[test]
fn each_planted_fault_is_found_by_its_rule() {
    are_found(&serve().url, &FAULTS);
}

#[test]
fn each_planted_fault_of_the_agents_is_found_by_its_rule() {
    are_found(serve_agents(&["--open-policy"]).url(), &FAULTS_OF_AGENTS);
}

#[test]
fn the_proxy_alone_breaks_no_rule() {
    are_passed(&serve().url, &FAULTS);
    are_passed(serve_agents(&["--open-policy"]).url(), &FAULTS_OF_AGENTS);
}

#[test]
fn limits_are_judged_by_those_that_are_given() {
    let caps = ["--only", "§14/session-cap", "--only", "§14/result-cap", "--timeout", "20s"];
    let limits = ["--session-limit", "3", "--result-limit", "100 KiB"];
    let (without, with) = (serve_agents(&[]), serve_agents(&["--session-limit", "3", "--result-limit", "102400"]));
    let judged = |server: &Server, flags: &[&str]| {
        let output = judge(server.url(), &[&caps, flags].concat());
        stdout(&output).lines().last().unwrap().to_owned()
    };
    assert_eq!(judged(&without, &[]), "2 rules: 0 passed, 0 failed, 2 not offered");
    assert_eq!(judged(&without, &limits), "2 rules: 0 passed, 2 failed, 0 not offered");
    assert_eq!(judged(&with, &limits), "2 rules: 2 passed, 0 failed, 0 not offered");
}
