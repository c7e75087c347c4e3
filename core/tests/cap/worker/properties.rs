//! Properties of a worker for any sequence of inputs: no panic, its limits hold, one result per job, determinism.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, BusPacket, DecodeLimits, ErrorCode, FailureKind, Fetched, JobFailure, JobRequest, Payload, Progress,
    Subject, Worker, WorkerEvent, WorkerJob, WorkerOutput,
};
use nuncio_core::time::Time;
use proptest::collection::vec;
use proptest::prelude::*;

use super::support::{START, bare, config, echo, packet, request, with_deadline, with_key};

#[derive(Clone, Debug)]
enum Input {
    Request(u8, u8),
    Cancel(u8),
    Bytes(Vec<u8>),
    Answer(prop::sample::Index, u8),
    Wait(u64),
    Connect,
    Disconnect,
    Drain,
    Poll(u8),
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        12 => (any::<u8>(), any::<u8>()).prop_map(|(id, kind)| Input::Request(id, kind)),
        3 => any::<u8>().prop_map(Input::Cancel),
        1 => vec(any::<u8>(), 0..100).prop_map(Input::Bytes),
        20 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, how)| Input::Answer(which, how)),
        5 => (0..8_000_u64).prop_map(Input::Wait),
        2 => Just(Input::Connect),
        1 => Just(Input::Disconnect),
        1 => Just(Input::Drain),
        12 => any::<u8>().prop_map(Input::Poll),
    ]
}

const PARALLEL: usize = 3;
const QUEUED: usize = 4;

/// A worker and what its outputs have said.
struct World {
    worker: Worker,
    now: Time,
    attempts: Vec<Attempt>,
    /// Handlers that were called and have not answered.
    handlers: BTreeSet<WorkerJob>,
    accepted: BTreeSet<WorkerJob>,
    ended: BTreeSet<WorkerJob>,
    /// The status in the results of each job id.
    results: BTreeMap<String, i32>,
    log: Vec<String>,
}

