//! Ours: operations that people have to approve before a job does them (`docs/arcp.md`, "Approvals").

use std::time::Duration;

use nuncio_core::arcp::{Config, ConnId, Denied, Fault, Question, QuestionId, Record, Runtime};
use nuncio_core::lease::{Lease, Operation};
use nuncio_tests::world::{Job, NEEDS_APPROVAL, SECOND, START, World};
use serde_json::{Value, json};

use crate::durability_jobs::{rerunning_with, same};
use crate::s_questions::{ANSWERED, ASKED, give};

const LEASE: &str = r#"{"tool.call":["payments.*","search"],"cost.budget":["USD:1.00"],"agent.delegate":["*"]}"#;

fn marks(config: &mut Config) {
    config.ask_first = Lease::parse(r#"{"tool.call":["payments.*"]}"#).unwrap();
}

/// A world with a running job of alice, in which people approve payments.
fn gated(change: impl FnOnce(&mut Config)) -> (World, ConnId, Job) {
    let mut w = World::with(|config| {
        marks(config);
        change(config);
    });
    let a = w.login("tok-alice");
    let lease: Value = serde_json::from_str(LEASE).unwrap();
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    (w, a, job)
}

/// Returns the fault with which an operation is refused.
fn fault(w: &mut World, job: &Job, target: &str) -> Fault {
    let operation = Operation::new("tool.call", target).unwrap();
    match w.runtime.authorize(w.now, job.key, &operation) {
        Err(Denied::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ours_without_self_approval_another_principal_has_to_approve() {
    for approvers in [&["bob"][..], &["alice", "bob"]] {
        let (mut w, a, job) = gated(|config| {
            config.self_approval = false;
            config.approvers.extend(approvers.iter().map(|name| (*name).to_owned()));
        });
        assert_eq!(w.approve(&job, "tool.call", "payments.send"), Ok(Some(QuestionId(1))));
        let b = w.login("tok-bob");
        for (conn, expected) in [(a, false), (b, true)] {
            w.drain(conn);
            w.send(conn, "x-vendor.nuncio.list_questions", json!({}));
            let page = w.expect(conn, "x-vendor.nuncio.questions");
            assert_eq!(page.payload()["questions"][0]["may_answer"], expected);
        }
        give(&mut w, a, &job, "q1", json!("approve"));
        w.refusal(a, "PERMISSION_DENIED");
        assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Err(NEEDS_APPROVAL));
        // What the agent itself asks, it answers as ever.
        assert_eq!(w.ask(&job, &Question::new("Which week?")), Ok(QuestionId(2)));
        w.drain(a);
        give(&mut w, a, &job, "q2", json!("19"));
        assert_eq!(w.answer_of(&job, QuestionId(2)).unwrap().by(), Some("alice"));
        give(&mut w, b, &job, "q1", json!("approve"));
        assert_eq!(w.answer_of(&job, QuestionId(1)).unwrap().by(), Some("bob"));
        assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Ok(()));
    }
}

#[test]
fn ours_a_marked_operation_is_done_once_people_have_approved_it() {
    let (mut w, a, job) = gated(|_| {});
    assert_eq!(w.authorize(&job, "tool.call", "search"), Ok(()), "it is not marked");
    assert_eq!(w.approve(&job, "tool.call", "search"), Ok(None));
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Err(NEEDS_APPROVAL));
    w.expect_nothing(a);
    assert_eq!(w.approve(&job, "tool.call", "payments.send"), Ok(Some(QuestionId(1))));
    let body = json!({"question_id": "q1", "prompt": "Approve tool.call \"payments.send\" of the agent slow?",
        "choices": ["approve", "refuse"], "expires_at": START.plus_secs(3_600).to_rfc3339()});
    assert_eq!(w.event(a, ASKED).body(), &body);
    assert_eq!(w.approve(&job, "tool.call", "payments.send"), Ok(Some(QuestionId(1))), "it is asked once");
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Err(NEEDS_APPROVAL));
    give(&mut w, a, &job, "q1", json!("approve"));
    assert_eq!(w.answer_of(&job, QuestionId(1)).unwrap().by(), Some("alice"));
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Ok(()));
    assert_eq!(w.approve(&job, "tool.call", "payments.send"), Ok(None), "the decision counts for the whole job");
    assert_eq!(w.approve(&job, "tool.call", "payments.take"), Ok(Some(QuestionId(2))), "another operation");
    w.drain(a);
    let other = w.submit(a, json!({"agent": "slow", "lease_request": {"tool.call": ["payments.send"]}}));
    assert_eq!(w.approve(&other, "tool.call", "payments.send"), Ok(Some(QuestionId(1))), "another job");
}

