//! Tests of the client through its public interface.

use core::time::Duration;
use std::sync::Arc;

use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, Client, ClientConfig, ClientEvent, ClientJob, ClientOutput, ClientRefused,
    ClientTimer, ComponentId, DecodeLimits, JobProgress, JobRequest, JobResult, JobStatus, Payload, Reading, Subject,
    Unsignable, validate,
};
use nuncio_core::time::Time;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::unsigned::{self, NoVerifier, START};

struct Harness {
    client: Client,
    now: Time,
}

fn request(id: &str) -> JobRequest {
    JobRequest { job_id: id.into(), topic: "job.echo".into(), ..JobRequest::default() }
}

fn packet(payload: impl Into<Payload>) -> Vec<u8> {
    unsigned::packet("w", payload)
}

impl Harness {
    fn offline(change: impl FnOnce(&mut ClientConfig)) -> Harness {
        let reading = Reading::new(Authentication::Unsigned);
        let config = ClientConfig::new(ComponentId::new("c").unwrap(), reading, Arc::new(NoVerifier)).with(change);
        Harness { client: Client::new(config, [7; 32], START), now: START }
    }

    fn with(change: impl FnOnce(&mut ClientConfig)) -> Harness {
        let mut harness = Harness::offline(change);
        harness.client.handle_connected(START);
        assert_eq!(harness.drain(), ["sub sys.job.result", "sub sys.job.progress"]);
        harness
    }

    fn new() -> Harness {
        Harness::with(|_| {})
    }

    fn try_submit(&mut self, id: &str) -> Result<ClientJob, ClientRefused> {
        self.client.submit(self.now, request(id), "trace", Some(Duration::from_mins(10)))
    }

    fn submit(&mut self, id: &str) -> ClientJob {
        let job = self.try_submit(id).unwrap();
        assert_eq!(self.drain(), [format!("submit {id}")]);
        job
    }

    fn result(&mut self, id: &str, status: JobStatus) -> Vec<String> {
        let result = JobResult { job_id: id.into(), worker_id: "w".into(), status, ..JobResult::default() };
        self.client.handle_packet(self.now, &Subject::JobResult, &packet(result));
        self.drain()
    }

    fn progress(&mut self, id: &str, percent: i32) -> Vec<String> {
        let progress = JobProgress { job_id: id.into(), percent, ..JobProgress::default() };
        self.client.handle_packet(self.now, &Subject::JobProgress, &packet(progress));
        self.drain()
    }

    fn wait(&mut self, secs: u64) -> Vec<String> {
        self.now = self.now.plus_secs(secs);
        self.client.handle_timeout(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.client.poll_output()).map(line).collect()
    }
}

fn line(output: ClientOutput) -> String {
    match output {
        ClientOutput::Subscribe { subject } => format!("sub {subject}"),
        ClientOutput::Publish { subject, bytes } => {
            let packet = BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap();
            validate(&packet, Acceptance::Since217).unwrap();
            match (subject, packet.payload.unwrap()) {
                (Subject::JobSubmit, Payload::JobRequest(request)) => format!("submit {}", request.job_id),
                (Subject::JobCancel, Payload::JobCancel(cancel)) => {
                    format!("cancel {} {}", cancel.job_id, cancel.reason)
                }
                (subject, payload) => panic!("{payload:?} on {subject}"),
            }
        }
        ClientOutput::Event(ClientEvent::Ended { result, .. }) => {
            format!("ended {} {:?}", result.job_id, result.status)
        }
        ClientOutput::Event(ClientEvent::Progress { progress, sent_at, .. }) => {
            assert_eq!(sent_at, Some(START), "it is the time of the packet");
            format!("progress {} {}", progress.job_id, progress.percent)
        }
        ClientOutput::Event(ClientEvent::NoResult { unheard: None, .. }) => "no result".into(),
        ClientOutput::Event(ClientEvent::NoResult { unheard: Some(requests), .. }) => {
            format!("no result, unheard after {requests} requests")
        }
        ClientOutput::Event(ClientEvent::Refused { reason, .. }) => format!("refused: {reason}"),
        ClientOutput::Event(other) => format!("{other:?}"),
    }
}

