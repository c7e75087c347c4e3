//! The rules that the model checks, one function each: what may happen to a job, and when.

use std::fmt::{Debug, Display};

use nuncio_core::arcp::JobUlid;
use nuncio_core::time::Time;
use serde_json::Value;

use super::super::lease::{Cents, Counter};
use super::{EXPIRY_GRACE, Interrupted, Job, KeyRecord, Question, Source, State};
use crate::world::SECOND;

/// §7.2: the host is asked about a job because of one submit or delegation.
pub(in super::super) fn every_job_is_requested(source: Option<Source>, id: JobUlid) -> Source {
    source.unwrap_or_else(|| panic!("§7.2 every_job_is_requested: no request led to {id}"))
}

/// §7.2: a submit with a known idempotency key starts no other job.
pub(super) fn a_key_runs_one_job(earlier: Option<&KeyRecord>, key: &str) {
    assert!(earlier.is_none(), "§7.2 a_key_runs_one_job: {key} ran twice");
}

/// §7.3: a job starts once, after it was accepted.
pub(in super::super) fn only_pending_jobs_start(job: &Job) {
    assert_eq!(job.state, State::Pending, "§7.3 only_pending_jobs_start: {}", job.id);
}

/// §7.3: a job has one terminal.
pub(in super::super) fn a_job_ends_once(job: &Job) {
    assert_ne!(job.state, State::Ended, "§7.3 a_job_ends_once: {}", job.id);
}

/// §7.3, §6.7: a job ends by a cause that exists. The end of a session is not one.
pub(in super::super) fn every_end_has_a_cause(job: &Job, caused: bool, status: &str, code: &str) {
    assert!(caused, "§7.3 every_end_has_a_cause: {} ended as {status} {code}: {job:?}", job.id);
}

/// §7.3: a job ends in the same step in which its agent returns.
pub(in super::super) fn a_returned_job_ends(job: &Job) {
    assert!(job.planned.is_none(), "§7.3 a_returned_job_ends: the agent of {} has returned", job.id);
}

/// §7.4: a job is cancelled because its owner, an ancestor's owner, an operator or, without an owner, its principal asked for
/// it.
pub(in super::super) fn only_the_owner_cancels(job: &Job, asked: bool) {
    assert!(asked, "§7.4 only_the_owner_cancels: {} was cancelled", job.id);
}

/// §7.4: a cancelled job ends within its grace period.
pub(in super::super) fn no_job_outlives_its_grace(job: &Job, now: Time) {
    assert!(job.grace.is_none_or(|at| at >= now), "§7.4 no_job_outlives_its_grace: {}", job.id);
}

/// §7.1: a job ends when `max_runtime_sec` has passed since its start.
pub(in super::super) fn no_job_outlives_its_runtime(job: &Job, now: Time) {
    let runtime = job.started.zip(job.max_runtime);
    let over = runtime.is_some_and(|(started, seconds)| started.plus_micros(seconds * SECOND) < now);
    let cancelling = job.state == State::Cancelling;
    assert!(cancelling || !over, "§7.1 no_job_outlives_its_runtime: {}", job.id);
}

/// §9.5: a job ends when the grace after its lease's expiry is over.
pub(in super::super) fn no_job_outlives_its_lease(job: &Job, now: Time) {
    // A host may accept a job after its lease is over: the job then ends when the timers fire next.
    let end = job.over.map(|at| at.plus_micros(EXPIRY_GRACE).max(job.accepted_at.plus_micros(1)));
    let cancelling = job.state == State::Cancelling;
    assert!(cancelling || end.is_none_or(|at| at >= now), "§9.5 no_job_outlives_its_lease: {}", job.id);
}

/// §9.4: a child's lease expires no later than its parent's.
pub(in super::super) fn no_child_lease_outlives_its_parents(child: Option<Time>, parent: &Job) {
    let within = child.zip(parent.expires_at).is_none_or(|(child, parent)| child <= parent);
    assert!(within, "§9.4 no_child_lease_outlives_its_parents: {}", parent.id);
}

/// §9.4: a child is granted no more than its parent has left.
pub(in super::super) fn no_child_exceeds_its_parents_budget(child: Cents, parent: Option<&Counter>, currency: &str) {
    let left = parent.map(|counter| counter.remaining());
    let within = left.is_some_and(|left| child <= left);
    assert!(within, "§9.4 no_child_exceeds_its_parents_budget: {child} of {left:?} {currency}");
}

/// §9.6: what a job has set aside are the amounts of its live children.
pub(in super::super) fn budgets_are_conserved(job: &Job, currency: &str, set_aside: Cents, children: Cents) {
    assert_eq!(set_aside, children, "§9.6 budgets_are_conserved: {} {currency}", job.id);
}

