//! The policy decides whether a job may run (spec/06).

use core::time::Duration;

use nuncio_core::cap::policy::{BudgetConstraints, DecisionType, PolicyCheckResponse, PolicyConstraints};
use nuncio_core::cap::{Constraints, Decision, JobStatus, Policy, RouterRefused};

use super::support::{Harness, request};

fn asking() -> Harness {
    Harness::with(|config| config.policy = Policy::Ask)
}

#[test]
fn s6_a_job_is_sent_once_the_policy_allows_it() {
    let mut harness = asking();
    assert_eq!(harness.submit(request("j")), ["check j"]);
    assert_eq!(harness.status("j"), JobStatus::SCHEDULED);
    assert_eq!(harness.decide("j", Decision::Allow), ["j to job.echo"]);
    assert_eq!(harness.try_decide("j", Decision::Allow), Err(RouterRefused::Stale));
}

#[test]
fn s6_a_denied_job_gets_a_result_with_the_reason() {
    let mut harness = asking();
    harness.submit(request("j"));
    let denied = harness.decide("j", Decision::Deny { reason: "too risky".into() });
    assert_eq!(denied, ["result j DENIED SAFETY_DENIED: too risky", "ended j DENIED"]);
}

#[test]
fn s6_a_policy_that_does_not_answer_denies() {
    let mut harness = asking();
    harness.submit(request("j"));
    assert_eq!(harness.wait(4_999), [""; 0]);
    let denied = "result j DENIED SAFETY_DENIED: the policy has not answered in time";
    assert_eq!(harness.wait(1), [denied, "ended j DENIED"]);
}

#[test]
fn s6_a_job_waits_for_a_person_and_its_submitter_knows() {
    let mut harness = asking();
    harness.submit(request("j"));
    let waits = "progress j SCHEDULED a person has to approve the job: new tool";
    let lines = harness.decide("j", Decision::RequireHuman { reason: "new tool".into() });
    assert_eq!(lines, [waits, "approval j: new tool"]);
    assert_eq!(harness.submit(request("j")), [waits]);
    assert_eq!(harness.decide("j", Decision::Allow), ["j to job.echo"]);
    harness.submit(request("k"));
    harness.decide("k", Decision::RequireHuman { reason: "new tool".into() });
    let denied = "result k DENIED SAFETY_DENIED: no person has approved the job in time";
    assert_eq!(harness.wait(24 * 3_600_000).iter().filter(|line| **line == denied).count(), 1);
}

#[test]
fn s6_a_throttled_job_is_checked_again_after_its_delay() {
    let mut harness = asking();
    harness.submit(request("j"));
    assert_eq!(harness.decide("j", Decision::Throttle { delay: Duration::from_secs(3) }), [""; 0]);
    assert_eq!(harness.wait(2_999), [""; 0]);
    assert_eq!(harness.wait(1), ["check j"]);
    assert_eq!(harness.decide("j", Decision::Allow), ["j to job.echo"]);
}

#[test]
fn s6_constraints_bound_the_runtime_and_the_retries() {
    let mut harness = asking();
    harness.submit(request("j"));
    let constraints = Constraints { max_retries: Some(0), ..Constraints::default() };
    harness.decide("j", Decision::AllowWith(constraints));
    let given_up = ["dead letter j", "result j FAILED", "ended j FAILED"];
    assert_eq!(harness.result("j", "w", JobStatus::FAILED_RETRYABLE), given_up);
    harness.submit(request("k"));
    let constraints = Constraints { max_runtime: Some(Duration::from_secs(7)), ..Constraints::default() };
    harness.decide("k", Decision::AllowWith(constraints));
    assert_eq!(harness.wait(11_999), [""; 0]);
    assert_eq!(harness.wait(1)[1], "ended k TIMEOUT");
}

#[test]
fn s6_a_redacted_input_is_sent_only_under_the_routers_signature() {
    let redacted = || {
        let redacted_context_ptr = Some("redis://ctx:redacted".into());
        Decision::AllowWith(Constraints { redacted_context_ptr, ..Constraints::default() })
    };
    let mut harness = asking();
    harness.submit(request("j"));
    assert_eq!(harness.try_decide("j", redacted()), Err(RouterRefused::Redaction));
    let mut harness = Harness::with(|config| (config.policy, config.resign) = (Policy::Ask, true));
    harness.submit(request("j"));
    assert_eq!(harness.decide("j", redacted()), ["j to job.echo #1 redis://ctx:redacted"]);
}

#[test]
fn s18_a_job_that_is_put_aside_is_denied_and_kept_for_people() {
    let mut harness = asking();
    harness.submit(request("j"));
    let said = harness.decide("j", Decision::Quarantine { reason: "odd".into() });
    assert_eq!(said, ["dead letter j", "result j DENIED SAFETY_POLICY_VIOLATION: odd", "ended j DENIED"]);
}

#[test]
fn s6_every_answer_of_a_safety_kernel_is_a_decision_and_what_is_not_known_denies() {
    let pause = Duration::from_secs(3);
    let of = |response: PolicyCheckResponse| Decision::of(&response, pause);
    let answer = |decision| PolicyCheckResponse { decision, ..PolicyCheckResponse::default() };
    assert_eq!(of(answer(DecisionType::ALLOW)), Decision::Allow);
    assert_eq!(of(answer(DecisionType::THROTTLE)), Decision::Throttle { delay: pause });
    assert!(matches!(of(answer(DecisionType::QUARANTINE)), Decision::Quarantine { .. }));
    assert!(matches!(of(answer(DecisionType::REQUIRE_HUMAN)), Decision::RequireHuman { .. }));
    for decision in [DecisionType::DENY, DecisionType::UNSPECIFIED, DecisionType(99), DecisionType::REDACT] {
        assert!(matches!(of(answer(decision)), Decision::Deny { .. }), "{decision:?}");
    }
    let approval = PolicyCheckResponse { approval_required: true, ..answer(DecisionType::ALLOW) };
    assert!(matches!(of(approval), Decision::RequireHuman { .. }));
    let redacted = PolicyCheckResponse { redacted_context_ptr: "redis://red".into(), ..answer(DecisionType::REDACT) };
    let constraints = Constraints { redacted_context_ptr: Some("redis://red".into()), ..Constraints::default() };
    assert_eq!(of(redacted), Decision::AllowWith(constraints));
    let budgets = BudgetConstraints { max_runtime_ms: 5, max_retries: 1, ..BudgetConstraints::default() };
    let bounded = PolicyCheckResponse {
        constraints: Some(PolicyConstraints { budgets: Some(budgets), ..PolicyConstraints::default() }),
        ..answer(DecisionType::ALLOW_WITH_CONSTRAINTS)
    };
    let constraints =
        Constraints { max_runtime: Some(Duration::from_millis(5)), max_retries: Some(1), redacted_context_ptr: None };
    assert_eq!(of(bounded), Decision::AllowWith(constraints));
}
