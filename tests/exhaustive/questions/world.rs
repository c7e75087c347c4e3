//! The world of one job and its question: the agent, the people who answer, time, and a restart.

use std::time::Duration;

use nuncio_core::arcp::{
    AgentSpec, Answer, Config, ConnId, Denied, Event, JobKey, JobResult, JobState, JobUlid, Journaling, Json,
    OnRestart, Output, Question, QuestionId, Record, Refused, Runtime, Via,
};
use nuncio_core::lease::{Lease, Operation};
use nuncio_core::time::Time;
use serde_json::{Value, json};

const START: Time = Time(1_779_000_000_000_000);

/// What an agent asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A question with a deadline and a default.
    Default,
    /// A question with a deadline alone.
    Deadline,
    /// Whether it may do an operation.
    Approval,
}

/// An input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The agent asks, or asks for an approval.
    Ask,
    /// The agent does the operation if it is allowed.
    Do,
    /// The principal that has submitted the job answers with the first choice.
    Alice,
    /// An approver answers with the second choice.
    Bob,
    /// An approver answers with what is no choice.
    Unfit,
    /// One answers that sees the job, and may not answer.
    Operator,
    /// One answers that does not see the job.
    Stranger,
    /// The agent ends.
    Finish,
    /// The submitter cancels.
    Cancel,
    /// Time passes until something changes.
    Wait,
    /// The runtime is killed, and started again with its records. Another job has the slot of the agent then.
    Restart,
    /// The slot is free.
    Free,
}

pub(super) const STEPS: [Step; 12] = [
    Step::Ask,
    Step::Do,
    Step::Alice,
    Step::Bob,
    Step::Unfit,
    Step::Operator,
    Step::Stranger,
    Step::Finish,
    Step::Cancel,
    Step::Wait,
    Step::Restart,
    Step::Free,
];

/// The principals, each with a session, and with the token of the same name.
const PEOPLE: [&str; 4] = ["alice", "bob", "olga", "mallory"];

