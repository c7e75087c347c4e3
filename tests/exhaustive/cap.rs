//! All events in every order for one job of CAP: a client, a router and a worker, and a bus that loses and doubles packets.
//!
//! A state is a clone of the three machines, of the packets on their way, and of what the router has stored. From each state
//! every possible step is taken, up to a depth. At the end of each path no more faults occur, and the job must end on all
//! sides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, Authentication, Client, ClientConfig, ClientEvent, ClientJob, ClientOutput, ComponentId, Dispatch,
    JobOutput, JobRequest, JobStatus, PublicKey, Reading, Router, RouterConfig, RouterEvent, RouterJobState,
    RouterOutput, RouterRecord, Subject, Topic, Verifier, Worker, WorkerConfig, WorkerEvent, WorkerJob, WorkerJobState,
    WorkerOutput, WorkerRefused,
};
use nuncio_core::time::Time;

use crate::table::{Machine, Move, ways};

const START: Time = Time(1_779_000_000_000_000);
/// Faults in one path: packets that are lost or doubled, cuts and restarts.
const FAULTS: usize = 2;
/// Times that pass in one path.
const TIMES: usize = 2;

/// A step of the walk.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The oldest packet arrives.
    Deliver,
    /// The oldest packet is lost.
    Lose,
    /// The oldest packet arrives, and is still on its way.
    Double,
    /// The handler returns.
    Finish,
    /// The application cancels.
    Cancel,
    /// The router loses its connection, or has a new one.
    Router,
    /// The worker loses its connection, or has a new one.
    Worker,
    /// The client loses its connection, or has a new one.
    Client,
    /// The router is killed, and started again with its records.
    Restart,
    /// Time passes until the next deadline of anybody.
    Wait,
}

const STEPS: [Step; 10] = [
    Step::Deliver,
    Step::Lose,
    Step::Double,
    Step::Finish,
    Step::Cancel,
    Step::Router,
    Step::Worker,
    Step::Client,
    Step::Restart,
    Step::Wait,
];

/// Unsigned packets are not verified.
#[derive(Debug)]
struct Nothing;

impl Verifier for Nothing {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        false
    }
}

fn id(name: &str) -> ComponentId {
    ComponentId::new(name).unwrap()
}

fn reading() -> Reading {
    Reading::new(Authentication::Unsigned)
}

fn router_config(dispatch: Dispatch) -> RouterConfig {
    RouterConfig::new(id("router"), reading(), Arc::new(Nothing)).with(|config| {
        config.dispatch = dispatch;
        config.records = true;
    })
}

#[derive(Clone)]
struct World {
    dispatch: Dispatch,
    client: Client,
    router: Router,
    worker: Worker,
    now: Time,
    /// Whether client, router and worker are connected.
    is_up: [bool; 3],
    bus: VecDeque<(Subject, Bytes)>,
    records: Vec<(u64, RouterRecord)>,
    job: ClientJob,
    handlers: Vec<Attempt>,
    runs: usize,
    is_cancelled: bool,
    faults: usize,
    times: usize,
    /// Whether the router has said that it has accepted the job.
    is_accepted: bool,
    /// How the job has ended for the router, and for the client.
    ended: Option<JobStatus>,
    told: Option<JobStatus>,
    /// The job of the worker, if it has accepted the request, and where it was seen last.
    at_worker: Option<(WorkerJob, WorkerJobState)>,
    /// The states of the job that were seen one after the other.
    moves: BTreeSet<Move>,
}

