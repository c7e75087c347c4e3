//! A client, a router and two workers on a bus that loses, doubles and reorders packets, while the router is restarted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, Authentication, Client, ClientConfig, ClientEvent, ClientOutput, ComponentId, Dispatch, ErrorCode,
    FailureKind, Fetched, JobFailure, JobRequest, JobStatus, Reading, Router, RouterConfig, RouterOutput, RouterRecord,
    Subject, Topic, Worker, WorkerConfig, WorkerOutput,
};
use nuncio_core::time::Time;
use proptest::prelude::*;

use super::support::{NoVerifier, START, config};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faults {
    None,
    /// Packets are doubled and reordered.
    Disorder,
    /// Packets are also lost.
    Loss,
}

/// One whose packets come from the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Client,
    Router,
    Worker(usize),
}

struct World {
    client: Client,
    router: Router,
    workers: [Worker; 2],
    now: Time,
    random: u64,
    faults: Faults,
    bus: VecDeque<(Peer, Subject, Bytes)>,
    /// What is durable.
    records: BTreeMap<u64, RouterRecord>,
    blobs: BTreeMap<String, Bytes>,
    handlers: Vec<(usize, Attempt)>,
    /// How often handlers were called: by worker, by job, and by the attempt that the request names, or 0.
    runs: BTreeMap<(usize, String, u64), u32>,
    /// How many workers get jobs.
    pool: usize,
    /// How often the handler of each job fails in a way that can be tried again, before it ends as the job has to.
    fails: u32,
    ended: BTreeMap<String, JobStatus>,
    ids: Vec<String>,
}

fn reading() -> Reading {
    Reading::new(Authentication::Unsigned)
}

fn id(text: &str) -> ComponentId {
    ComponentId::new(text).unwrap()
}

fn router_config(dispatch: Dispatch) -> RouterConfig {
    config().with(|config| {
        config.records = true;
        config.dispatch = dispatch;
        // A bus that is bad for long enough makes every bounded number of attempts fail.
        (config.redispatches, config.retries) = (1_000, 1_000);
    })
}

impl World {
    fn new(seed: u64, faults: Faults, dispatch: Dispatch) -> World {
        World::with(seed, faults, router_config(dispatch))
    }

    fn with(seed: u64, faults: Faults, router: RouterConfig) -> World {
        let client = ClientConfig::new(id("c"), reading(), Arc::new(NoVerifier)).with(|config| {
            (config.resubmissions, config.await_retries) = (1_000, true);
        });
        let worker = |name: &str| {
            let config = WorkerConfig::new(id(name), reading(), Arc::new(NoVerifier)).with(|config| {
                config.topics.insert(Topic::new("job.echo").unwrap());
                config.limits.parallel = 2;
            });
            Worker::new(config, [2; 32], START)
        };
        let mut world = World {
            client: Client::new(client, [1; 32], START),
            router: Router::new(router, [3; 32], START),
            workers: [worker("a"), worker("b")],
            now: START,
            random: seed | 1,
            faults,
            bus: VecDeque::new(),
            records: BTreeMap::new(),
            blobs: BTreeMap::new(),
            handlers: Vec::new(),
            runs: BTreeMap::new(),
            pool: 2,
            fails: 0,
            ended: BTreeMap::new(),
            ids: Vec::new(),
        };
        world.router.handle_connected(START);
        world.client.handle_connected(START);
        for worker in &mut world.workers {
            worker.handle_connected(START);
        }
        world
    }

    /// A world in which only one worker gets jobs.
    fn of_one(seed: u64, router: RouterConfig, fails: u32) -> World {
        let mut world = World::with(seed, Faults::Disorder, router);
        world.workers[1].drain(START);
        World { pool: 1, fails, ..world }
    }

