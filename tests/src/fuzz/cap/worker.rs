//! Packets of anybody and a host that does anything, for a worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Unstructured;
use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, Authentication, ComponentId, ErrorCode, FailureKind, Fetched, JobFailure, Payload, Progress, Reading,
    Topic, Worker, WorkerConfig, WorkerEvent, WorkerJob, WorkerOutput,
};
use nuncio_core::time::Time;

use super::draw::{assert_valid, packet, subject};
use crate::cap_sim::signing::HashVerifier;
use crate::seeded::Draw;
use crate::world::START;

/// The worker does not panic, keeps its limits, and publishes valid packets, whatever packets arrive and whatever the host
/// answers.
pub fn cap_worker(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let draw = &mut Draw(&mut bytes);
    let mut world = World::new(draw);
    while !draw.is_over() {
        world.step(draw);
        world.poll(draw);
        world.check();
    }
}

struct World {
    worker: Worker,
    now: Time,
    attempts: Vec<Attempt>,
    handlers: BTreeMap<WorkerJob, Attempt>,
    live: BTreeSet<WorkerJob>,
    is_connected: bool,
}

impl World {
    fn new(draw: &mut Draw<'_, '_>) -> World {
        let id = ComponentId::new("worker").expect("a good id");
        let reading = Reading::new(Authentication::Unsigned);
        let config = WorkerConfig::new(id, reading, Arc::new(HashVerifier)).with(|config| {
            config.topics = ["job.a", "job.b"].iter().map(|topic| Topic::new(topic).expect("a good topic")).collect();
            config.retries = draw.one(&[0, 2]);
            config.check_stored = draw.chance(50);
            config.max_runtime = draw.one(&[None, Some(Duration::from_secs(3))]);
            config.retention = Duration::from_secs(draw.one(&[86_400, 2]));
            config.limits.parallel = draw.one(&[1, 3]);
            config.limits.queued = draw.one(&[0, 2]);
            config.limits.retained = draw.one(&[0, 2, 100]);
            config.limits.cancellations = draw.one(&[0, 2]);
            config.limits.followers = draw.one(&[0, 1]);
            config.limits.result_bytes = 8;
            config.limits.context_bytes = 8;
            config.limits.error_bytes = 5;
        });
        let worker = Worker::new(config, [7; 32], START);
        World {
            worker,
            now: START,
            attempts: Vec::new(),
            handlers: BTreeMap::new(),
            live: BTreeSet::new(),
            is_connected: false,
        }
    }

    fn step(&mut self, draw: &mut Draw<'_, '_>) {
        let now = self.now;
        match draw.below(12) {
            0..=4 => {
                let (subject, bytes) = (subject(draw), packet(now, draw));
                self.worker.handle_packet(now, &subject, &bytes);
            }
            5..=7 => self.answer(draw),
            8 => {
                self.now = now.plus_micros(draw.one(&[1, 90_000, 2_000_000, 6_000_000, 90_000_000_000]));
                self.worker.handle_timeout(self.now);
            }
            9 => {
                // The driver may be late by one wake-up.
                self.now = self.worker.poll_timeout().map_or(now, |(at, _)| at.max(now));
                self.worker.handle_timeout(self.now);
            }
            10 if draw.chance(10) => self.worker.drain(now),
            _ if draw.chance(60) => {
                self.is_connected = true;
                self.worker.handle_connected(now);
            }
            _ => {
                self.is_connected = false;
                self.worker.handle_disconnected(now);
            }
        }
    }

    fn answer(&mut self, draw: &mut Draw<'_, '_>) {
        let Some(attempt) = draw.pick(&self.attempts).copied() else { return };
        let (now, worker) = (self.now, &mut self.worker);
        let blob = Bytes::from_static(draw.one(&[&b"out"[..], b"", b"longer than 8 bytes"]));
        let kind = draw.one(&[FailureKind::Plain, FailureKind::Retryable, FailureKind::Fatal, FailureKind::Input]);
        let message = draw.one(&["", "m", "ää ää"]).to_owned();
        let failure = JobFailure { kind, code: ErrorCode(draw.one(&[0, 200, 1_000, -1])), message: message.clone() };
        let found = match draw.below(3) {
            0 => Fetched::Found(blob.clone()),
            1 => Fetched::Missing,
            _ => Fetched::Failed(message.clone()),
        };
        let ran = match draw.below(6) {
            0 => worker.finish(now, attempt, blob).is_ok(),
            1 => worker.fail(now, attempt, failure).is_ok(),
            2 => {
                let progress = Progress { percent: draw.one(&[0, 100, 101, -1]), message, ..Progress::default() };
                _ = worker.progress(now, attempt, &progress);
                false
            }
            3 => {
                _ = worker.fetched(now, attempt, found);
                false
            }
            4 => {
                _ = worker.looked(now, attempt, found);
                false
            }
            _ => {
                _ = worker.stored(now, attempt, if draw.chance(50) { Err(message) } else { Ok(()) });
                false
            }
        };
        if ran {
            let ended = self.handlers.remove(&attempt.job);
            assert_eq!(ended, Some(attempt), "only a handler that runs is heard");
        }
    }

    fn poll(&mut self, draw: &mut Draw<'_, '_>) {
        // A driver may be slow.
        let mut left = if draw.chance(20) { draw.below(3) } else { usize::MAX };
        while left > 0
            && let Some(output) = self.worker.poll_output()
        {
            left -= 1;
            match output {
                WorkerOutput::Run { attempt } => {
                    let before = self.handlers.insert(attempt.job, attempt);
                    assert_eq!(before, None, "one handler of a job at a time");
                    self.attempts.push(attempt);
                }
                WorkerOutput::Fetch { attempt, .. }
                | WorkerOutput::Look { attempt, .. }
                | WorkerOutput::Store { attempt, .. } => self.attempts.push(attempt),
                WorkerOutput::Stop { attempt } => {
                    assert_eq!(self.handlers.get(&attempt.job), Some(&attempt), "only a handler that runs is stopped");
                }
                WorkerOutput::Publish { subject, bytes } => {
                    assert!(self.is_connected, "nothing is published without a bus");
                    let packet = assert_valid(&subject, &bytes, "worker");
                    if let Some(Payload::JobResult(result)) = packet.payload {
                        assert!(result.error_message.len() <= 200, "messages are bounded");
                    }
                }
                WorkerOutput::Event(WorkerEvent::Accepted { job }) => _ = self.live.insert(job),
                WorkerOutput::Event(WorkerEvent::Ended { job, .. }) => {
                    assert!(self.live.remove(&job), "a job ends once");
                }
                _ => {}
            }
        }
        let excess = self.attempts.len().saturating_sub(40);
        self.attempts.drain(..excess);
    }

    fn check(&mut self) {
        let limits = self.worker.config().limits;
        assert!(self.handlers.len() <= limits.parallel, "no more handlers than slots");
        assert!(self.worker.running() <= limits.parallel && self.worker.queued() <= limits.queued);
    }
}