#[test]
fn a_job_is_submitted_and_has_progress_and_one_result() {
    let mut harness = Harness::new();
    harness.submit("j");
    assert_eq!(harness.progress("j", 50), ["progress j 50"]);
    assert_eq!(harness.progress("other", 50), [""; 0]);
    assert_eq!(harness.result("other", JobStatus::SUCCEEDED), [""; 0]);
    assert_eq!(harness.result("j", JobStatus::RUNNING), [""; 0]);
    assert_eq!(harness.result("j", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
    assert_eq!(harness.result("j", JobStatus::FAILED), [""; 0], "a job has one result");
    assert_eq!(harness.client.awaited(), 0);
    assert_eq!(harness.client.poll_timeout(), None);
}

#[test]
fn a_sign_of_a_job_is_heard_and_not_shown() {
    let mut harness = Harness::new();
    let job = harness.submit("j");
    assert!(!harness.client.is_heard(job));
    for _ in 0..20 {
        assert_eq!(harness.wait(20), [""; 0], "the request is not sent again");
        let step_id = "x-nuncio-sign".into();
        let sign = JobProgress { job_id: "j".into(), step_id, status: JobStatus::RUNNING, ..JobProgress::default() };
        harness.client.handle_packet(harness.now, &Subject::JobProgress, &packet(sign));
        assert!(harness.client.is_heard(job));
        assert_eq!(harness.drain(), [""; 0]);
    }
    assert_eq!(harness.wait(30), ["submit j"]);
}

#[test]
fn s7_each_terminal_status_ends_a_job_and_a_retryable_one_by_choice() {
    let terminal = [
        JobStatus::SUCCEEDED,
        JobStatus::FAILED,
        JobStatus::CANCELLED,
        JobStatus::DENIED,
        JobStatus::TIMEOUT,
        JobStatus::FAILED_FATAL,
        JobStatus::FAILED_RETRYABLE,
    ];
    for status in terminal {
        let mut harness = Harness::new();
        harness.submit("j");
        assert_eq!(harness.result("j", status), [format!("ended j {status:?}")]);
    }
    let mut harness = Harness::with(|config| config.await_retries = true);
    harness.submit("j");
    assert_eq!(harness.result("j", JobStatus::FAILED_RETRYABLE), [""; 0]);
    assert_eq!(harness.result("j", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"]);
}

#[test]
fn a_request_of_which_nothing_is_heard_is_sent_again_a_few_times() {
    let mut harness = Harness::with(|config| config.resubmissions = 2);
    harness.submit("j");
    assert_eq!(harness.client.poll_timeout(), Some((START.plus_secs(30), ClientTimer::Resubmit)));
    assert_eq!(harness.wait(29), [""; 0]);
    harness.progress("j", 1);
    assert_eq!(harness.wait(29), [""; 0], "progress is a sign of the job");
    assert_eq!(harness.wait(1), ["submit j"]);
    assert_eq!(harness.wait(30), ["submit j"]);
    assert_eq!(harness.wait(300), [""; 0]);
    assert_eq!(harness.result("j", JobStatus::SUCCEEDED), ["ended j SUCCEEDED"], "its result is still awaited");
}

#[test]
fn the_time_to_wait_for_a_result_ends() {
    let mut harness = Harness::with(|config| config.resubmissions = 0);
    harness.submit("j");
    assert_eq!(harness.wait(599), [""; 0]);
    assert_eq!(harness.wait(1), ["no result, unheard after 1 requests"]);
    assert_eq!(harness.result("j", JobStatus::SUCCEEDED), [""; 0]);
    let job = harness.client.submit(harness.now, request("k"), "", None).unwrap();
    assert_eq!(harness.client.poll_timeout(), None, "it is awaited for ever");
    harness.client.forget(harness.now, job).unwrap();
    assert_eq!(harness.client.forget(harness.now, job), Err(ClientRefused::Stale));
}

#[test]
fn a_job_of_which_nothing_is_heard_ends_at_its_time_with_the_number_of_its_requests() {
    let mut harness = Harness::with(|config| config.resubmissions = 2);
    harness.submit("silent");
    harness.submit("slow");
    assert_eq!(harness.wait(30), ["submit silent", "submit slow"]);
    assert_eq!(harness.progress("slow", 1), ["progress slow 1"]);
    assert_eq!(harness.wait(30), ["submit silent", "submit slow"]);
    assert_eq!(harness.wait(539), [""; 0], "both were sent often enough");
    assert_eq!(harness.wait(1), ["no result, unheard after 3 requests", "no result"]);
    assert_eq!(harness.client.awaited(), 0);
}

#[test]
fn a_cancellation_is_sent_and_the_result_awaited() {
    let mut harness = Harness::with(|config| config.cancel_after = Duration::from_secs(2));
    let job = harness.submit("j");
    harness.client.cancel(harness.now, job, "enough").unwrap();
    assert_eq!(harness.drain(), ["cancel j enough"]);
    assert_eq!(harness.client.cancel(harness.now, job, "enough"), Err(ClientRefused::Stale));
    for pause in [2, 4, 8] {
        assert_eq!(harness.client.poll_timeout(), Some((harness.now.plus_secs(pause), ClientTimer::Cancel)));
        assert_eq!(harness.wait(pause), ["cancel j enough"], "it may be lost with the router");
        assert_eq!(harness.progress("j", 1), ["progress j 1"], "progress is no answer to it");
    }
    assert_eq!(harness.wait(16), ["cancel j enough"]);
    assert_eq!(harness.wait(14), ["submit j", "cancel j enough"], "both may have been lost");
    assert_eq!(harness.wait(29), [""; 0]);
    assert_eq!(harness.wait(1), ["submit j", "cancel j enough"], "the longest pause");
    assert_eq!(harness.result("j", JobStatus::CANCELLED), ["ended j CANCELLED"]);
    assert_eq!(harness.client.poll_timeout(), None, "its result is the answer");
    assert_eq!(harness.client.cancel(harness.now, job, "enough"), Err(ClientRefused::Stale));
}

#[test]
fn what_is_awaited_is_sent_again_when_the_bus_is_back() {
    let mut harness = Harness::offline(|_| {});
    harness.try_submit("a").unwrap();
    assert_eq!(harness.drain(), [""; 0]);
    harness.client.handle_connected(harness.now);
    assert_eq!(harness.drain(), ["sub sys.job.result", "sub sys.job.progress", "submit a"]);
    let job = harness.try_submit("b").unwrap();
    // It was not polled when the bus went away.
    harness.client.handle_disconnected(harness.now);
    harness.client.cancel(harness.now, job, "enough").unwrap();
    assert_eq!(harness.wait(60), [""; 0]);
    harness.client.handle_connected(harness.now);
    let lines = harness.drain();
    assert_eq!(lines[2..], ["submit a", "submit b", "cancel b enough"]);
}

/// Waits for the next request, and returns after how many microseconds it is sent.
fn next_request(harness: &mut Harness) -> u64 {
    let (at, timer) = harness.client.poll_timeout().unwrap();
    assert_eq!(timer, ClientTimer::Resubmit);
    let pause = at.since(harness.now);
    harness.now = at;
    harness.client.handle_timeout(at);
    assert_eq!(harness.drain(), ["submit j"]);
    pause
}

#[test]
fn a_request_that_is_sent_on_a_new_connection_is_sent_again_soon_until_the_job_is_heard() {
    let mut harness = Harness::with(|config| config.resubmissions = 1);
    harness.client.submit(harness.now, request("j"), "trace", None).unwrap();
    assert_eq!(harness.drain(), ["submit j"]);
    let reconnect = |harness: &mut Harness| {
        harness.client.handle_disconnected(harness.now);
        harness.client.handle_connected(harness.now);
        assert_eq!(harness.drain()[2..], ["submit j"]);
    };
    for _ in 0..2 {
        // The router may be back later than the client: it does not get the first requests.
        reconnect(&mut harness);
        for seconds in [2, 4, 8, 16] {
            let pause = next_request(&mut harness);
            assert!((seconds * 500_000..seconds * 1_500_000).contains(&pause), "{pause} for {seconds} s");
        }
        let (at, _) = harness.client.poll_timeout().unwrap();
        assert_eq!(at.since(harness.now), 30_000_000, "these requests do not count");
    }
    // What is heard ends the hurry.
    reconnect(&mut harness);
    next_request(&mut harness);
    assert_eq!(harness.progress("j", 5), ["progress j 5"]);
    assert_eq!(next_request(&mut harness), 30_000_000);
    assert_eq!(harness.client.poll_timeout(), None, "it was sent again often enough");
}

#[test]
fn jobs_have_distinct_ids_and_valid_requests() {
    let mut harness = Harness::new();
    harness.submit("j");
    assert_eq!(harness.try_submit("j"), Err(ClientRefused::Known));
    let invalid = harness.client.submit(harness.now, JobRequest::default(), "", None);
    assert!(matches!(invalid, Err(ClientRefused::Unsignable(Unsignable::Invalid(_)))));
    let nameless = |harness: &mut Harness| {
        harness.client.submit(harness.now, request(""), "", None).unwrap();
        harness.drain().remove(0)
    };
    let (first, second) = (nameless(&mut harness), nameless(&mut harness));
    assert!(first != second && first.len() == "submit ".len() + 32, "{first}");
    harness.client.handle_packet(harness.now, &Subject::JobResult, b"\xff");
    assert_eq!(harness.drain(), ["refused: the packet is malformed: the message ends within a record"]);
}

#[test]
fn the_jobs_that_are_awaited_are_bounded() {
    let mut harness = Harness::with(|config| config.limits.jobs = 2);
    harness.submit("a");
    harness.submit("b");
    assert_eq!(harness.try_submit("c"), Err(ClientRefused::Limit { limit: "jobs", max: 2 }));
    harness.result("a", JobStatus::SUCCEEDED);
    harness.submit("c");
    let mut harness = Harness::with(|config| config.limits.request_bytes = 60);
    harness.submit("a");
    assert_eq!(harness.try_submit("b"), Err(ClientRefused::Limit { limit: "request_bytes", max: 60 }));
    harness.result("a", JobStatus::SUCCEEDED);
    harness.submit("b");
}

#[test]
fn the_bytes_of_a_job_are_counted_until_it_has_ended() {
    let mut harness = Harness::new();
    let before = harness.client.bytes_held();
    harness.submit("a");
    assert!(harness.client.bytes_held() > before);
    harness.result("a", JobStatus::SUCCEEDED);
    assert_eq!(harness.client.bytes_held(), before);
}

proptest! {
    #[test]
    fn any_inputs_end_each_job_once(inputs in vec((any::<u8>(), any::<u8>(), 0..100_u64), 1..100)) {
        let mut harness = Harness::offline(|config| config.limits.jobs = 5);
        let (mut jobs, mut submitted, mut ended) = (Vec::new(), 0, 0);
        for (what, which, secs) in inputs {
            let id = format!("j{}", which % 8);
            match what % 9 {
                0 | 1 => if let Ok(job) = harness.try_submit(&id) {
                    jobs.push(job);
                    submitted += 1;
                },
                2 => for job in &jobs {
                    _ = harness.client.cancel(harness.now, *job, "enough");
                },
                3 => harness.client.handle_connected(harness.now),
                4 => harness.client.handle_disconnected(harness.now),
                5 => harness.client.handle_packet(harness.now, &Subject::JobResult, &[which; 20]),
                6 => {
                    let status = JobStatus(i32::from(which % 13));
                    let result = JobResult { job_id: id, worker_id: "w".into(), status, ..JobResult::default() };
                    harness.client.handle_packet(harness.now, &Subject::JobResult, &packet(result));
                }
                _ => {
                    harness.now = harness.now.plus_secs(secs);
                    harness.client.handle_timeout(harness.now);
                }
            }
            prop_assert!(harness.client.awaited() <= 5);
            let lines = harness.drain();
            ended += lines.iter().filter(|line| line.starts_with("ended") || line.starts_with("no result")).count();
            prop_assert_eq!(submitted - ended, harness.client.awaited());
        }
        harness.wait(600);
        prop_assert_eq!(harness.client.awaited(), 0, "no job is awaited for longer than it was asked for");
        prop_assert_eq!(harness.client.poll_timeout(), None);
    }
}

#[test]
fn a_deadline_at_the_end_of_time_never_passes() {
    let mut harness = Harness::with(|config| config.resubmit_after = Duration::MAX);
    harness.client.submit(START, request("j"), "trace", Some(Duration::MAX)).unwrap();
    assert_eq!(harness.client.poll_timeout(), None);
    harness.client.handle_timeout(Time::MAX);
    assert_eq!(harness.client.awaited(), 1);
}