impl World {
    fn new(dispatch: Dispatch) -> World {
        let config = ClientConfig::new(id("client"), reading(), Arc::new(Nothing));
        let mut client = Client::new(config.with(|config| config.await_retries = true), [1; 32], START);
        client.handle_connected(START);
        let mut router = Router::new(router_config(dispatch), [2; 32], START);
        router.handle_connected(START);
        let config = WorkerConfig::new(id("worker"), reading(), Arc::new(Nothing)).with(|config| {
            config.topics = [Topic::new("job.echo").unwrap()].into();
            config.check_stored = false;
        });
        let mut worker = Worker::new(config, [3; 32], START);
        worker.handle_connected(START);
        let request = JobRequest { job_id: "job".into(), topic: "job.echo".into(), ..JobRequest::default() };
        let job = client.submit(START, request, "trace", None).unwrap();
        let mut world = World {
            dispatch,
            client,
            router,
            worker,
            now: START,
            is_up: [true; 3],
            bus: VecDeque::new(),
            records: Vec::new(),
            job,
            handlers: Vec::new(),
            runs: 0,
            is_cancelled: false,
            faults: 0,
            times: 0,
            is_accepted: false,
            ended: None,
            told: None,
            at_worker: None,
            moves: BTreeSet::new(),
        };
        world.drain();
        world
    }

    /// The state of the job at the router.
    fn state(&self) -> Option<RouterJobState> {
        self.router.find_job("job").and_then(|job| self.router.job(job)).map(|view| view.state)
    }

