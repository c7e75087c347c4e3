//! The runtime alone: frames go in as text, and frames come out.

use nuncio_core::arcp::{AgentSpec, Body, Config, ConnId, Event, JobKey, JobResult, Json, Output, Runtime, Via};
use nuncio_core::time::Time;

const START: Time = Time(1_795_219_200_000_000);

/// What the agent does with its jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agent {
    /// It emits one event and returns a result.
    Ends,
    /// It goes on.
    Stays,
}

/// A runtime with one connection, and a host that answers its questions at once.
struct Server {
    runtime: Runtime,
    conn: ConnId,
    agent: Agent,
    job: Option<JobKey>,
    now: Time,
    resume: Option<(String, String)>,
    /// Bytes of the frames that were sent.
    sent: usize,
}

impl Server {
    fn new(agent: Agent) -> Server {
        let mut runtime = Runtime::new(Config::default(), [7; 32], START);
        runtime.register(AgentSpec::new("echo")).expect("the name is valid");
        let conn = runtime.handle_open(START, Via::Loopback);
        let mut server = Server { runtime, conn, agent, job: None, now: START, resume: None, sent: 0 };
        server.frame(HELLO);
        server
    }

    /// Passes one frame to the runtime, and handles all that follows from it.
    fn frame(&mut self, text: &str) {
        self.now = self.now.plus_micros(10);
        self.runtime.handle_frame(self.now, self.conn, text.as_bytes());
        self.drain();
    }

    /// Handles outputs until there are none; what was sent makes room for more.
    fn drain(&mut self) {
        loop {
            let mut sent = 0;
            while let Some(output) = self.runtime.poll_output() {
                match output {
                    Output::Send { frame, .. } => {
                        sent += 1;
                        self.sent += frame.len();
                        self.remember(&frame);
                    }
                    Output::Close { reason, .. } => panic!("the connection is closed: {reason}"),
                    Output::Event { event, .. } => self.event(&event),
                    _ => {}
                }
            }
            self.runtime.handle_sent(self.now, self.conn, sent);
            if sent == 0 {
                return;
            }
        }
    }

    /// Remembers the session and the token of a welcome.
    fn remember(&mut self, frame: &[u8]) {
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
                if self.agent == Agent::Ends {
                    self.emit(job, &Body::log("info", "echo started", None));
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

/// Events of a job that a session is sent: one in the log, and its result.
const EVENTS: usize = 2;

pub(crate) fn jobs(times: usize) {
    let mut server = Server::new(Agent::Ends);
    for number in 1..=times {
        server.frame(&submit(number, ""));
        if number % 64 == 0 {
            server.frame(&ack(number * EVENTS));
        }
    }
    assert!(server.sent > times * 500, "jobs were accepted, and have ended");
}

pub(crate) fn keyed_jobs(times: usize) {
    let mut server = Server::new(Agent::Ends);
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
