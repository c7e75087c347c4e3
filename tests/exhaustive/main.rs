//! All events in every order in a small world: one client, one job, at most two cuts.
//!
//! A state is a clone of both machines and of the wire between them. From each state every possible step is taken, up
//! to a depth. At the end of each path no more faults occur, and everything must arrive.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod cap;
mod features;
mod questions;
mod table;

use std::collections::VecDeque;

use bytes::Bytes;
use nuncio_core::arcp::client::SubmitArgs;
use nuncio_core::arcp::{
    AgentSpec, Body, Client, ClientConfig, ClientEvent, ClientOutput, Config, ConnId, Event, FinalStatus, JobKey,
    JobResult, Json, Output, Runtime, Secret, Via,
};
use nuncio_core::time::Time;

const NOW: Time = Time(1_779_000_000_000_000);
const CUTS: usize = 2;
const EVENTS: usize = 2;

/// A step of the walk.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The oldest frame of the client arrives.
    Up,
    /// The oldest frame of the runtime arrives.
    Down,
    /// The client's end of the transport breaks; the runtime notices with `CutRuntime`.
    CutClient,
    /// The runtime's end of the transport breaks.
    CutRuntime,
    /// A disconnected client connects again; the runtime may not have noticed the cut.
    Connect,
    /// The agent emits.
    Emit,
    /// The agent ends with a result.
    Finish,
    /// The application cancels.
    Cancel,
}

const STEPS: [Step; 8] =
    [Step::Up, Step::Down, Step::CutClient, Step::CutRuntime, Step::Connect, Step::Emit, Step::Finish, Step::Cancel];

#[derive(Clone)]
struct World {
    runtime: Runtime,
    client: Client,
    handle: nuncio_core::arcp::client::HandleId,
    /// The connection of the client's transport, if it is connected.
    conn: Option<ConnId>,
    /// The last connection whose end the runtime was not told of.
    open: Option<ConnId>,
    up: VecDeque<Bytes>,
    down: VecDeque<Bytes>,
    cuts: usize,
    job: Option<JobKey>,
    starts: usize,
    emitted: usize,
    ended: Option<FinalStatus>,
    cancelled: bool,
    /// The texts of the thoughts that the application received.
    thoughts: Vec<String>,
    outcome: Option<FinalStatus>,
}