    /// Notes where the worker's job has gone.
    fn observe_worker(&mut self) {
        let Some((job, before)) = self.at_worker else { return };
        let Some(after) = self.worker.job(job).map(|view| view.state) else { return };
        if after != before {
            self.moves.insert((Machine::Worker, format!("{before:?}"), format!("{after:?}")));
            self.at_worker = Some((job, after));
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Publish { subject, bytes } => self.bus.push_back((subject, bytes)),
                ClientOutput::Event(ClientEvent::Ended { result, .. }) => {
                    assert_eq!(self.told.replace(result.status), None, "spec/07: a client is told one result");
                }
                ClientOutput::Event(event) => {
                    let is_progress = matches!(event, ClientEvent::Progress { .. });
                    assert!(is_progress && self.told.is_none(), "spec/07: nothing follows the result: {event:?}");
                }
                ClientOutput::Subscribe { .. } => {}
            }
        }
        while let Some(output) = self.worker.poll_output() {
            match output {
                WorkerOutput::Publish { subject, bytes } => self.bus.push_back((subject, bytes)),
                WorkerOutput::Run { attempt } => {
                    self.runs += 1;
                    assert_eq!(self.runs, 1, "spec/09: a handler is called once, however often the request comes");
                    self.handlers.push(attempt);
                }
                WorkerOutput::Event(WorkerEvent::Accepted { job }) => {
                    self.at_worker = self.worker.job(job).map(|view| (job, view.state));
                }
                WorkerOutput::Store { attempt, .. } => {
                    self.observe_worker();
                    self.worker.stored(self.now, attempt, Ok(())).unwrap();
                }
                _ => {}
            }
            self.observe_worker();
        }
        self.observe_worker();
        while let Some(output) = self.router.poll_output() {
            match output {
                RouterOutput::Publish { subject, bytes } => self.bus.push_back((subject, bytes)),
                RouterOutput::Store { number, record } => {
                    self.records.push((number, record));
                    self.router.handle_stored(self.now, number);
                }
                RouterOutput::Event(RouterEvent::Accepted { .. }) => {
                    let is_stored = self.records.iter().any(|(_, record)| record.job_id() == "job");
                    assert!(is_stored, "ours: what is accepted is stored");
                    self.is_accepted = true;
                }
                RouterOutput::Event(RouterEvent::Ended { status, .. }) => {
                    assert_eq!(self.ended.replace(status), None, "spec/07: a job ends once");
                }
                _ => {}
            }
        }
    }

    /// Brings a packet to all who have subscribed to its subject and are connected.
    fn deliver(&mut self, subject: &Subject, bytes: &Bytes) {
        let [client, router, worker] = self.is_up;
        if router {
            self.router.handle_packet(self.now, subject, bytes, None);
        }
        if worker && matches!(subject, Subject::Topic(_) | Subject::Direct(_) | Subject::JobCancel) {
            self.worker.handle_packet(self.now, subject, bytes);
        }
        if client && matches!(subject, Subject::JobResult | Subject::JobProgress) {
            self.client.handle_packet(self.now, subject, bytes);
        }
    }

    fn fault(&mut self) -> bool {
        self.faults += 1;
        self.faults <= FAULTS
    }

    /// Takes a step; returns whether it was possible.
    fn step(&mut self, step: Step) -> bool {
        let before = self.state();
        let is_possible = self.take(step);
        if is_possible {
            self.drain();
            self.observe(before);
        }
        is_possible
    }

    fn take(&mut self, step: Step) -> bool {
        let now = self.now;
        match step {
            Step::Deliver => {
                let Some((subject, bytes)) = self.bus.pop_front() else { return false };
                self.deliver(&subject, &bytes);
            }
            Step::Lose => return self.bus.pop_front().is_some() && self.fault(),
            Step::Double => {
                let Some((subject, bytes)) = self.bus.front().cloned() else { return false };
                if !self.fault() {
                    return false;
                }
                self.deliver(&subject, &bytes);
            }
            Step::Finish => {
                let Some(attempt) = self.handlers.pop() else { return false };
                let output = JobOutput { bytes: Bytes::from_static(b"1"), ..JobOutput::default() };
                let answered = self.worker.finish(now, attempt, output);
                assert!(matches!(answered, Ok(()) | Err(WorkerRefused::Stale)), "{answered:?}");
            }
            Step::Cancel => {
                if std::mem::replace(&mut self.is_cancelled, true) || self.told.is_some() {
                    return false;
                }
                self.client.cancel(now, self.job, "enough").unwrap();
            }
            Step::Client | Step::Router | Step::Worker => {
                let who = usize::from(!matches!(step, Step::Client)) + usize::from(matches!(step, Step::Worker));
                if self.is_up[who] && !self.fault() {
                    return false;
                }
                self.is_up[who] = !self.is_up[who];
                match (step, self.is_up[who]) {
                    (Step::Client, true) => self.client.handle_connected(now),
                    (Step::Client, false) => self.client.handle_disconnected(now),
                    (Step::Router, true) => self.router.handle_connected(now),
                    (Step::Router, false) => self.router.handle_disconnected(now),
                    (_, true) => self.worker.handle_connected(now),
                    (_, false) => self.worker.handle_disconnected(now),
                }
            }
            Step::Restart => {
                if !self.fault() {
                    return false;
                }
                let records = self.records.iter().cloned();
                self.router = Router::restore(router_config(self.dispatch), [4; 32], now, records).unwrap();
                assert!(!self.is_accepted || self.state().is_some(), "ours: an accepted job outlives the router");
                if self.is_up[1] {
                    self.router.handle_connected(now);
                }
            }
            Step::Wait => {
                self.times += 1;
                if self.times > TIMES {
                    return false;
                }
                self.wait();
            }
        }
        true
    }

    /// Lets time pass until the next deadline of anybody.
    fn wait(&mut self) {
        let client = self.client.poll_timeout().map(|(at, _)| at);
        let worker = self.worker.poll_timeout().map(|(at, _)| at);
        let router = self.router.poll_timeout().map(|(at, _)| at);
        let next = [client, worker, router].into_iter().flatten().min();
        self.now = next.unwrap_or(self.now).max(self.now);
        self.client.handle_timeout(self.now);
        self.worker.handle_timeout(self.now);
        self.router.handle_timeout(self.now);
    }

    /// A state that is a last one is never left, and it is the one that was told.
    fn observe(&mut self, before: Option<RouterJobState>) {
        let after = self.state();
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            assert!(!before.is_terminal(), "spec/07: a last state is left: {before:?} and then {after:?}");
            self.moves.insert((Machine::Router, format!("{before:?}"), format!("{after:?}")));
        }
        if let Some(ended) = self.ended {
            assert_eq!(after.map(RouterJobState::status), Some(ended), "spec/07: the job ends as it was told");
        }
    }

    /// Lets everything arrive and the handler return, without further faults.
    fn converge(mut self, path: &[Step], moves: &mut BTreeSet<Move>) {
        let is_faultless = self.faults == 0;
        for who in [Step::Router, Step::Worker, Step::Client] {
            let at = usize::from(!matches!(who, Step::Client)) + usize::from(matches!(who, Step::Worker));
            if !self.is_up[at] {
                assert!(self.step(who));
            }
        }
        for _ in 0..2_000 {
            if self.step(Step::Deliver) || self.step(Step::Finish) {
                continue;
            }
            if self.told.is_some() && self.ended.is_some() {
                break;
            }
            let before = self.state();
            self.wait();
            self.drain();
            self.observe(before);
        }
        assert!(self.told.is_some(), "ours: the client learns the result: {path:?}");
        assert!(self.ended.is_some(), "ours: the job ends at the router: {path:?}");
        if is_faultless {
            assert_eq!(self.told, self.ended, "spec/07: all sides agree: {path:?}");
        }
        moves.extend(self.moves);
    }
}