/// §10: all children end before their parent.
pub(in super::super) fn children_end_before_their_parent(parent: &Job, live: &[JobUlid]) {
    assert!(live.is_empty(), "§10 children_end_before_their_parent: {} before {live:?}", parent.id);
}

/// §7.6: only the submitter's principal and approvers may watch a job.
pub(in super::super) fn only_the_principal_watches(job: &Job, granted: bool, may: bool) {
    assert_eq!(granted, may, "§7.6 only_the_principal_watches: {}", job.id);
}

/// Ours: only operators read the state of the runtime.
pub(in super::super) fn only_operators_read_the_state(session: &str, may: bool) {
    assert!(may, "ours only_operators_read_the_state: {session}");
}

/// Ours: a job whose `job.accepted` was sent survives every crash.
pub(in super::super) fn no_acknowledged_job_is_lost(mut lost: impl Iterator<Item = JobUlid>) {
    let lost = lost.next();
    assert!(lost.is_none(), "ours no_acknowledged_job_is_lost: {lost:?}");
}

/// Ours: an event that a session was sent survives every crash.
pub(in super::super) fn no_sent_event_is_lost(session: &str, job: &Job, sent: usize, surviving: usize) {
    assert!(sent <= surviving, "ours no_sent_event_is_lost: {session} was sent {sent} events of {}", job.id);
}

/// Ours: a runtime that is stopped ends the jobs that do not go on after a restart, and leaves the others to it.
pub(in super::super) fn a_stop_ends_what_does_not_go_on(job: &Job, goes_on: bool) {
    let has_ended = job.state == State::Ended;
    assert!(has_ended != goes_on, "ours a_stop_ends_what_does_not_go_on: {} is {:?}", job.id, job.state);
}

/// §7.3: a job that a crash interrupted ends as it was already bound to end, or because of the restart.
pub(in super::super) fn an_interrupted_job_keeps_its_end(job: &Job, status: &str, code: &str, cancelled: bool) {
    let fine = match (status, code) {
        ("error", "INTERNAL_ERROR") => !cancelled,
        ("cancelled", "CANCELLED") => job.grace.is_some(),
        ("error", "LEASE_EXPIRED") => job.doomed && !cancelled,
        _ => false,
    };
    let state = job.state;
    assert!(
        fine,
        "§7.3 an_interrupted_job_keeps_its_end: {} {status} {code}, {state:?}, cancelled: {cancelled}",
        job.id
    );
}

/// Ours: a job whose `job.accepted` was sent, and that had not run, goes on after a restart.
pub(in super::super) fn accepted_jobs_go_on(id: JobUlid, job: &Job, lost: bool) {
    assert!(!lost, "ours accepted_jobs_go_on: {id} {job:?}");
}

/// §7.3: after a restart, every job that a crash interrupted has ended, or goes on by the rules of `core/docs/arcp.md`.
pub(in super::super) fn every_interrupted_job_ends<'a>(mut jobs: impl Iterator<Item = &'a Job>) {
    let running = jobs.find(|job| {
        job.interrupted == Some(Interrupted::Ends) || (job.interrupted.is_none() && job.state != State::Ended)
    });
    assert!(running.is_none(), "§7.3 every_interrupted_job_ends: {running:?}");
}

/// Ours: once no more faults occur, every session has been sent everything that was predicted.
pub(in super::super) fn everything_predicted_is_sent(session: &str, job: &Job, missing: Option<&impl Debug>) {
    assert!(missing.is_none(), "ours everything_predicted_is_sent: {session} lacks {missing:?} of {}", job.id);
}

/// §7.3: the agent of a job acts only while the job runs.
pub(in super::super) fn only_running_jobs_act(id: JobUlid, runs: bool) {
    assert!(runs, "§7.3 only_running_jobs_act: {id}");
}

/// §7.3: a running job's commands are carried out or blocked, and never refused for its state.
pub(in super::super) fn no_running_job_is_refused(id: JobUlid, runs: bool, refusal: &impl Display) {
    assert!(!runs, "§7.3 no_running_job_is_refused: {id}: {refusal}");
}

/// §6.5: an agent is blocked only where a log or a journal is short of room.
pub(in super::super) fn agents_wait_only_for_room(id: JobUlid, short_of_room: bool) {
    assert!(short_of_room, "§6.5 agents_wait_only_for_room: {id}");
}

/// §9.3, §9.5: an operation is allowed or refused as the lease, its expiry and the budget say.
pub(in super::super) fn authority_follows_the_lease(
    operation: &str,
    answer: Result<(), &'static str>,
    predicted: Result<(), &'static str>,
) {
    assert_eq!(answer, predicted, "§9.3 authority_follows_the_lease: {operation}");
}

/// Ours (§9.6): an amount that a live job has reserved can be released.
pub(in super::super) fn an_open_reservation_is_held(id: JobUlid, released: bool) {
    assert!(released, "ours an_open_reservation_is_held: {id}");
}