impl World {
    fn new() -> World {
        let mut runtime = Runtime::new(Config::default(), [1; 32], NOW);
        runtime.register(AgentSpec::new("echo")).unwrap();
        let mut client = Client::new(ClientConfig::new(Secret::new("t")), [2; 32], NOW);
        let handle = client.submit(NOW, &SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() }).unwrap();
        let conn = runtime.handle_open(NOW, Via::Memory);
        client.handle_open(NOW);
        let mut world = World {
            runtime,
            client,
            handle,
            conn: Some(conn),
            open: Some(conn),
            up: VecDeque::new(),
            down: VecDeque::new(),
            cuts: 0,
            job: None,
            starts: 0,
            emitted: 0,
            ended: None,
            cancelled: false,
            thoughts: Vec::new(),
            outcome: None,
        };
        world.drain();
        world
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Send(frame) => {
                    self.up.push_back(frame);
                    self.client.handle_sent(NOW, 1);
                }
                ClientOutput::Event(event) => self.observe(event),
                ClientOutput::CloseTransport { .. } => self.drop_transport(),
                ClientOutput::Connect { .. } | ClientOutput::Reading => {}
            }
        }
        while let Some(output) = self.runtime.poll_output() {
            match output {
                Output::Send { conn, frame, .. } => {
                    if self.conn == Some(conn) {
                        self.down.push_back(frame);
                    }
                    self.runtime.handle_sent(NOW, conn, 1);
                }
                Output::Event { event: Event::Authenticate { conn, .. }, .. } => {
                    self.runtime.admit(NOW, conn, "alice").unwrap();
                }
                Output::Event { event: Event::Submitted { job, .. }, .. } => {
                    self.runtime.start(NOW, job, Vec::new()).unwrap();
                }
                Output::Event { event: Event::Start { job }, .. } => {
                    self.job = Some(job);
                    self.starts += 1;
                    assert_eq!(self.starts, 1, "§7.2: the job runs once, however often it is submitted");
                }
                Output::Event { event: Event::Ended { status, .. }, .. } => {
                    assert_eq!(self.ended.replace(status), None, "§7.3: a job ends once");
                }
                _ => {}
            }
        }
    }

    fn observe(&mut self, event: ClientEvent) {
        self.client.handle_taken(NOW, 1);
        match event {
            ClientEvent::Job(event) if event.kind.as_str() == "thought" => {
                assert_eq!(self.outcome, None, "§7.3: nothing follows a terminal");
                self.thoughts.push(event.body.as_str().to_owned());
            }
            ClientEvent::Terminal { outcome, .. } => {
                assert!(self.outcome.replace(outcome.status).is_none(), "§7.3: a job has one terminal");
            }
            ClientEvent::Gap { .. } | ClientEvent::Closed(_) | ClientEvent::RequestFailed { .. } => panic!("{event:?}"),
            _ => {}
        }
    }

    /// Drops both directions of the client's transport.
    fn drop_transport(&mut self) {
        self.conn = None;
        self.up.clear();
        self.down.clear();
    }

    /// Takes a step; returns whether it was possible.
    fn step(&mut self, step: Step) -> bool {
        match (step, self.conn, self.job) {
            (Step::Up, Some(conn), _) => {
                let Some(frame) = self.up.pop_front() else { return false };
                self.runtime.handle_frame(NOW, conn, &frame);
            }
            (Step::Down, Some(_), _) => {
                let Some(frame) = self.down.pop_front() else { return false };
                self.client.handle_frame(NOW, &frame);
            }
            (Step::CutClient, Some(_), _) if self.cuts < CUTS => {
                self.cuts += 1;
                self.drop_transport();
                self.client.handle_close(NOW);
            }
            (Step::CutRuntime, None, _) => {
                let Some(conn) = self.open.take() else { return false };
                self.runtime.handle_close(NOW, conn);
            }
            (Step::Connect, None, _) => {
                let conn = self.runtime.handle_open(NOW, Via::Memory);
                (self.conn, self.open) = (Some(conn), Some(conn));
                self.client.handle_open(NOW);
            }
            (Step::Emit, _, Some(job)) if self.emitted < EVENTS && self.ended.is_none() => {
                self.runtime.emit(NOW, job, &Body::thought(&self.emitted.to_string())).unwrap();
                self.emitted += 1;
            }
            (Step::Finish, _, Some(job)) if self.ended.is_none() => {
                let one = Json::from_string("1".to_owned()).unwrap();
                self.runtime.finish(NOW, job, JobResult::Inline(&one)).unwrap();
            }
            (Step::Cancel, _, _) if !self.cancelled && self.outcome.is_none() => {
                self.cancelled = true;
                self.client.cancel(NOW, self.handle, None).unwrap();
            }
            _ => return false,
        }
        self.drain();
        true
    }

    /// Lets everything arrive and the agent end, without further faults: each event arrives once and in order.
    fn converge(mut self, path: &[Step]) {
        for _ in 0..200 {
            let moved = [Step::Connect, Step::Up, Step::Down].into_iter().any(|step| self.step(step));
            if !moved && !self.step(Step::Finish) {
                break;
            }
        }
        assert_eq!(self.outcome, self.ended, "ours, the client learns the outcome: {path:?}");
        assert!(self.outcome.is_some(), "ours, the job ends: {path:?}");
        let expected: Vec<String> = (0..self.emitted).map(|n| format!("{{\"text\":\"{n}\"}}")).collect();
        assert_eq!(self.thoughts, expected, "§8.3, no event is lost or repeated: {path:?}");
    }
}

/// Walks every path up to a depth; returns the number of paths.
fn walk(world: &World, path: &mut Vec<Step>, depth: usize) -> u64 {
    if depth == 0 {
        world.clone().converge(path);
        return 1;
    }
    let mut count = 0;
    for step in STEPS {
        let mut next = world.clone();
        path.push(step);
        if next.step(step) {
            count += walk(&next, path, depth - 1);
        }
        path.pop();
    }
    if count == 0 {
        world.clone().converge(path);
        count = 1;
    }
    count
}

/// Returns the state after these steps.
fn after(steps: &[Step]) -> World {
    let mut world = World::new();
    for step in steps {
        assert!(world.step(*step), "{step:?}");
    }
    world
}

#[test]
fn every_order_from_the_hello() {
    assert!(walk(&World::new(), &mut Vec::new(), 8) > 1_000);
}

#[test]
fn every_order_from_the_submit() {
    // After the hello and the welcome, the submit is on its way.
    assert!(walk(&after(&[Step::Up, Step::Down]), &mut Vec::new(), 7) > 1_000);
}

#[test]
fn every_order_from_a_running_job() {
    assert!(walk(&after(&[Step::Up, Step::Down, Step::Up]), &mut Vec::new(), 7) > 1_000);
}

#[test]
fn every_order_from_a_resume() {
    let steps = [Step::Up, Step::Down, Step::Up, Step::Emit, Step::CutClient, Step::Connect, Step::Up];
    assert!(walk(&after(&steps), &mut Vec::new(), 7) > 1_000);
}