#[test]
fn ours_a_refused_operation_is_denied_with_the_note() {
    let (mut w, a, job) = gated(|_| {});
    w.approve(&job, "tool.call", "payments.send").unwrap();
    w.approve(&job, "tool.call", "payments.take").unwrap();
    let payload = json!({"job_id": job.id, "question_id": "q1", "value": "refuse", "note": "not on a Sunday"});
    w.send(a, "x-vendor.nuncio.answer", payload);
    give(&mut w, a, &job, "q2", json!("refuse"));
    let refused = fault(&mut w, &job, "payments.send");
    assert_eq!(refused.code.as_str(), "PERMISSION_DENIED");
    assert_eq!(refused.message, "alice has refused tool.call \"payments.send\": not on a Sunday");
    assert_eq!(refused.details.as_deref(), Some(r#"{"approval":"refused"}"#));
    assert_eq!(fault(&mut w, &job, "payments.take").message, "alice has refused tool.call \"payments.take\"");
    assert_eq!(w.approve(&job, "tool.call", "payments.send"), Err("PERMISSION_DENIED"), "it is not asked again");
}

#[test]
fn ours_an_operation_that_is_not_approved_in_time_is_denied() {
    let (mut w, a, job) = gated(|config| config.approval_timeout = Duration::from_secs(10));
    w.approve(&job, "tool.call", "payments.send").unwrap();
    w.advance(10 * SECOND);
    w.drain(a);
    let late = fault(&mut w, &job, "payments.send");
    assert_eq!(late.code.as_str(), "PERMISSION_DENIED");
    assert_eq!(late.message, "tool.call \"payments.send\" was not approved in time");
    assert_eq!(late.details.as_deref(), Some(r#"{"approval":"expired"}"#));
    give(&mut w, a, &job, "q1", json!("approve"));
    w.refusal(a, "INVALID_REQUEST");
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Err("PERMISSION_DENIED"));
}

#[test]
fn ours_an_operation_is_denied_once_the_question_about_it_is_withdrawn() {
    let mut w = rerunning_with(marks);
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "again", "lease_request": {"tool.call": ["payments.*"]}}));
    w.approve(&job, "tool.call", "payments.send").unwrap();
    give(&mut w, a, &job, "q1", json!("refuse"));
    // No runtime withdraws it while the job runs, but a journal may say so.
    let withdrawn = |text: String| {
        text.replace(r#""outcome":"answered","value":"refuse","by":"alice""#, r#""outcome":"withdrawn""#)
    };
    let records: Vec<(u64, Record)> = w
        .records(w.stored.len())
        .into_iter()
        .map(|(number, record)| {
            let text = withdrawn(String::from_utf8(record.encode()).unwrap());
            (number, Record::decode(text.as_bytes()).unwrap())
        })
        .collect();
    let changed =
        w.records(w.stored.len()).into_iter().zip(&records).filter(|(before, after)| before != *after).count();
    assert_eq!(changed, 1, "the answer is one record");
    let (config, agents) = (w.runtime.config().clone(), w.agents.clone());
    w.runtime = Runtime::restore(config, agents, [5; 32], w.now, records).unwrap().0;
    w.settle();
    let job = same(&w, &job);
    let denied = fault(&mut w, &job, "payments.send");
    assert_eq!(denied.code.as_str(), "PERMISSION_DENIED");
    let message = "tool.call \"payments.send\" was not approved: the question was withdrawn before it was answered";
    assert_eq!(denied.message, message);
    assert_eq!(denied.details.as_deref(), Some(r#"{"approval":"withdrawn"}"#));
    assert_eq!(w.approve(&job, "tool.call", "payments.send"), Err("PERMISSION_DENIED"), "it is not asked again");
}

#[test]
fn ours_people_are_not_asked_about_what_is_denied_anyway() {
    let (mut w, a, job) = gated(|config| {
        config.ask_first = Lease::parse(r#"{"tool.call":["**"]}"#).unwrap();
    });
    assert_eq!(w.approve(&job, "tool.call", "mail"), Err("PERMISSION_DENIED"), "the lease does not cover it");
    w.cost(&job, "1.00", "USD");
    w.drain(a);
    assert_eq!(w.approve(&job, "tool.call", "payments.send"), Err("BUDGET_EXHAUSTED"));
    w.expect_nothing(a);
}

#[test]
fn ours_an_approval_does_not_outlast_the_lease_or_the_budget() {
    let (mut w, a, job) = gated(|_| {});
    w.approve(&job, "tool.call", "payments.send").unwrap();
    give(&mut w, a, &job, "q1", json!("approve"));
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Ok(()));
    w.cost(&job, "1.00", "USD");
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Err("BUDGET_EXHAUSTED"));
}

#[test]
fn ours_an_amount_is_reserved_after_the_approval() {
    let (mut w, a, job) = gated(|_| {});
    let operation = ("tool.call", "payments.send");
    assert_eq!(w.authorize_reserving(&job, operation, "0.40", "USD"), Err(NEEDS_APPROVAL));
    assert_eq!(w.remaining(&job, "USD"), "1", "nothing is held while people decide");
    w.approve(&job, operation.0, operation.1).unwrap();
    give(&mut w, a, &job, "q1", json!("approve"));
    assert_eq!(w.remaining(&job, "USD"), "1");
    w.authorize_reserving(&job, operation, "0.40", "USD").unwrap();
    assert_eq!(w.reserve(&job, "0.61", "USD"), Err("BUDGET_EXHAUSTED"), "it is held now");
}

#[test]
fn ours_a_delegated_job_needs_an_approval_of_its_own() {
    let (mut w, a, job) = gated(|_| {});
    w.approve(&job, "tool.call", "payments.send").unwrap();
    give(&mut w, a, &job, "q1", json!("approve"));
    let key = w.delegate(&job, &json!({"agent": "slow", "lease_request": {"tool.call": ["payments.send"]}})).unwrap();
    w.drain(a);
    let id = w.runtime.job(key).unwrap().id.to_string();
    let child = Job { key, id, ..job.clone() };
    assert_eq!(w.authorize(&child, "tool.call", "payments.send"), Err(NEEDS_APPROVAL));
    assert_eq!(w.approve(&child, "tool.call", "payments.send"), Ok(Some(QuestionId(1))));
    assert_eq!(w.event(a, ASKED).job(), child.id);
    give(&mut w, a, &child, "q1", json!("refuse"));
    assert_eq!(w.authorize(&child, "tool.call", "payments.send"), Err("PERMISSION_DENIED"));
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Ok(()));
}

#[test]
fn ours_a_delegation_that_is_marked_is_approved_before_its_event() {
    let (mut w, a, job) =
        gated(|config| config.ask_first = Lease::parse(r#"{"agent.delegate":["echo","ver"]}"#).unwrap());
    let delegation = json!({"agent": "echo", "delegate_id": "d"});
    assert_eq!(w.delegate(&job, &delegation), Err(NEEDS_APPROVAL));
    let submit = json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "e"});
    w.submit_refused(a, submit, "PERMISSION_DENIED");
    w.expect_nothing(a);
    assert_eq!(w.approve(&job, "agent.delegate", "echo"), Ok(Some(QuestionId(1))));
    w.event(a, ASKED);
    give(&mut w, a, &job, "q1", json!("approve"));
    w.drain(a);
    w.delegate(&job, &delegation).unwrap();
    assert_eq!(w.event(a, "delegate").body()["delegate_id"], "d");
    w.approve(&job, "agent.delegate", "ver").unwrap();
    give(&mut w, a, &job, "q2", json!("refuse"));
    w.drain(a);
    assert_eq!(w.delegate(&job, &json!({"agent": "ver@1.0.0", "delegate_id": "f"})), Err("PERMISSION_DENIED"));
    w.event(a, "delegate");
    let message = w.event(a, "tool_result").body()["error"]["message"].clone();
    assert_eq!(message, "alice has refused agent.delegate \"ver\"");
}

#[test]
fn ours_what_an_agent_asks_itself_is_no_approval() {
    let (mut w, a, job) = gated(|_| {});
    w.approve(&job, "tool.call", "payments.send").unwrap();
    let prompt = w.event(a, ASKED).body()["prompt"].as_str().unwrap().to_owned();
    let question = nuncio_core::arcp::Question::new(prompt).choices(["approve", "refuse"]);
    assert_eq!(w.ask(&job, &question), Ok(QuestionId(2)));
    assert_eq!(w.ask(&job, &question.key("!")), Ok(QuestionId(3)));
    for question in ["q2", "q3"] {
        give(&mut w, a, &job, question, json!("approve"));
    }
    assert_eq!(w.authorize(&job, "tool.call", "payments.send"), Err(NEEDS_APPROVAL));
}

#[test]
fn ours_an_operation_that_is_too_much_work_to_compare_is_asked_about() {
    let lease = json!({"tool.call": [format!("**/{}b", "a/".repeat(2_000))]}).to_string();
    let target = "a/".repeat(8_000) + "x";
    let (mut w, a, _) = gated(|config| config.ask_first = Lease::parse(&lease).unwrap());
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"tool.call": ["**"]}}));
    assert_eq!(w.authorize(&job, "tool.call", &target), Err(NEEDS_APPROVAL));
    assert_eq!(w.authorize(&job, "tool.call", "search"), Ok(()));
}

