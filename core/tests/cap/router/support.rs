//! A router whose outputs are lines of text.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Acceptance, Authentication, AuthorityEvent, BusPacket, ComponentId, ComponentRole, Decision, DecodeLimits,
    Delivery, Dispatch, Handshake, Heartbeat, JobCancel, JobProgress, JobRequest, JobResult, JobStatus, Payload,
    Reading, Router, RouterConfig, RouterEvent, RouterJob, RouterOutput, RouterRecord, RouterRefused, Subject,
    validate,
};
use nuncio_core::time::Time;

pub(crate) use crate::unsigned::{NoVerifier, START, packet, with_deadline, with_key};

pub(crate) fn config() -> RouterConfig {
    let reading = Reading::new(Authentication::Unsigned);
    RouterConfig::new(ComponentId::new("r").unwrap(), reading, Arc::new(NoVerifier))
}

pub(crate) fn request(id: &str) -> JobRequest {
    JobRequest { job_id: id.into(), topic: "job.echo".into(), ..JobRequest::default() }
}

pub(crate) fn result(id: &str, worker: &str, status: JobStatus) -> JobResult {
    JobResult { job_id: id.into(), worker_id: worker.into(), status, ..JobResult::default() }
}

pub(crate) struct Harness {
    pub(crate) router: Router,
    pub(crate) now: Time,
    ids: BTreeMap<RouterJob, String>,
    /// The records that came out, encoded as a store would keep them.
    pub(crate) records: BTreeMap<u64, Vec<u8>>,
    /// The answers to requests for trust.
    pub(crate) replies: Vec<(String, Bytes)>,
    /// Whether records are durable as soon as they come out.
    pub(crate) stores: bool,
}

impl Harness {
    pub(crate) fn of(router: Router, now: Time) -> Harness {
        Harness { router, now, ids: BTreeMap::new(), records: BTreeMap::new(), replies: Vec::new(), stores: true }
    }

    /// A router whose bus is away.
    pub(crate) fn offline(config: RouterConfig) -> Harness {
        Harness::of(Router::new(config, [7; 32], START), START)
    }

    /// A router that has subscribed.
    pub(crate) fn with(change: impl FnOnce(&mut RouterConfig)) -> Harness {
        let mut harness = Harness::offline(config().with(change));
        harness.router.handle_connected(START);
        harness.drain();
        harness
    }

    pub(crate) fn new() -> Harness {
        Harness::with(|_| {})
    }

    /// A router that chooses the workers itself.
    pub(crate) fn choosing(change: impl FnOnce(&mut RouterConfig)) -> Harness {
        Harness::with(|config| {
            config.dispatch = Dispatch::LeastLoaded;
            change(config);
        })
    }

    /// Lets a router go on from the records of this one.
    pub(crate) fn restart(&self, config: RouterConfig) -> Harness {
        let records = self.records.iter().map(|(number, bytes)| (*number, RouterRecord::decode(bytes).unwrap()));
        let router = Router::restore(config, [7; 32], self.now, records).unwrap();
        Harness { records: self.records.clone(), ..Harness::of(router, self.now) }
    }

    /// Passes in a packet.
    pub(crate) fn packet(&mut self, subject: &Subject, bytes: &[u8]) -> Vec<String> {
        self.router.handle_packet(self.now, subject, bytes, None);
        self.drain()
    }

    /// Passes in a packet of a durable stream.
    pub(crate) fn deliver(&mut self, subject: &Subject, bytes: &[u8], delivery: u64) -> Vec<String> {
        self.router.handle_packet(self.now, subject, bytes, Some(Delivery(delivery)));
        self.drain()
    }

    pub(crate) fn submit(&mut self, request: JobRequest) -> Vec<String> {
        self.packet(&Subject::JobSubmit, &packet("c", request))
    }

    pub(crate) fn result(&mut self, id: &str, worker: &str, status: JobStatus) -> Vec<String> {
        self.packet(&Subject::JobResult, &packet(worker, result(id, worker, status)))
    }

    pub(crate) fn progress(&mut self, id: &str, worker: &str) -> Vec<String> {
        let progress =
            JobProgress { job_id: id.into(), percent: 50, status: JobStatus::RUNNING, ..JobProgress::default() };
        self.packet(&Subject::JobProgress, &packet(worker, progress))
    }

    pub(crate) fn cancel(&mut self, id: &str, sender: &str) -> Vec<String> {
        let cancel = JobCancel {
            job_id: id.into(),
            reason: "enough".into(),
            requested_by: sender.into(),
            ..JobCancel::default()
        };
        self.packet(&Subject::JobCancel, &packet(sender, cancel))
    }

    pub(crate) fn handshake(&mut self, worker: &str, topics: &[&str]) -> Vec<String> {
        let handshake = Handshake {
            component_id: worker.into(),
            role: ComponentRole::WORKER,
            supported_versions: vec![1],
            ready_topics: topics.iter().map(|topic| (*topic).into()).collect(),
            ..Handshake::default()
        };
        self.packet(&Subject::Handshake, &packet(worker, handshake))
    }

    pub(crate) fn heartbeat(&mut self, worker: &str, active_jobs: i32, max_parallel_jobs: i32) -> Vec<String> {
        let heartbeat = Heartbeat { worker_id: worker.into(), active_jobs, max_parallel_jobs, ..Heartbeat::default() };
        self.packet(&Subject::Heartbeat, &packet(worker, heartbeat))
    }