    /// Returns a number below a bound (xorshift).
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % u64::try_from(bound).unwrap()).unwrap()
    }

    fn receivers(&mut self, subject: &Subject) -> Vec<Peer> {
        match subject {
            Subject::JobSubmit | Subject::Heartbeat | Subject::Handshake => vec![Peer::Router],
            Subject::JobResult | Subject::JobProgress => vec![Peer::Client, Peer::Router],
            Subject::JobCancel => vec![Peer::Router, Peer::Worker(0), Peer::Worker(1)],
            Subject::Topic(_) => vec![Peer::Worker(self.below(self.pool))],
            Subject::Direct(worker) => vec![Peer::Worker(usize::from(worker.as_str() == "b"))],
            _ => vec![],
        }
    }

    fn publish(&mut self, subject: &Subject, bytes: &Bytes) {
        for peer in self.receivers(subject) {
            let copies = match (self.faults, self.below(8)) {
                (Faults::Loss, 0 | 1) => 0,
                (Faults::Loss | Faults::Disorder, 2) => 2,
                _ => 1,
            };
            for _ in 0..copies {
                self.bus.push_back((peer, subject.clone(), bytes.clone()));
            }
        }
    }

    /// Acts on all outputs.
    fn act(&mut self) {
        loop {
            if let Some(output) = self.client.poll_output() {
                match output {
                    ClientOutput::Publish { subject, bytes } => self.publish(&subject, &bytes),
                    ClientOutput::Event(ClientEvent::Ended { result, .. }) => {
                        assert_eq!(self.ended.insert(result.job_id, result.status), None, "a job ends once");
                    }
                    ClientOutput::Event(ClientEvent::Refused { reason, .. }) => panic!("{reason}"),
                    ClientOutput::Subscribe { .. } | ClientOutput::Event(_) => {}
                }
            } else if let Some(output) = self.router.poll_output() {
                match output {
                    RouterOutput::Publish { subject, bytes } => self.publish(&subject, &bytes),
                    RouterOutput::Store { number, record } => {
                        self.records.insert(number, record);
                        self.router.handle_stored(self.now, number);
                    }
                    RouterOutput::Subscribe { .. }
                    | RouterOutput::Reply { .. }
                    | RouterOutput::Acknowledge { .. }
                    | RouterOutput::Event(_) => {}
                }
            } else if !self.act_of_workers() {
                return;
            }
        }
    }

    fn act_of_workers(&mut self) -> bool {
        for which in 0..2 {
            let Some(output) = self.workers[which].poll_output() else { continue };
            match output {
                WorkerOutput::Publish { subject, bytes } => self.publish(&subject, &bytes),
                WorkerOutput::Run { attempt } => {
                    let request = self.workers[which].job(attempt.job).unwrap().request.unwrap().clone();
                    let number = request.dispatch.map_or(0, |dispatch| dispatch.attempt);
                    *self.runs.entry((which, request.job_id, number)).or_default() += 1;
                    self.handlers.push((which, attempt));
                }
                WorkerOutput::Look { attempt, pointer } => {
                    let found = self.blobs.get(&pointer.to_string()).cloned();
                    _ = self.workers[which].looked(self.now, attempt, found.map_or(Fetched::Missing, Fetched::Found));
                }
                WorkerOutput::Store { attempt, pointer, output, .. } => {
                    self.blobs.insert(pointer.to_string(), output);
                    _ = self.workers[which].stored(self.now, attempt, Ok(()));
                }
                _ => {}
            }
            return true;
        }
        false
    }

    /// Delivers one packet, ends one handler, or lets time pass if nothing else is left.
    fn step(&mut self) {
        if !self.handlers.is_empty() && self.below(4) == 0 {
            let at = self.below(self.handlers.len());
            let (which, attempt) = self.handlers.swap_remove(at);
            self.end_handler(which, attempt);
        } else if self.bus.is_empty() {
            self.now = self.now.plus_millis(2_500);
            self.client.handle_timeout(self.now);
            self.router.handle_timeout(self.now);
            for worker in &mut self.workers {
                worker.handle_timeout(self.now);
            }
        } else {
            let at = if self.faults == Faults::None { 0 } else { self.below(self.bus.len()) };
            let (peer, subject, bytes) = self.bus.remove(at).unwrap();
            match peer {
                Peer::Client => self.client.handle_packet(self.now, &subject, &bytes),
                Peer::Router => self.router.handle_packet(self.now, &subject, &bytes, None),
                Peer::Worker(which) => self.workers[which].handle_packet(self.now, &subject, &bytes),
            }
        }
        self.act();
    }

    /// A handler ends as its job has to.
    fn end_handler(&mut self, which: usize, attempt: Attempt) {
        let request = self.workers[which].job(attempt.job).and_then(|job| job.request);
        let id = request.map(|request| request.job_id.clone()).unwrap_or_default();
        let is_early = self.runs_of(&id) <= self.fails;
        let worker = &mut self.workers[which];
        let answer = if is_early || is_doomed(&id) {
            let kind = if is_early { FailureKind::Retryable } else { FailureKind::Fatal };
            worker.fail(self.now, attempt, JobFailure { kind, code: ErrorCode::UNSPECIFIED, message: "no".into() })
        } else {
            worker.finish(self.now, attempt, Bytes::from_static(b"out"))
        };
        answer.unwrap();
    }

    /// How often the handler of a job was called.
    fn runs_of(&self, id: &str) -> u32 {
        self.runs.iter().filter(|((_, job, _), _)| job == id).map(|(_, runs)| runs).sum()
    }

    fn submit(&mut self) -> nuncio_core::cap::ClientJob {
        let id = format!("j{}", self.ids.len());
        let request = JobRequest { job_id: id.clone(), topic: "job.echo".into(), ..JobRequest::default() };
        self.ids.push(id);
        let job = self.client.submit(self.now, request, "", None).unwrap();
        self.act();
        job
    }

    /// Kills the router, and starts another one from what is durable.
    fn restart(&mut self) {
        let config = self.router.config().clone();
        let records = self.records.iter().map(|(number, record)| (*number, record.clone()));
        self.router = Router::restore(config, [4; 32], self.now, records).unwrap();
        self.router.handle_connected(self.now);
        self.act();
    }

    /// Goes on without faults until the client has all results, and checks that all agree.
    fn heal(&mut self) {
        self.faults = Faults::None;
        for _ in 0..20_000 {
            if self.ended.len() == self.ids.len() && self.router.live() == 0 {
                break;
            }
            self.step();
        }
        assert_eq!(self.ended.len(), self.ids.len(), "{:?} of {:?}", self.ended, self.ids);
        for id in &self.ids {
            let job = self.router.job(self.router.find_job(id).unwrap()).unwrap();
            assert_eq!(job.state.status(), self.ended[id], "{id}");
        }
        let is_once = |(_, _, attempt): &(usize, String, u64)| *attempt > 0 || self.fails == 0;
        let twice = self.runs.iter().find(|(run, times)| is_once(run) && **times > 1);
        assert_eq!(twice, None, "a worker runs an attempt of a job once");
    }
}