/// §9.4: a child's lease allows nothing that its parent's does not.
pub(in super::super) fn no_child_lease_expands(expands: bool, lease: &Value) {
    assert!(!expands, "§9.4 no_child_lease_expands: {lease} was granted to a child");
}

/// Ours: a session that was welcomed survives every crash.
pub(in super::super) fn no_welcomed_session_is_lost(session: &str, known: bool) {
    assert!(known, "ours no_welcomed_session_is_lost: {session}");
}

/// §14: a credential is on record before a client is shown its value.
pub(in super::super) fn credentials_are_recorded_before_they_are_shown(value: &str, recorded: bool, shown: bool) {
    assert!(recorded || !shown, "§14 credentials_are_recorded_before_they_are_shown: {value}");
}

/// §9.8.2: a value is revoked once, for the job that it was minted for.
pub(in super::super) fn a_credential_is_revoked_once(minted: bool) {
    assert!(minted, "§9.8.2 a_credential_is_revoked_once: the value was never minted or was revoked before");
}

/// §7.1: a job that is waiting for the host's answer exists until then, and is started by one answer.
pub(in super::super) fn only_asked_jobs_are_accepted(id: JobUlid, accepted: bool, asked: bool) {
    assert_eq!(accepted, asked, "§7.1 only_asked_jobs_are_accepted: {id}");
}

/// Ours: a question that was asked before is not asked again, and a new one has the next number.
pub(in super::super) fn a_question_is_asked_once(id: JobUlid, expected: &str, asked: &str) {
    assert_eq!(expected, asked, "ours a_question_is_asked_once: {id}");
}

/// Ours: in one run of a job a key names one question.
pub(in super::super) fn a_key_names_one_question(id: JobUlid, taken: bool) {
    assert!(taken, "ours a_key_names_one_question: {id}");
}

/// Ours: the answer belongs to a question that the job has asked.
pub(in super::super) fn only_asked_questions_end(id: JobUlid, named: &str, question: Option<Question>) -> Question {
    question.unwrap_or_else(|| panic!("ours only_asked_questions_end: {named} of {id}"))
}

/// Ours: clients and agents are told the answer that came first.
pub(in super::super) fn the_first_answer_counts(id: JobUlid, first: &Value, told: &Value) {
    assert_eq!(first, told, "ours the_first_answer_counts: {id}");
}

/// Ours: an answer comes from the principal that has submitted the job, or from an approver.
pub(in super::super) fn only_those_who_may_answer(id: JobUlid, by: &Value, may: bool) {
    assert!(may, "ours only_those_who_may_answer: {id}: {by}");
}

/// Ours: an answer that counts fits its question.
pub(in super::super) fn only_fitting_answers_count(id: JobUlid, fits: bool, answer: &Value) {
    assert!(fits, "ours only_fitting_answers_count: {id}: {answer}");
}

/// Ours: an answer that fits an open question is taken while the runtime can store it.
pub(in super::super) fn a_fitting_answer_is_taken(id: JobUlid, named: &str, open: bool) {
    assert!(!open, "ours a_fitting_answer_is_taken: {named} of {id} is still open");
}

/// Ours: an answer whose reply was sent is the answer after every crash.
pub(in super::super) fn no_accepted_answer_is_lost(id: JobUlid, named: &str, kept: bool) {
    assert!(kept, "ours no_accepted_answer_is_lost: {named} of {id}");
}

/// Ours: a question expires at its deadline, and not before.
pub(in super::super) fn questions_expire_at_their_deadline(id: JobUlid, passed: bool, outcome: &Value) {
    assert!(passed, "ours questions_expire_at_their_deadline: {id}: {outcome}");
}

/// Ours: a marked operation is done once one who may answer has approved it.
pub(in super::super) fn only_approved_operations_are_done(id: JobUlid, operation: &str, is_approved: bool) {
    assert!(is_approved, "ours only_approved_operations_are_done: {operation} of {id}");
}

/// Ours: an operation that people have refused, or have not approved in time, is denied with the reason.
pub(in super::super) fn a_refusal_says_who_and_why(id: JobUlid, told: (&str, &Value), expected: (&str, &Value)) {
    assert_eq!(told, expected, "ours a_refusal_says_who_and_why: {id}");
}

/// Ours: people are asked about operations that are marked and otherwise allowed.
pub(in super::super) fn only_marked_operations_are_asked_about(id: JobUlid, operation: &str, is_open: bool) {
    assert!(is_open, "ours only_marked_operations_are_asked_about: {operation} of {id}");
}

/// Ours: no question is open after its deadline.
pub(in super::super) fn no_question_outlives_its_deadline(id: JobUlid, named: &str, open: bool) {
    assert!(!open, "ours no_question_outlives_its_deadline: {named} of {id}");
}