#[test]
fn ours_approvals_are_bounded_as_questions() {
    let (mut w, a, job) = gated(|config| {
        config.limits.questions_per_job = 2;
        config.limits.question_bytes = 80;
    });
    let long = Operation::new("tool.call", &format!("payments.{}", "x".repeat(60))).unwrap();
    let Err(Denied::Fault(fault)) = w.runtime.approve(w.now, job.key, &long) else { panic!("it is too long") };
    assert_eq!(fault.details.as_deref(), Some(r#"{"limit":"question_bytes","max":80}"#));
    for target in ["payments.a", "payments.b"] {
        w.approve(&job, "tool.call", target).unwrap();
    }
    assert_eq!(w.approve(&job, "tool.call", "payments.c"), Err("INTERNAL_ERROR"));
    give(&mut w, a, &job, "q1", json!("approve"));
    assert_eq!(w.authorize(&job, "tool.call", "payments.a"), Ok(()));
}

#[test]
fn ours_an_approval_is_on_record_for_the_next_run() {
    let mut w = rerunning_with(marks);
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "again", "lease_request": {"tool.call": ["payments.*"]}}));
    for target in ["payments.a", "payments.b", "payments.c"] {
        w.approve(&job, "tool.call", target).unwrap();
    }
    give(&mut w, a, &job, "q1", json!("approve"));
    give(&mut w, a, &job, "q2", json!("refuse"));
    assert!(w.restart().is_clean());
    let job = same(&w, &job);
    assert_eq!(w.authorize(&job, "tool.call", "payments.a"), Ok(()));
    assert_eq!(fault(&mut w, &job, "payments.b").message, "alice has refused tool.call \"payments.b\"");
    assert_eq!(w.approve(&job, "tool.call", "payments.c"), Ok(Some(QuestionId(3))), "it is still open");
    let a = w.login("tok-alice");
    give(&mut w, a, &job, "q3", json!("approve"));
    w.expect(a, ANSWERED);
    assert_eq!(w.answer_of(&job, QuestionId(3)).unwrap().by(), Some("alice"));
    assert_eq!(w.authorize(&job, "tool.call", "payments.c"), Ok(()));
}