/// Walks every path up to a depth; returns the number of paths.
fn walk(world: &World, path: &mut Vec<Step>, depth: usize, moves: &mut BTreeSet<Move>) -> u64 {
    let mut count = 0;
    if depth > 0 {
        for step in STEPS {
            let mut next = world.clone();
            path.push(step);
            if next.step(step) {
                count += walk(&next, path, depth - 1, moves);
            }
            path.pop();
        }
    }
    if count == 0 {
        world.clone().converge(path, moves);
        count = 1;
    }
    count
}

/// Walks every path from the state after some steps, and prints how the job has moved. Returns the number of paths, and the
/// transitions that were taken.
fn explore(dispatch: Dispatch, steps: &[Step], depth: usize) -> (u64, BTreeMap<Machine, BTreeSet<&'static str>>) {
    let mut world = World::new(dispatch);
    for step in steps {
        assert!(world.step(*step), "{step:?}");
    }
    let mut moves = BTreeSet::new();
    let count = walk(&world, &mut Vec::new(), depth, &mut moves);
    let taken = ways(&moves);
    println!("{count} paths, by {taken:?}");
    (count, taken)
}

/// What a job does at its worker, whose handler returns once.
const AT_WORKER: &[&str] = &["end", "stop", "stopped", "store"];

/// Asserts that a walk has taken many paths, and these transitions.
#[track_caller]
fn assert_walked((count, taken): (u64, BTreeMap<Machine, BTreeSet<&'static str>>), at_router: &[&str]) {
    assert!(count > 1_000, "{count}");
    let of = |machine| taken[&machine].iter().copied().collect::<Vec<_>>();
    assert_eq!((of(Machine::Router), of(Machine::Worker)), (at_router.to_vec(), AT_WORKER.to_vec()));
}

#[test]
fn every_order_from_the_submission_of_a_job() {
    let walked = explore(Dispatch::Queue, &[], 4);
    assert_walked(walked, &["cancel", "dispatch", "pause", "run", "stop", "succeed"]);
}

#[test]
fn every_order_from_the_submission_if_the_router_chooses_the_worker() {
    let walked = explore(Dispatch::LeastLoaded, &[], 4);
    assert_walked(walked, &["cancel", "dispatch", "fail", "pause", "run", "stop", "succeed"]);
}

#[test]
fn every_order_from_a_job_that_runs() {
    // The submission, the announcement of the worker, and the request.
    let walked = explore(Dispatch::Queue, &[Step::Deliver; 4], 5);
    assert_walked(walked, &["cancel", "dispatch", "pause", "run", "stop", "succeed"]);
}
