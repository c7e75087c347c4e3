//! The runtime alone: frames go in as text, and frames come out.

use std::hint::black_box;

use nuncio_core::arcp::{AgentSpec, Body, Config, ConnId, Event, JobKey, JobResult, Json, Output, Runtime, Via};
use nuncio_core::time::Time;

const START: Time = Time(1_795_219_200_000_000);

/// What the agent does with its jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agent {
    /// It emits so many events and returns a result.
    Ends(usize),
    /// It goes on.
    Stays,
}

/// A runtime, and a host that answers its questions at once.
struct Server {
    runtime: Runtime,
    /// The connection that frames come on.
    conn: ConnId,
    agent: Agent,
    /// The job that was started last.
    job: Option<JobKey>,
    /// The id of the job that was accepted last, if that is asked for.
    accepted: Option<String>,
    now: Time,
    resume: Option<(String, String)>,
    /// Bytes of the frames that were sent.
    sent: usize,
    /// The frames that were handed in, and that were sent.
    frames: usize,
}

impl Server {
    /// Returns a server with one session.
    fn new(agent: Agent) -> Server {
        Server::with(Config::default(), agent)
    }

    fn with(config: Config, agent: Agent) -> Server {
        let mut runtime = Runtime::new(config, [7; 32], START);
        runtime.register(AgentSpec::new("echo")).expect("the name is valid");
        let conn = runtime.handle_open(START, Via::Loopback);
        let mut server =
            Server { runtime, conn, agent, job: None, accepted: None, now: START, resume: None, sent: 0, frames: 0 };
        server.frame(HELLO);
        server
    }

    /// Opens another session, on a connection of its own, which frames come on from now.
    fn open(&mut self) -> ConnId {
        self.conn = self.runtime.handle_open(self.now, Via::Loopback);
        self.frame(HELLO);
        self.conn
    }

    /// Passes one frame to the runtime, and handles all that follows from it.
    fn frame(&mut self, text: &str) {
        self.now = self.now.plus_micros(10);
        self.frames += 1;
        self.runtime.handle_frame(self.now, self.conn, text.as_bytes());
        self.drain();
    }

    /// Handles outputs until there are none; what was sent makes room for more.
    fn drain(&mut self) {
        loop {
            let (mut to, mut sent) = (self.conn, 0);
            while let Some(output) = self.runtime.poll_output() {
                match output {
                    Output::Send { conn, frame, .. } => {
                        if conn != to {
                            self.runtime.handle_sent(self.now, to, sent);
                            (to, sent) = (conn, 0);
                        }
                        sent += 1;
                        self.sent += frame.len();
                        self.frames += 1;
                        self.remember(&frame);
                    }
                    Output::Close { reason, .. } => panic!("the connection is closed: {reason}"),
                    Output::Event { event, .. } => self.event(&event),
                    _ => {}
                }
            }
            self.runtime.handle_sent(self.now, to, sent);
            if sent == 0 {
                black_box(self.runtime.poll_timeout());
                return;
            }
        }
    }

    /// Remembers the session and the token of the first welcome, and the jobs that others will watch.
    fn remember(&mut self, frame: &[u8]) {
        if let Some(accepted) = &mut self.accepted {
            let frame: serde_json::Value = serde_json::from_slice(frame).expect("a frame is JSON");
            if frame["type"] == "job.accepted" {
                frame["payload"]["job_id"].as_str().expect("it is a text").clone_into(accepted);
            }
        }
        if self.resume.is_none() {
            let welcome: serde_json::Value = serde_json::from_slice(frame).expect("a frame is JSON");
            let text = |value: &serde_json::Value| value.as_str().expect("a welcome has it").to_owned();
            self.resume = Some((text(&welcome["session_id"]), text(&welcome["payload"]["resume_token"])));
        }
    }

