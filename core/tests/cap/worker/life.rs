//! The life of a job: request, input, handler, output, result.

use bytes::Bytes;
use nuncio_core::cap::{
    BusPacket, DecodeLimits, DispatchIdentity, IdentityBinding, JobRequest, JobResult, Payload, Progress, Subject,
    WorkerJobState, WorkerOutput, WorkerRefused,
};

use super::support::{Harness, bare, echo, packet, request, with_deadline};

#[test]
fn a_job_is_read_run_stored_and_its_result_published() {
    let mut harness = Harness::new();
    assert_eq!(harness.request(request("j")), ["fetch redis://ctx:j"]);
    assert_eq!(harness.found("j"), ["run j"]);
    let view = harness.worker.job(harness.attempt("j").job).unwrap();
    assert_eq!((view.trace_id, view.input.map(|input| &input[..])), ("trace", Some(&b"{}"[..])));
    assert_eq!(view.state, WorkerJobState::Running);
    assert_eq!(harness.finish("j"), ["store redis://res:j out"]);
    assert_eq!(harness.stored("j", Ok(())), ["result j SUCCEEDED redis://res:j", "ended SUCCEEDED"]);
    assert_eq!((harness.worker.running(), harness.worker.queued()), (0, 0));
    let view = harness.worker.job(harness.attempt("j").job).unwrap();
    assert_eq!((view.job_id, view.topic, view.trace_id, view.sender_id), ("j", "job.echo", "trace", "router"));
    assert!(view.request.is_none() && view.input.is_none() && view.state == WorkerJobState::Ended);
}

#[test]
fn a_result_repeats_trace_dispatch_and_identity_and_says_how_long_it_took() {
    let mut harness = Harness::new();
    let dispatch = DispatchIdentity { dispatch_id: "d".into(), attempt: 3, ..DispatchIdentity::default() };
    let identity = IdentityBinding { tenant_id: "t".into(), ..IdentityBinding::default() };
    harness.request(JobRequest { dispatch: Some(dispatch.clone()), identity: Some(identity.clone()), ..bare("j") });
    harness.wait(1_500);
    harness.finish("j");
    harness.worker.stored(harness.now, harness.attempt("j"), Ok(())).unwrap();
    let Some(WorkerOutput::Publish { bytes, .. }) = harness.worker.poll_output() else { panic!() };
    let sent = BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap();
    assert_eq!(sent.trace_id, "trace");
    let Some(Payload::JobResult(result)) = sent.payload else { panic!() };
    assert_eq!((result.dispatch, result.identity), (Some(dispatch), Some(identity)));
    assert_eq!((result.execution_ms, result.worker_id.as_str()), (1_500, "w"));
}

#[test]
fn an_output_is_stored_for_its_time() {
    let hour = core::time::Duration::from_hours(1);
    let mut harness = Harness::with(|config| config.result_ttl = hour);
    harness.request(bare("j"));
    harness.worker.finish(harness.now, harness.attempt("j"), Bytes::new()).unwrap();
    assert!(matches!(harness.worker.poll_output(), Some(WorkerOutput::Store { ttl, .. }) if ttl == hour));
}

