//! A worker whose outputs are lines of text.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Acceptance, Attempt, Authentication, BusPacket, ComponentId, DecodeLimits, ErrorCode, FailureKind, Fetched,
    JobCancel, JobFailure, JobRequest, Payload, Reading, Subject, Topic, Worker, WorkerConfig, WorkerEvent, WorkerJob,
    WorkerOutput, WorkerRefused, validate,
};
use nuncio_core::time::Time;

use crate::unsigned::{self, NoVerifier};
pub(crate) use crate::unsigned::{START, with_deadline, with_key};

pub(crate) fn config() -> WorkerConfig {
    let reading = Reading::new(Authentication::Unsigned);
    WorkerConfig::new(ComponentId::new("w").unwrap(), reading, Arc::new(NoVerifier)).with(|config| {
        config.topics.insert(Topic::new("job.echo").unwrap());
        // The tests of stored outputs have it on.
        config.check_stored = false;
    })
}

pub(crate) struct Harness {
    pub(crate) worker: Worker,
    pub(crate) now: Time,
    /// The latest attempt of each job.
    attempts: BTreeMap<String, Attempt>,
    ids: BTreeMap<WorkerJob, String>,
    /// The alerts about packets that were refused.
    pub(crate) alerts: Vec<Bytes>,
}

/// A request with an input in the store.
pub(crate) fn request(id: &str) -> JobRequest {
    JobRequest {
        job_id: id.into(),
        topic: "job.echo".into(),
        context_ptr: format!("redis://ctx:{id}"),
        ..JobRequest::default()
    }
}

/// A request without an input.
pub(crate) fn bare(id: &str) -> JobRequest {
    JobRequest { context_ptr: String::new(), ..request(id) }
}

pub(crate) fn packet(payload: impl Into<Payload>) -> Vec<u8> {
    unsigned::packet("router", payload)
}

pub(crate) fn echo() -> Subject {
    Subject::parse("job.echo").unwrap()
}

pub(crate) fn plain(message: &str) -> JobFailure {
    JobFailure { kind: FailureKind::Plain, code: ErrorCode::UNSPECIFIED, message: message.into() }
}

impl Harness {
    /// A worker whose bus is away.
    pub(crate) fn offline(config: WorkerConfig) -> Harness {
        Harness {
            worker: Worker::new(config, [7; 32], START),
            now: START,
            attempts: BTreeMap::new(),
            ids: BTreeMap::new(),
            alerts: Vec::new(),
        }
    }

    /// A worker that has subscribed.
    pub(crate) fn with(change: impl FnOnce(&mut WorkerConfig)) -> Harness {
        let mut harness = Harness::offline(config().with(change));
        harness.worker.handle_connected(START);
        harness.drain();
        harness
    }

    pub(crate) fn new() -> Harness {
        Harness::with(|_| {})
    }

    /// Passes in a packet.
    pub(crate) fn packet(&mut self, subject: &Subject, bytes: &[u8]) -> Vec<String> {
        self.worker.handle_packet(self.now, subject, bytes);
        self.drain()
    }

    /// Passes in a request on its topic.
    pub(crate) fn request(&mut self, request: JobRequest) -> Vec<String> {
        self.packet(&echo(), &packet(request))
    }

    pub(crate) fn cancel(&mut self, id: &str) -> Vec<String> {
        let cancel =
            JobCancel { job_id: id.into(), reason: "enough".into(), requested_by: "me".into(), ..JobCancel::default() };
        self.packet(&Subject::JobCancel, &packet(cancel))
    }

    pub(crate) fn attempt(&self, id: &str) -> Attempt {
        self.attempts[id]
    }

    pub(crate) fn fetched(&mut self, id: &str, fetched: Fetched) -> Vec<String> {
        self.worker.fetched(self.now, self.attempt(id), fetched).unwrap();
        self.drain()
    }

    pub(crate) fn found(&mut self, id: &str) -> Vec<String> {
        self.fetched(id, Fetched::Found(Bytes::from_static(b"{}")))
    }

    pub(crate) fn try_finish(&mut self, id: &str) -> Result<Vec<String>, WorkerRefused> {
        self.worker.finish(self.now, self.attempt(id), Bytes::from_static(b"out"))?;
        Ok(self.drain())
    }

    pub(crate) fn finish(&mut self, id: &str) -> Vec<String> {
        self.try_finish(id).unwrap()
    }

    pub(crate) fn fail(&mut self, id: &str, failure: JobFailure) -> Vec<String> {
        self.worker.fail(self.now, self.attempt(id), failure).unwrap();
        self.drain()
    }

    pub(crate) fn stored(&mut self, id: &str, stored: Result<(), String>) -> Vec<String> {
        self.worker.stored(self.now, self.attempt(id), stored).unwrap();
        self.drain()
    }

    /// Runs a job without an input to its success.
    pub(crate) fn run_to_end(&mut self, id: &str) -> Vec<String> {
        self.finish(id);
        self.stored(id, Ok(()))
    }