    fn event(&mut self, event: &Event) {
        let now = self.now;
        match *event {
            Event::Authenticate { conn, .. } => self.runtime.admit(now, conn, "alice").expect("it was asked"),
            Event::Submitted { job, .. } => self.runtime.start(now, job, Vec::new()).expect("it was asked"),
            Event::Start { job } => {
                self.job = Some(job);
                if let Agent::Ends(events) = self.agent {
                    for _ in 0..events {
                        self.emit(job, &Body::log("info", "echo started", None));
                    }
                    let result = Json::from_string(r#"{"echoed":{"n":1}}"#.to_owned()).expect("it is JSON");
                    self.runtime.finish(now, job, JobResult::Inline(&result)).expect("the job runs");
                }
            }
            _ => {}
        }
    }

    fn emit(&mut self, job: JobKey, body: &Body) {
        self.runtime.emit(self.now, job, body).expect("the job runs, and the log has room");
    }
}

const HELLO: &str = r#"{"arcp":"1.1","id":"h","type":"session.hello","payload":{"client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t"},"capabilities":{"encodings":["json"],"features":["ack","heartbeat","list_jobs","subscribe"]}}}"#;

fn submit(number: usize, key: &str) -> String {
    format!(
        r#"{{"arcp":"1.1","id":"m{number}","type":"job.submit","payload":{{"agent":"echo","input":{{"n":1}}{key}}}}}"#
    )
}

fn ack(seq: usize) -> String {
    format!(r#"{{"arcp":"1.1","id":"a{seq}","type":"session.ack","payload":{{"last_processed_seq":{seq}}}}}"#)
}

/// Numbered frames of a job that a session is sent: that it runs, one of the agent, and its result.
const EVENTS: usize = 3;

/// Runs jobs of which a session is sent so many events: the first one says that the job runs, the others are the agent's.
/// Each is one frame in, its submit, and `events + 2` out.
pub(crate) fn frames(times: usize, events: usize) {
    let mut server = Server::new(Agent::Ends(events - 1));
    let before = server.frames;
    for number in 1..=times {
        server.frame(&submit(number, ""));
    }
    assert_eq!(server.frames - before, times * (events + 3), "each job has all of its frames");
}

pub(crate) fn jobs(times: usize) {
    let mut server = Server::new(Agent::Ends(1));
    for number in 1..=times {
        server.frame(&submit(number, ""));
        if number % 64 == 0 {
            server.frame(&ack(number * EVENTS));
        }
    }
    assert!(server.sent > times * 500, "jobs were accepted, and have ended");
}

pub(crate) fn keyed_jobs(times: usize) {
    let mut server = Server::new(Agent::Ends(1));
    for number in 1..=times {
        server.frame(&submit(number, &format!(r#","idempotency_key":"key-{number}""#)));
        if number % 64 == 0 {
            server.frame(&ack(number * EVENTS));
        }
    }
    assert!(server.sent > times * 500, "jobs were accepted, and have ended");
}

/// Returns a server with a job that goes on.
fn running() -> (Server, JobKey) {
    let mut server = Server::new(Agent::Stays);
    server.frame(&submit(1, ""));
    let job = server.job.expect("the job runs");
    (server, job)
}

fn emit(server: &mut Server, job: JobKey, times: usize, acked: bool) {
    let body = Body::log("info", &"x".repeat(300), None);
    for number in 1..=times {
        server.now = server.now.plus_micros(10);
        server.emit(job, &body);
        server.drain();
        if acked && number % 64 == 0 {
            server.frame(&ack(number));
        }
    }
}

pub(crate) fn events(times: usize) {
    let (mut server, job) = running();
    emit(&mut server, job, times, true);
    assert!(server.sent > times * 300, "each event was sent");
}

pub(crate) fn acks(times: usize) {
    let (mut server, job) = running();
    emit(&mut server, job, 100, false);
    let frames = [ack(99), ack(100)];
    for number in 0..times {
        server.frame(&frames[number % 2]);
    }
}

pub(crate) fn resumes(times: usize) {
    let (mut server, job) = running();
    emit(&mut server, job, 1_000, false);
    for number in 0..times {
        server.runtime.handle_close(server.now, server.conn);
        server.drain();
        let (session, token) = server.resume.take().expect("a welcome has come");
        server.conn = server.runtime.handle_open(server.now, Via::Loopback);
        let resume =
            format!(r#","resume":{{"session_id":"{session}","resume_token":"{token}","last_event_seq":0}}}}}}"#);
        let hello = HELLO.strip_suffix("}}").expect("the payload is last").to_owned() + &resume;
        let before = server.sent;
        server.frame(&hello);
        assert!(server.sent > before + 300_000, "resume {number} replays every event");
    }
}

/// Sessions that are busy, while the others only are there.
const BUSY: usize = 64;

/// Returns a server on which `live` sessions wait, each with a running job that has a deadline and an idempotency key, and a
/// subscription to the job of the session before it. `BUSY` more are to be used.
fn crowded(live: usize) -> (Server, Vec<ConnId>) {
    let mut config = Config::default();
    let limits = &mut config.limits;
    for limit in [
        &mut limits.connections,
        &mut limits.sessions,
        &mut limits.sessions_per_principal,
        &mut limits.jobs,
        &mut limits.jobs_per_principal,
        &mut limits.subscriptions,
        &mut limits.subscriptions_per_principal,
        &mut limits.idempotency_records,
        &mut limits.idempotency_records_per_principal,
        &mut limits.bytes,
        &mut limits.bytes_per_principal,
        &mut limits.input_bytes,
        &mut limits.input_bytes_per_principal,
        &mut limits.idempotency_bytes,
        &mut limits.idempotency_bytes_per_principal,
    ] {
        *limit = usize::MAX >> 1;
    }
    let mut server = Server::with(config, Agent::Stays);
    for number in 1..=live {
        let before = server.accepted.replace(String::new()).unwrap_or_default();
        server.open();
        server.frame(&submit(
            number,
            &format!(r#","idempotency_key":"kept-{number}","max_runtime_sec":{}"#, 600 + number),
        ));
        if number > 1 {
            server.frame(&format!(
                r#"{{"arcp":"1.1","id":"s","type":"job.subscribe","payload":{{"job_id":"{before}"}}}}"#
            ));
        }
    }
    assert_eq!(server.runtime.stats().jobs_running, live, "all of them are live");
    (server.agent, server.accepted) = (Agent::Ends(1), None);
    let busy = (0..BUSY).map(|_| server.open()).collect();
    (server, busy)
}

/// Runs keyed jobs with a deadline in 64 sessions in turn, while others are live.
pub(crate) fn busy(live: usize, times: usize) {
    let (mut server, busy) = crowded(live);
    let sent = server.sent;
    for number in 1..=times {
        server.conn = busy[number % BUSY];
        server.frame(&submit(number, &format!(r#","idempotency_key":"key-{number}","max_runtime_sec":600"#)));
        if number % 8 == 0 {
            server.frame(&ack(number.div_ceil(BUSY) * EVENTS));
        }
    }
    assert!(server.sent > sent + times * 500, "jobs were accepted, and have ended");
}