#[test]
fn jobs_come_on_the_topic_and_on_the_direct_subject_and_nowhere_else() {
    let mut harness = Harness::new();
    let direct = |id: &str| Subject::parse(&format!("worker.{id}.jobs")).unwrap();
    assert_eq!(harness.packet(&direct("w"), &packet(bare("a"))), ["run a"]);
    let misplaced = "refused: a JobRequest does not belong on this subject";
    assert_eq!(harness.packet(&direct("other"), &packet(bare("b"))), [misplaced]);
    assert_eq!(harness.packet(&Subject::JobSubmit, &packet(bare("b"))), [misplaced]);
    let other = JobRequest { topic: "job.other".into(), ..bare("b") };
    assert_eq!(
        harness.packet(&echo(), &packet(other.clone())),
        [r#"refused: the topic "job.other" of the job request is not the subject that it came on"#]
    );
    assert_eq!(
        harness.packet(&direct("w"), &packet(other)),
        [r#"result b FAILED JOB_WORKER_UNAVAILABLE: this worker does not run jobs of the topic "job.other""#]
    );
    let result = JobResult { job_id: "a".into(), worker_id: "w".into(), ..JobResult::default() };
    assert_eq!(
        harness.packet(&echo(), b"\xff"),
        ["refused: the packet is malformed: the message ends within a record"]
    );
    assert_eq!(
        harness.packet(&echo(), &packet(result)),
        ["refused: the packet is not valid: job_result.status has a value that is not allowed"]
    );
}

#[test]
fn progress_is_a_percentage_of_a_handler_that_runs() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    let attempt = harness.attempt("j");
    let progress = |percent| Progress { percent, ..Progress::default() };
    harness.worker.progress(harness.now, attempt, &progress(40)).unwrap();
    assert_eq!(harness.drain(), ["progress j 40"]);
    let refused = harness.worker.progress(harness.now, attempt, &progress(101));
    assert_eq!(refused, Err(WorkerRefused::Percent));
    harness.finish("j");
    let refused = harness.worker.progress(harness.now, attempt, &progress(50));
    assert_eq!(refused, Err(WorkerRefused::Stale));
}

#[test]
fn a_cancelled_handler_is_told_and_the_result_is_published_at_once() {
    let mut harness = Harness::new();
    harness.request(bare("j"));
    assert_eq!(harness.cancel("j"), ["stop j", "result j CANCELLED: enough", "ended CANCELLED"]);
    // Its answer is awaited, so that it keeps its slot, and changes nothing.
    assert_eq!(harness.worker.running(), 1);
    assert_eq!(harness.finish("j"), [""; 0]);
    assert_eq!(harness.worker.running(), 0);
    assert_eq!(harness.try_finish("j"), Err(WorkerRefused::Stale));
}

#[test]
fn a_job_can_be_cancelled_wherever_it_stands() {
    let mut harness = Harness::new();
    let cancelled = |id: &str| [format!("result {id} CANCELLED: enough"), "ended CANCELLED".into()];
    harness.request(request("fetching"));
    harness.request(request("queued"));
    assert_eq!(harness.cancel("queued"), cancelled("queued"));
    assert_eq!(harness.cancel("fetching"), cancelled("fetching"));
    harness.request(bare("storing"));
    harness.finish("storing");
    assert_eq!(harness.cancel("storing"), cancelled("storing"));
    assert_eq!((harness.worker.running(), harness.worker.queued()), (0, 0));
    assert_eq!(harness.cancel("storing"), [""; 0], "a job has one result");
}

#[test]
fn a_cancellation_may_come_before_its_request() {
    let mut harness = Harness::new();
    assert_eq!(harness.cancel("j"), [""; 0]);
    assert_eq!(harness.request(bare("j")), ["result j CANCELLED: enough"]);
    assert_eq!(harness.request(bare("k")), ["run k"]);
}

#[test]
fn a_cancellation_of_another_dispatch_is_ignored() {
    let mut harness = Harness::new();
    let dispatch = |id: &str| Some(DispatchIdentity { dispatch_id: id.into(), ..DispatchIdentity::default() });
    harness.request(JobRequest { dispatch: dispatch("second"), ..bare("j") });
    let mut cancel = |id| {
        let cancel = nuncio_core::cap::JobCancel {
            job_id: "j".into(),
            requested_by: "me".into(),
            dispatch: dispatch(id),
            ..Default::default()
        };
        harness.packet(&Subject::JobCancel, &packet(cancel)).len()
    };
    assert_eq!(cancel("first"), 0);
    assert_eq!(cancel("second"), 3);
}

#[test]
fn a_deadline_ends_the_job_and_the_earlier_one_counts() {
    let mut harness = Harness::with(|config| config.max_runtime = Some(core::time::Duration::from_secs(2)));
    let timeout = "result j TIMEOUT JOB_TIMEOUT: the job took longer than its deadline allows";
    harness.request(with_deadline(bare("j"), 1_000));
    assert_eq!(harness.wait(999), [""; 0]);
    assert_eq!(harness.wait(1), ["stop j", timeout, "ended TIMEOUT"]);
    harness.fail("j", super::support::plain("stopped"));
    harness.request(with_deadline(bare("k"), 60_000));
    assert_eq!(harness.wait(2_000).len(), 3);
    // A job that waits for a slot has a deadline too.
    harness.request(with_deadline(bare("l"), 1));
    assert_eq!(harness.wait(1).len(), 2);
}

#[test]
fn an_answer_to_an_earlier_attempt_is_stale() {
    let mut harness = Harness::new();
    harness.request(request("j"));
    let fetch = harness.attempt("j");
    harness.found("j");
    let again = nuncio_core::cap::Fetched::Missing;
    assert_eq!(harness.worker.fetched(harness.now, fetch, again), Err(WorkerRefused::Stale));
    let run = harness.attempt("j");
    assert_eq!(harness.worker.stored(harness.now, run, Ok(())), Err(WorkerRefused::Stale));
    assert_eq!(harness.worker.finish(harness.now, fetch, Bytes::new()), Err(WorkerRefused::Stale));
    assert!(harness.try_finish("j").is_ok());
}