/// A state of the job and of its question.
pub(super) type Place = (String, String);
fn config() -> Config {
    Config::default().with(|config| {
        config.journal = Journaling::Kept;
        config.approvers = ["bob".to_owned()].into();
        config.operators = ["olga".to_owned()].into();
        config.ask_first = Lease::parse(r#"{"tool.call":["pay"]}"#).unwrap();
        config.approval_timeout = Duration::from_secs(10);
    })
}

fn agent(slots: u32) -> AgentSpec {
    AgentSpec { max_concurrent: Some(slots), on_restart: OnRestart::Rerun, ..AgentSpec::new("agent") }
}

fn pay() -> Operation {
    Operation::new("tool.call", "pay").unwrap()
}

/// Describes a refusal of the host in a few words.
fn refused(refused: &Refused) -> String {
    format!("{refused:?}")
}

#[derive(Clone)]
pub(super) struct World {
    kind: Kind,
    runtime: Runtime,
    now: Time,
    records: Vec<(u64, Record)>,
    conns: Vec<ConnId>,
    /// The resume token and the last number of alice's session.
    token: (String, String, u64),
    /// What the people were sent since the last input, and what the host was told.
    frames: Vec<Value>,
    told: Vec<Answer>,
    job: JobUlid,
    other: JobUlid,
    /// The state of the question, as the events of the job describe it.
    question: String,
    is_other_live: bool,
    restarts: usize,
    requests: usize,
}

impl World {
    pub(super) fn new(kind: Kind) -> World {
        let mut runtime = Runtime::new(config(), [1; 32], START);
        runtime.register(agent(2)).unwrap();
        let mut world = World {
            kind,
            runtime,
            now: START,
            records: Vec::new(),
            conns: Vec::new(),
            token: Default::default(),
            frames: Vec::new(),
            told: Vec::new(),
            job: JobUlid::parse("job_00000000000000000000000000").unwrap(),
            other: JobUlid::parse("job_00000000000000000000000000").unwrap(),
            question: "None".to_owned(),
            is_other_live: true,
            restarts: 0,
            requests: 0,
        };
        world.connect();
        world.other = world.submit(&json!({"agent": "agent"}));
        let lease = json!({"tool.call": ["pay"]});
        world.job = world.submit(&json!({"agent": "agent", "lease_request": lease, "max_runtime_sec": 25}));
        world
    }

    /// Opens a connection for each of the people. Alice resumes her session, if she has one.
    fn connect(&mut self) {
        self.conns.clear();
        for who in PEOPLE {
            let conn = self.runtime.handle_open(self.now, Via::Memory);
            self.conns.push(conn);
            let mut hello = json!({"client": {"name": "x", "version": "1"}, "auth": {"scheme": "bearer", "token": who},
                "capabilities": {"features": ["subscribe"]}});
            let (session, token, last) = &self.token;
            if who == "alice" && !session.is_empty() {
                hello["resume"] = json!({"session_id": session, "resume_token": token, "last_event_seq": last});
            }
            self.send(conn, "session.hello", &hello);
        }
    }

    fn submit(&mut self, payload: &Value) -> JobUlid {
        self.send(self.conns[0], "job.submit", payload);
        let accepted = self.frames.iter().find(|frame| frame["type"] == "job.accepted").unwrap();
        let id = JobUlid::parse(accepted["payload"]["job_id"].as_str().unwrap()).unwrap();
        self.frames.clear();
        id
    }

    fn send(&mut self, conn: ConnId, kind: &str, payload: &Value) {
        self.requests += 1;
        let frame = json!({"arcp": "1.1", "id": format!("m{}", self.requests), "type": kind, "payload": payload});
        self.runtime.handle_frame(self.now, conn, frame.to_string().as_bytes());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.runtime.poll_output() {
            match output {
                Output::Store { seq, record } => {
                    self.note(&record);
                    self.records.push((seq, record));
                    self.runtime.handle_stored(self.now, seq);
                }
                Output::Send { conn, frame, .. } => {
                    self.runtime.handle_sent(self.now, conn, 1);
                    let frame: Value = serde_json::from_slice(&frame).unwrap();
                    if self.conns.first() == Some(&conn) {
                        self.follow(&frame);
                    }
                    self.frames.push(frame);
                }
                Output::Event { event: Event::Authenticate { conn, token, .. }, .. } => {
                    self.runtime.admit(self.now, conn, token.expose()).unwrap();
                }
                Output::Event { event: Event::Submitted { job, .. }, .. } => {
                    self.runtime.start(self.now, job, Vec::new()).unwrap();
                }
                Output::Event { event: Event::Answered { answer, .. }, .. } => self.told.push(answer),
                _ => {}
            }
        }
        if self.question == "Open" && self.state().is_none_or(|state| !state.is_live()) {
            "Withdrawn".clone_into(&mut self.question);
        }
    }

    /// Follows alice's session: its token and its numbers.
    fn follow(&mut self, frame: &Value) {
        if frame["type"] == "session.welcome" {
            let text = |name: &str| frame["payload"][name].as_str().unwrap().to_owned();
            (self.token.0, self.token.1) = (text("session_id"), text("resume_token"));
        }
        self.token.2 = frame["event_seq"].as_u64().unwrap_or(self.token.2);
    }

    /// Follows the question in the records. It is asked once, and ends once.
    fn note(&mut self, record: &Record) {
        if !record.is_question() {
            return;
        }
        let line: Value = serde_json::from_slice(&record.encode()).unwrap();
        let body = &line["payload"]["body"];
        let next = match (body["outcome"].as_str(), body["by"].as_str()) {
            (None, _) => "Open".to_owned(),
            (Some("answered"), Some(by)) => format!("Answered by {by}"),
            (Some("default"), _) => "Defaulted".to_owned(),
            (Some("expired"), _) => "Expired".to_owned(),
            other => panic!("ours: a question ends otherwise: {other:?}"),
        };
        let fits = if next == "Open" { self.question == "None" } else { self.question == "Open" };
        assert!(fits, "ours: a question is asked once, and its first end counts: {} and then {next}", self.question);
        self.question = next;
    }

    fn key(&self) -> JobKey {
        self.runtime.find(self.job).unwrap()
    }

    fn state(&self) -> Option<JobState> {
        self.runtime.find(self.job).and_then(|key| self.runtime.job(key)).map(|view| view.state)
    }

    pub(super) fn place(&self) -> Place {
        (self.state().map_or_else(|| "Gone".to_owned(), |state| format!("{state:?}")), self.question.clone())
    }

    /// Takes an input; returns the answer to it, or `None` if it is not possible.
    pub(super) fn step(&mut self, step: Step) -> Option<String> {
        (self.frames, self.told) = (Vec::new(), Vec::new());
        let [first, second] = if self.kind == Kind::Approval { ["approve", "refuse"] } else { ["yes", "no"] };
        let now = self.now;
        let answer = match step {
            Step::Ask => self.ask(),
            Step::Do if self.kind == Kind::Approval => {
                allowed(self.runtime.authorize(now, self.key(), &pay()).map(|()| None))
            }
            Step::Alice => self.answer(0, first),
            Step::Bob => self.answer(1, second),
            Step::Unfit => self.answer(1, "perhaps"),
            Step::Operator => self.answer(2, first),
            Step::Stranger => self.answer(3, first),
            Step::Finish => {
                let one = Json::from_string("1".to_owned()).unwrap();
                self.runtime
                    .finish(now, self.key(), JobResult::Inline(&one))
                    .map_or_else(|why| refused(&why), |()| "done".into())
            }
            Step::Cancel => {
                self.send(self.conns[0], "job.cancel", &json!({"job_id": self.job.to_string()}));
                self.reply("job.cancelled")
            }
            Step::Wait if self.state().is_some_and(JobState::is_live) => {
                let before = self.place();
                let changed = (0..20).any(|_| {
                    self.wait();
                    self.place() != before
                });
                if !changed {
                    return None;
                }
                "passed".to_owned()
            }
            Step::Restart if self.restarts == 0 => {
                self.restart();
                "restored".to_owned()
            }
            Step::Free if self.is_other_live && self.restarts > 0 => {
                self.is_other_live = false;
                let key = self.runtime.find(self.other).unwrap();
                let one = Json::from_string("1".to_owned()).unwrap();
                self.runtime.finish(now, key, JobResult::Inline(&one)).unwrap();
                "free".to_owned()
            }
            Step::Do | Step::Wait | Step::Restart | Step::Free => return None,
        };
        self.drain();
        let told: Vec<String> = self.told.iter().map(described).collect();
        assert!(told.len() <= 1, "ours: the host is told an answer once: {told:?}");
        Some(told.first().map_or_else(|| answer.clone(), |told| format!("{answer}, the host is told {told}")))
    }

    fn ask(&mut self) -> String {
        let (now, key) = (self.now, self.key());
        if self.kind == Kind::Approval {
            return allowed(self.runtime.approve(now, key, &pay()));
        }
        let question = Question::new("Now?").choices(["yes", "no"]).deadline(Duration::from_secs(10)).key("now");
        let question = if self.kind == Kind::Default { question.default("no") } else { question };
        let asked = self.runtime.ask(now, key, &question);
        asked.map_or_else(|why| refused(&why), |QuestionId(number)| format!("asked as q{number}"))
    }

    fn answer(&mut self, who: usize, value: &str) -> String {
        let payload = json!({"job_id": self.job.to_string(), "question_id": "q1", "value": value});
        self.send(self.conns[who], "x-vendor.nuncio.answer", &payload);
        self.reply("x-vendor.nuncio.answered")
    }

    /// Describes the reply to a request: this type of frame, or an error.
    fn reply(&self, kind: &str) -> String {
        let is_reply = |frame: &&Value| frame["type"] == kind || frame["type"] == "session.error";
        let Some(reply) = self.frames.iter().find(is_reply) else { return "no reply".to_owned() };
        let payload = &reply["payload"];
        match (payload["code"].as_str(), payload["details"]["question"].as_str()) {
            (Some(code), Some(why)) => format!("{code} {why}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => "taken".to_owned(),
        }
    }

    fn wait(&mut self) {
        let Some((at, _)) = self.runtime.poll_timeout() else { return };
        self.now = at.max(self.now);
        self.runtime.handle_timeout(self.now);
        self.drain();
    }

    fn restart(&mut self) {
        self.restarts += 1;
        let records = self.records.iter().cloned();
        let (runtime, restored) = Runtime::restore(config(), [agent(1)], [2; 32], self.now, records).unwrap();
        assert!(restored.is_clean(), "{restored:?}");
        self.runtime = runtime;
        self.drain();
        self.connect();
    }

    /// Lets both jobs end: nothing is open then.
    pub(super) fn converge(mut self, path: &[Step]) {
        if self.is_other_live && self.restarts > 0 {
            self.step(Step::Free);
        }
        self.step(Step::Finish);
        let is_live = self.state().is_some_and(JobState::is_live);
        assert!(!is_live, "ours: the job ends: {path:?}: {:?}", self.place());
        assert_eq!(self.runtime.stats().questions_open, 0, "ours: no question outlives its job: {path:?}");
    }
}

/// Describes whether an operation is allowed.
fn allowed(answer: Result<Option<QuestionId>, Denied>) -> String {
    match answer {
        Ok(None) => "allowed".to_owned(),
        Ok(Some(QuestionId(number))) => format!("asked as q{number}"),
        Err(Denied::Fault(fault)) => {
            let details: Value = serde_json::from_str(fault.details.as_deref().unwrap_or("{}")).unwrap();
            format!("{} {}", fault.code.as_str(), details["approval"].as_str().unwrap_or_default())
        }
        Err(Denied::NeedsApproval(_)) => "needs approval".to_owned(),
        Err(denied) => format!("{denied:?}"),
    }
}

fn described(answer: &Answer) -> String {
    match answer {
        Answer::Given { by, .. } => format!("that of {by}"),
        Answer::Default { .. } => "the default".to_owned(),
        Answer::Expired => "that it has expired".to_owned(),
    }
}