    pub(crate) fn key(&self, id: &str) -> RouterJob {
        self.router.find_job(id).unwrap()
    }

    pub(crate) fn try_decide(&mut self, id: &str, decision: Decision) -> Result<Vec<String>, RouterRefused> {
        self.router.decide(self.now, self.key(id), decision)?;
        Ok(self.drain())
    }

    pub(crate) fn decide(&mut self, id: &str, decision: Decision) -> Vec<String> {
        self.try_decide(id, decision).unwrap()
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        self.now = self.now.plus_millis(millis);
        self.router.handle_timeout(self.now);
        self.drain()
    }

    /// Notes that all records are durable.
    pub(crate) fn stored(&mut self) -> Vec<String> {
        let last = self.records.keys().next_back().copied().unwrap_or_default();
        self.router.handle_stored(self.now, last);
        self.drain()
    }

    pub(crate) fn status(&self, id: &str) -> JobStatus {
        self.router.job(self.key(id)).unwrap().state.status()
    }

    /// Polls all outputs.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.router.poll_output() {
            lines.extend(self.line(output));
        }
        lines
    }

    fn id(&mut self, job: RouterJob) -> String {
        if let Some(view) = self.router.job(job) {
            self.ids.insert(job, view.job_id.to_owned());
        }
        self.ids[&job].clone()
    }

    fn line(&mut self, output: RouterOutput) -> Option<String> {
        Some(match output {
            RouterOutput::Subscribe { subject } => format!("sub {subject}"),
            RouterOutput::Publish { subject, bytes } => published(&subject, &bytes),
            RouterOutput::Reply { to, bytes } => {
                self.replies.push((to.clone(), bytes));
                format!("reply to {to}")
            }
            RouterOutput::Store { number, record } => {
                let bytes = record.encode();
                assert_eq!(RouterRecord::decode(&bytes), Ok(record.clone()));
                self.records.insert(number, bytes);
                if self.stores {
                    self.router.handle_stored(self.now, number);
                    return None;
                }
                format!("store {:?} {}", record.kind(), record.job_id())
            }
            RouterOutput::Acknowledge { delivery } => format!("ack {}", delivery.0),
            RouterOutput::Event(event) => return self.event(event),
        })
    }

    fn event(&mut self, event: RouterEvent) -> Option<String> {
        Some(match event {
            RouterEvent::Accepted { job } | RouterEvent::Dispatched { job, .. } => {
                self.id(job);
                return None;
            }
            RouterEvent::Check { job, request, .. } => {
                assert_eq!(self.id(job), request.job_id);
                format!("check {}", request.job_id)
            }
            RouterEvent::Approval { job, reason } => format!("approval {}: {reason}", self.id(job)),
            RouterEvent::Running { job, worker } => format!("running {} at {worker}", self.id(job)),
            RouterEvent::Retrying { job, reason } => format!("retrying {}: {reason}", self.id(job)),
            RouterEvent::Ended { job, status } => format!("ended {} {status:?}", self.id(job)),
            RouterEvent::Conflict { job, ended, ignored } => {
                format!("conflict {}: {ended:?}, not {ignored:?}", self.id(job))
            }
            RouterEvent::WorkerJoined { worker } => format!("joined {worker}"),
            RouterEvent::WorkerLost { worker } => format!("lost {worker}"),
            RouterEvent::Trust(AuthorityEvent::Trusted { worker, is_renewal, .. }) => {
                format!("{} {worker}", if is_renewal { "renewed" } else { "trusted" })
            }
            RouterEvent::Trust(AuthorityEvent::Rejected { reason, .. }) => format!("rejected: {reason:?}"),
            RouterEvent::Refused { reason, .. } => format!("refused: {reason}"),
            other => format!("{other:?}"),
        })
    }
}

/// The line of a packet that was published, which every receiver accepts.
fn published(subject: &Subject, bytes: &[u8]) -> String {
    let packet = BusPacket::decode(bytes, &DecodeLimits::default()).unwrap();
    validate(&packet, Acceptance::Since217).unwrap();
    let payload = packet.payload.unwrap();
    let sender = packet.sender_id;
    match (subject, payload) {
        (Subject::JobResult, Payload::JobResult(result)) => {
            let mut words = vec!["result".to_owned(), result.job_id, format!("{:?}", result.status), result.error_code];
            words.extend((sender != "r").then(|| format!("by {sender}")));
            words.retain(|word| !word.is_empty());
            let line = words.join(" ");
            if result.error_message.is_empty() { line } else { format!("{line}: {}", result.error_message) }
        }
        (Subject::JobProgress, Payload::JobProgress(progress)) => {
            format!("progress {} {:?} {}", progress.job_id, progress.status, progress.message).trim_end().into()
        }
        (Subject::JobCancel, Payload::JobCancel(cancel)) => format!("cancel {}: {}", cancel.job_id, cancel.reason),
        (Subject::JobDeadLetter, Payload::JobRequest(request)) => format!("dead letter {}", request.job_id),
        (Subject::Alert, Payload::Alert(alert)) => format!("alert {:?} {:?}", alert.severity, alert.error_code_enum),
        (Subject::Topic(_) | Subject::Direct(_), Payload::JobRequest(request)) => {
            let dispatch = request.dispatch.map(|dispatch| format!(" #{}", dispatch.attempt)).unwrap_or_default();
            format!("{} to {subject}{dispatch} {}", request.job_id, request.context_ptr).trim_end().into()
        }
        (subject, other) => panic!("{other:?} on {subject}"),
    }
}