/// Whether the handler of a job fails for good.
fn is_doomed(id: &str) -> bool {
    id.ends_with(['0', '3'])
}

fn expected(id: &str) -> JobStatus {
    if is_doomed(id) { JobStatus::FAILED_FATAL } else { JobStatus::SUCCEEDED }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_sides_agree_on_how_each_job_has_ended(seed: u64, loss: bool, queue: bool, restarts in 0..4_usize) {
        let faults = if loss { Faults::Loss } else { Faults::Disorder };
        let dispatch = if queue { Dispatch::Queue } else { Dispatch::LeastLoaded };
        let mut world = World::new(seed, faults, dispatch);
        for round in 0..6 {
            world.submit();
            for _ in 0..world.below(60) {
                world.step();
            }
            if round < restarts {
                world.restart();
            }
        }
        world.heal();
        for (id, status) in &world.ended {
            prop_assert_eq!(*status, expected(id));
        }
    }

    #[test]
    fn s7_a_handler_that_fails_retryably_is_called_once_for_each_attempt_on_a_pool_of_one_worker(
        seed: u64,
        queue: bool,
        resign: bool,
        fails in 0..4_u32,
    ) {
        let dispatch = if queue { Dispatch::Queue } else { Dispatch::LeastLoaded };
        let mut world = World::of_one(seed, router_config(dispatch).with(|config| config.resign = resign), fails);
        for _ in 0..4 {
            world.submit();
            for _ in 0..world.below(60) {
                world.step();
            }
        }
        world.heal();
        for id in world.ids.clone() {
            prop_assert_eq!(world.ended[&id], expected(&id));
            prop_assert_eq!(world.runs_of(&id), fails + 1, "{} of {:?}", id, world.runs);
        }
    }

    #[test]
    fn all_sides_agree_on_cancelled_jobs(seed: u64, queue: bool) {
        let dispatch = if queue { Dispatch::Queue } else { Dispatch::LeastLoaded };
        let mut world = World::new(seed, Faults::Disorder, dispatch);
        for _ in 0..6 {
            let job = world.submit();
            for _ in 0..world.below(30) {
                world.step();
            }
            _ = world.client.cancel(world.now, job, "enough");
            world.act();
        }
        world.heal();
        for (id, status) in &world.ended {
            prop_assert!([expected(id), JobStatus::CANCELLED].contains(status));
        }
    }
}