    /// Polls all outputs, and returns the attempts that the results among them name.
    pub(crate) fn reported_attempts(&mut self) -> Vec<u64> {
        let outputs = core::iter::from_fn(|| self.worker.poll_output());
        let results = outputs.filter_map(|output| match output {
            WorkerOutput::Publish { subject: Subject::JobResult, bytes } => {
                BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap().payload
            }
            _ => None,
        });
        let attempt = |payload| match payload {
            Payload::JobResult(result) => result.dispatch.map_or(0, |dispatch| dispatch.attempt),
            other => panic!("{other:?}"),
        };
        results.map(attempt).collect()
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        self.now = self.now.plus_millis(millis);
        self.worker.handle_timeout(self.now);
        self.drain()
    }

    /// Polls all outputs.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.worker.poll_output() {
            lines.extend(self.line(output));
        }
        lines
    }

    fn note(&mut self, attempt: Attempt) -> String {
        let id = self.ids.get(&attempt.job).cloned().unwrap_or_default();
        self.attempts.insert(id.clone(), attempt);
        id
    }

    fn line(&mut self, output: WorkerOutput) -> Option<String> {
        Some(match output {
            WorkerOutput::Subscribe { subject, group } => format!("sub {subject}{}", if group { " group" } else { "" }),
            WorkerOutput::Unsubscribe { subject } => format!("unsub {subject}"),
            WorkerOutput::Publish { subject: Subject::Alert, bytes } => {
                self.alerts.push(bytes);
                return None;
            }
            // The tests of signs see them.
            WorkerOutput::Publish { bytes, .. } if is_sign(&bytes) => return None,
            WorkerOutput::Publish { subject, bytes } => published(&subject, &bytes),
            WorkerOutput::Request { subject, .. } => format!("request {subject}"),
            WorkerOutput::Fetch { attempt, pointer } => {
                self.note(attempt);
                format!("fetch {pointer}")
            }
            WorkerOutput::Look { attempt, pointer } => {
                self.note(attempt);
                format!("look {pointer}")
            }
            WorkerOutput::Run { attempt } => format!("run {}", self.note(attempt)),
            WorkerOutput::Stop { attempt } => format!("stop {}", self.note(attempt)),
            WorkerOutput::Store { attempt, pointer, output, .. } => {
                self.note(attempt);
                format!("store {pointer} {}", String::from_utf8_lossy(&output))
            }
            WorkerOutput::Event(WorkerEvent::Accepted { job }) => {
                let id = self.worker.job(job).map(|view| view.job_id.to_owned()).unwrap_or_default();
                self.ids.insert(job, id);
                return None;
            }
            WorkerOutput::Event(WorkerEvent::Ended { status, .. }) => format!("ended {status:?}"),
            // What only measures; the tests of events see it.
            WorkerOutput::Event(
                WorkerEvent::Started { .. } | WorkerEvent::Retried { .. } | WorkerEvent::HeartbeatSent,
            ) => return None,
            WorkerOutput::Event(WorkerEvent::Recovered { .. }) => "recovered".into(),
            WorkerOutput::Event(WorkerEvent::Refused { reason, .. }) => format!("refused: {reason}"),
            WorkerOutput::Event(WorkerEvent::Drained) => "drained".into(),
            WorkerOutput::Event(other) => format!("{other:?}"),
        })
    }
}

/// Whether a packet is a sign that a worker has a job.
fn is_sign(bytes: &[u8]) -> bool {
    let payload = BusPacket::decode(bytes, &DecodeLimits::default()).unwrap().payload;
    matches!(payload, Some(Payload::JobProgress(progress)) if progress.is_sign())
}

/// The line of a packet that was published, which every receiver accepts.
fn published(subject: &Subject, bytes: &[u8]) -> String {
    let packet = BusPacket::decode(bytes, &DecodeLimits::default()).unwrap();
    validate(&packet, Acceptance::Since217).unwrap();
    let line = match packet.payload.unwrap() {
        Payload::JobResult(result) => {
            let mut words = vec!["result".to_owned(), result.job_id, format!("{:?}", result.status)];
            words.extend([result.result_ptr, result.error_code.clone()]);
            if result.error_code_enum != ErrorCode::UNSPECIFIED {
                assert_eq!(Some(result.error_code.as_str()), result.error_code_enum.name());
            }
            words.retain(|word| !word.is_empty());
            let line = words.join(" ");
            if result.error_message.is_empty() { line } else { format!("{line}: {}", result.error_message) }
        }
        Payload::JobProgress(progress) => format!("progress {} {}", progress.job_id, progress.percent),
        Payload::Heartbeat(heartbeat) => {
            format!("heartbeat {}/{}", heartbeat.active_jobs, heartbeat.max_parallel_jobs)
        }
        Payload::Handshake(handshake) => format!("handshake {:?}", handshake.ready_topics),
        other => panic!("{other:?}"),
    };
    let expected = match line.split(' ').next().unwrap() {
        "result" => Subject::JobResult,
        "progress" => Subject::JobProgress,
        "heartbeat" => Subject::Heartbeat,
        _ => Subject::Handshake,
    };
    assert_eq!(*subject, expected, "{line}");
    line
}