impl World {
    fn new() -> World {
        let config = config().with(|config| {
            config.limits.parallel = PARALLEL;
            config.limits.queued = QUEUED;
            config.retries = 1;
            config.check_stored = true;
        });
        let mut worker = Worker::new(config, [7; 32], START);
        worker.handle_connected(START);
        World {
            worker,
            now: START,
            attempts: Vec::new(),
            handlers: BTreeSet::new(),
            accepted: BTreeSet::new(),
            ended: BTreeSet::new(),
            results: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn apply(&mut self, input: &Input) {
        match input {
            Input::Request(id, kind) => {
                let id = format!("j{}", id % 12);
                let request = match kind % 5 {
                    0 => request(&id),
                    1 => with_key(bare(&id), "k"),
                    2 => with_deadline(bare(&id), i64::from(*kind)),
                    3 => JobRequest { context_ptr: "s3://".into(), ..request(&id) },
                    _ => bare(&id),
                };
                self.worker.handle_packet(self.now, &echo(), &packet(request));
            }
            Input::Cancel(id) => {
                let cancel = nuncio_core::cap::JobCancel { job_id: format!("j{}", id % 12), ..Default::default() };
                self.worker.handle_packet(self.now, &Subject::JobCancel, &packet(cancel));
            }
            Input::Bytes(bytes) => self.worker.handle_packet(self.now, &echo(), bytes),
            Input::Answer(which, how) if !self.attempts.is_empty() => {
                let attempt = *which.get(&self.attempts);
                self.answer(attempt, *how);
            }
            Input::Answer(..) => {}
            Input::Wait(millis) => {
                self.now = self.now.plus_millis(*millis);
                self.worker.handle_timeout(self.now);
            }
            Input::Connect => self.worker.handle_connected(self.now),
            Input::Disconnect => self.worker.handle_disconnected(self.now),
            Input::Drain => self.worker.drain(self.now),
            Input::Poll(count) => self.poll(usize::from(*count)),
        }
        assert!(self.worker.running() <= PARALLEL && self.worker.queued() <= QUEUED);
        assert!(self.worker.bytes_held() < 512 << 10, "{} bytes", self.worker.bytes_held());
    }

    fn answer(&mut self, attempt: Attempt, how: u8) {
        let (now, worker) = (self.now, &mut self.worker);
        let failure = |kind| JobFailure { kind, code: ErrorCode::UNSPECIFIED, message: "m".into() };
        let ran = match how % 10 {
            8 => {
                _ = worker.looked(now, attempt, Fetched::Missing);
                false
            }
            9 => {
                _ = worker.looked(now, attempt, Fetched::Found(Bytes::from_static(b"out")));
                false
            }
            0 => worker.finish(now, attempt, Bytes::from_static(b"out")).is_ok(),
            1 => worker.fail(now, attempt, failure(FailureKind::Plain)).is_ok(),
            2 => worker.fail(now, attempt, failure(FailureKind::Fatal)).is_ok(),
            3 => {
                let progress = Progress { percent: i32::from(how), ..Progress::default() };
                _ = worker.progress(now, attempt, &progress);
                false
            }
            4 => {
                _ = worker.fetched(now, attempt, Fetched::Failed("m".into()));
                false
            }
            5 => {
                _ = worker.stored(now, attempt, Err("m".into()));
                false
            }
            6 => {
                _ = worker.stored(now, attempt, Ok(()));
                false
            }
            _ => {
                _ = worker.fetched(now, attempt, Fetched::Found(Bytes::from_static(b"in")));
                false
            }
        };
        if ran {
            self.handlers.remove(&attempt.job);
        }
    }

    fn poll(&mut self, count: usize) {
        for _ in 0..count {
            let Some(output) = self.worker.poll_output() else { return };
            self.log.push(format!("{output:?}"));
            match output {
                WorkerOutput::Run { attempt } => {
                    assert!(self.handlers.insert(attempt.job), "one handler of a job at a time");
                    assert!(self.handlers.len() <= PARALLEL, "no more handlers than slots");
                    self.attempts.push(attempt);
                }
                WorkerOutput::Look { attempt, .. }
                | WorkerOutput::Fetch { attempt, .. }
                | WorkerOutput::Store { attempt, .. } => {
                    self.attempts.push(attempt);
                }
                WorkerOutput::Publish { subject: Subject::JobResult, bytes } => {
                    let packet = BusPacket::decode(&bytes, &DecodeLimits::default()).unwrap();
                    let Some(Payload::JobResult(result)) = packet.payload else { panic!("{packet:?}") };
                    // A result that says that the worker could not take the job may be followed by another one.
                    if result.status != nuncio_core::cap::JobStatus::FAILED_RETRYABLE {
                        let status = *self.results.entry(result.job_id).or_insert(result.status.0);
                        assert_eq!(status, result.status.0, "a job has one result");
                    }
                }
                WorkerOutput::Event(WorkerEvent::Accepted { job }) => assert!(self.accepted.insert(job)),
                WorkerOutput::Event(WorkerEvent::Ended { job, .. }) => {
                    assert!(self.accepted.contains(&job) && self.ended.insert(job), "a job ends once");
                }
                WorkerOutput::Event(WorkerEvent::Unsendable { reason, .. }) => panic!("{reason}"),
                WorkerOutput::Subscribe { .. }
                | WorkerOutput::Unsubscribe { .. }
                | WorkerOutput::Publish { .. }
                | WorkerOutput::Request { .. }
                | WorkerOutput::Stop { .. }
                | WorkerOutput::Event(_) => {}
            }
        }
    }

    /// Answers everything and lets time pass, until no job is left.
    fn heal(&mut self) {
        self.worker.handle_connected(self.now);
        self.worker.drain(self.now);
        for _ in 0..200 {
            self.poll(usize::MAX);
            for attempt in core::mem::take(&mut self.attempts) {
                for how in [8, 7, 2, 6] {
                    self.answer(attempt, how);
                }
            }
            self.apply(&Input::Wait(1_000));
        }
        self.poll(usize::MAX);
        assert_eq!((self.worker.running(), self.worker.queued()), (0, 0));
        assert!(self.handlers.is_empty());
        assert_eq!(self.accepted, self.ended, "every job that was accepted has ended");
        assert_eq!(self.worker.poll_timeout(), None, "nothing is left to be done");
    }
}

proptest! {
    #[test]
    fn any_inputs_keep_the_rules_and_give_the_same_outputs_again(inputs in vec(input(), 1..150)) {
        let logs = [(); 2].map(|()| {
            let mut world = World::new();
            for input in &inputs {
                world.apply(input);
            }
            world.heal();
            world.log
        });
        prop_assert_eq!(&logs[0], &logs[1]);
    }
}
