//! One client of one SDK in a world.

use std::collections::{BTreeMap, HashMap};

use nuncio_core::arcp::ConnId;
use serde_json::{Value, json};

use super::{By, OnError, OnJobError, Sdk};
use crate::world::{Frame, World};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    Open,
    /// It was granted: the job of a submit or subscription, the number of jobs of a list.
    Granted(String),
    /// It was refused with this code; `None` if the SDK loses the code.
    Refused(Option<String>),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The `final_status`.
    pub status: String,
    /// The inline result, or the code of an error.
    pub value: Value,
}

/// What a client was shown of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    /// The events, without those of a streamed result.
    pub events: Vec<(String, Value)>,
    /// The data of the chunks, as one text.
    pub data: String,
    /// The terminal.
    pub end: Option<End>,
}

struct Request {
    id: String,
    kind: &'static str,
    answer: Answer,
}

/// A client object. One that resumes is a new one, which holds no requests and knows no jobs.
pub struct Player {
    /// The SDK that is played.
    pub sdk: &'static Sdk,
    /// Its connection.
    pub conn: ConnId,
    requests: Vec<Request>,
    /// The jobs it was shown, over all its connections.
    pub streams: BTreeMap<String, Stream>,
    /// The jobs that a `session.error` has failed.
    pub harmed: Vec<String>,
    encodings: HashMap<String, String>,
    session: String,
    token: String,
    bearer: &'static str,
    last: u64,
    sent: u64,
}

impl Player {
    /// Opens a session.
    pub fn connect(w: &mut World, sdk: &'static Sdk, bearer: &'static str) -> Player {
        let hello = sdk.hello(0, bearer);
        Player::greet(w, sdk, bearer, &hello)
    }

    fn greet(w: &mut World, sdk: &'static Sdk, bearer: &'static str, hello: &Value) -> Player {
        let conn = w.open();
        w.send_frame(conn, hello);
        let welcome = w.expect(conn, "session.welcome");
        let mut player = Player {
            sdk,
            conn,
            requests: Vec::new(),
            streams: BTreeMap::new(),
            harmed: Vec::new(),
            encodings: HashMap::new(),
            session: welcome["session_id"].as_str().expect("a session_id on the envelope").to_owned(),
            token: welcome.payload()["resume_token"].as_str().expect("a resume_token").to_owned(),
            bearer,
            last: 0,
            sent: 0,
        };
        player.check_welcome(&welcome, hello);
        player
    }

    fn check_welcome(&mut self, welcome: &Frame, hello: &Value) {
        if self.sdk.accepted == By::EnvelopeId {
            assert_eq!(welcome["id"], hello["id"], "F# takes no other welcome");
        }
        if self.sdk.agent_objects {
            let agents = welcome.payload()["capabilities"]["agents"].as_array().expect("agents");
            assert!(agents.iter().all(Value::is_object), "{} cannot connect: {welcome:?}", self.sdk.name);
        }
    }

    /// Cuts the connection and resumes with a new client object.
    pub fn resume(&mut self, w: &mut World) {
        w.cut(self.conn);
        self.reconnect(w);
    }

    /// Resumes with a new client object; the connection is gone.
    pub fn reconnect(&mut self, w: &mut World) {
        let frame = self.sdk.resume(1_000_000 + self.sent, self.bearer, &self.session, &self.token, self.last);
        let resumed = Player::greet(w, self.sdk, self.bearer, &frame);
        assert_eq!(resumed.session, self.session, "the session is resumed");
        (self.conn, self.token) = (resumed.conn, resumed.token);
        for request in &mut self.requests {
            if request.answer == Answer::Open {
                request.answer = Answer::Refused(None);
            }
        }
    }

    fn request(&mut self, w: &mut World, kind: &'static str, payload: Value) -> usize {
        self.sent += 1;
        let frame = self.sdk.frame(kind, self.sent, &self.session, payload);
        let id = frame["id"].as_str().expect("an id").to_owned();
        self.requests.push(Request { id, kind, answer: Answer::Open });
        w.send_frame(self.conn, &frame);
        self.requests.len() - 1
    }

    /// Sends a submit with a lease of these namespaces; the answer is read later.
    pub fn submit(&mut self, w: &mut World, payload: Value, namespaces: &[&str]) -> usize {
        let mut payload = payload;
        if !namespaces.is_empty() {
            payload["lease_request"] = self.sdk.lease(namespaces);
        }
        self.request(w, "job.submit", payload)
    }

    /// Sends a list request.
    pub fn list(&mut self, w: &mut World, payload: Value) -> usize {
        self.request(w, "session.list_jobs", payload)
    }

    /// Sends a subscription with history.
    pub fn subscribe(&mut self, w: &mut World, job: &str) -> usize {
        self.request(w, "job.subscribe", json!({"job_id": job, "history": true}))
    }

    /// Sends a cancel. No SDK waits for its answer, which is read if it comes.
    pub fn cancel(&mut self, w: &mut World, job: &str) {
        let index = self.request(w, "job.cancel", json!({"job_id": job, "reason": "user"}));
        self.requests[index].answer = Answer::Granted(String::new());
    }

    /// Reads everything that has come.
    pub fn read(&mut self, w: &mut World) {
        for frame in w.drain(self.conn) {
            self.handle(&frame);
        }
    }

    /// Reads everything that has come, and returns the answer to a request.
    pub fn answer(&mut self, w: &mut World, request: usize) -> Answer {
        self.read(w);
        self.requests[request].answer.clone()
    }

    fn handle(&mut self, frame: &Frame) {
        if let Some(seq) = frame.seq() {
            assert_eq!(seq, self.last + 1, "{}: a gap: {frame:?}", self.sdk.name);
            self.last = seq;
        }
        match frame.kind() {
            "session.error" => self.session_error(frame),
            "job.accepted" => self.accepted(frame),
            "session.jobs" => {
                let count = frame.payload()["jobs"].as_array().expect("jobs").len();
                self.grant("session.list_jobs", self.sdk.listed, frame, &count.to_string());
            }
            "job.subscribed" => self.subscribed(frame),
            "job.error" if frame.seq().is_none() => self.job_refusal(frame),
            "job.event" => self.event(frame),
            "job.result" | "job.error" => self.terminal(frame),
            "job.cancelled" | "session.ping" | "session.pong" | "session.closed" => {}
            other => panic!("{}: {other}", self.sdk.name),
        }
    }

    /// Finds the open request of a kind that a frame answers.
    fn find(&self, kind: &str, by: By, frame: &Frame) -> Option<usize> {
        let open = |request: &&Request| request.answer == Answer::Open && (kind.is_empty() || request.kind == kind);
        let of = |id: &Value| {
            let id = id.as_str()?;
            self.requests.iter().position(|request| open(&request) && request.id == id)
        };
        let oldest = || self.requests.iter().position(|request| open(&request));
        match by {
            By::Order => oldest(),
            By::RequestIdOrOrder => of(&frame.payload()["request_id"]).or_else(oldest),
            By::RequestId => of(&frame.payload()["request_id"]),
            By::ReplyTo => of(&frame.payload()["reply_to"]),
            By::EnvelopeId => of(&frame["id"]),
        }
    }

    fn grant(&mut self, kind: &str, by: By, frame: &Frame, what: &str) {
        let found = self.find(kind, by, frame);
        let Some(index) = found else { return };
        let asked = frame.payload()["request_id"].as_str();
        let request = &mut self.requests[index];
        assert_eq!(asked, Some(&*request.id), "{} takes the wrong answer: {frame:?}", self.sdk.name);
        request.answer = Answer::Granted(what.to_owned());
    }

    fn refuse(&mut self, index: usize, code: Option<&str>) {
        self.requests[index].answer = Answer::Refused(code.map(str::to_owned));
    }

    fn accepted(&mut self, frame: &Frame) {
        let payload = frame.payload();
        match self.sdk.name {
            "ruby" => assert!(payload.get("lease").is_none(), "Ruby reads no lease without an id: {frame:?}"),
            _ => assert!(payload["lease"].is_object(), "{frame:?}"),
        }
        let text = self.sdk.name == "py";
        for amount in payload["budget"].as_object().into_iter().flat_map(|budget| budget.values()) {
            assert_eq!(amount.is_string(), text, "{}: {frame:?}", self.sdk.name);
        }
        let job = payload["job_id"].as_str().expect("a job_id");
        assert_eq!(frame.job(), job);
        self.grant("job.submit", self.sdk.accepted, frame, job);
        self.streams.entry(job.to_owned()).or_default();
    }

    fn subscribed(&mut self, frame: &Frame) {
        if self.sdk.name == "ruby" {
            assert!(frame.payload().get("lease").is_none(), "Ruby reads no lease without an id: {frame:?}");
        }
        let by = match self.sdk.accepted {
            by @ (By::ReplyTo | By::EnvelopeId) => by,
            _ => By::RequestId,
        };
        self.grant("job.subscribe", by, frame, frame.job());
    }

    fn session_error(&mut self, frame: &Frame) {
        let code = frame.payload()["code"].as_str().expect("a code");
        match self.sdk.on_error {
            OnError::Ignores => {}
            OnError::FailsRequest(by) => {
                if let Some(index) = self.find("", by, frame) {
                    // F# keeps the code of a refused subscription alone.
                    let lost = by == By::EnvelopeId && self.requests[index].kind != "job.subscribe";
                    self.refuse(index, Some(code).filter(|_| !lost));
                }
            }
            OnError::FailsAll => {
                for request in self.requests.iter_mut().filter(|request| request.answer == Answer::Open) {
                    request.answer = Answer::Refused(Some(code.to_owned()));
                }
                let open = self.streams.iter().filter(|(_, stream)| stream.end.is_none());
                self.harmed.extend(open.map(|(job, _)| job.clone()));
            }
        }
    }

    fn job_refusal(&mut self, frame: &Frame) {
        let code = frame.payload()["code"].as_str().expect("a code");
        match self.sdk.on_job_error {
            OnJobError::Ignores => {}
            OnJobError::Dies => panic!("{} cannot read {frame:?}", self.sdk.name),
            OnJobError::FailsOldestSubmit => {
                if self.streams.contains_key(frame.job()) {
                    self.harmed.push(frame.job().to_owned());
                } else if let Some(index) = self.find("job.submit", By::Order, frame) {
                    self.refuse(index, Some(code));
                }
            }
            OnJobError::FailsRequest => {
                if let Some(index) = self.find("", By::EnvelopeId, frame) {
                    self.refuse(index, Some(code));
                }
            }
        }
    }

    fn event(&mut self, frame: &Frame) {
        if self.sdk.complete_bodies {
            check_body(self.sdk.name, frame);
        }
        let (kind, body) = (frame.event().to_owned(), frame.body().clone());
        let stream = self.streams.entry(frame.job().to_owned()).or_default();
        if kind != "result_chunk" {
            stream.events.push((kind, body));
            return;
        }
        let encoding = body["encoding"].as_str().expect("an encoding").to_owned();
        let first = self.encodings.entry(body["result_id"].to_string()).or_insert_with(|| encoding.clone());
        assert!(!self.sdk.one_encoding || *first == encoding, "{} collects no mixed result: {frame:?}", self.sdk.name);
        let data = body["data"].as_str().expect("data");
        stream.data.push_str(&if encoding == "utf8" { data.to_owned() } else { decoded(data) });
    }

    fn terminal(&mut self, frame: &Frame) {
        let payload = frame.payload();
        let job = if self.sdk.job_in_payload {
            payload["job_id"].as_str().expect("a job_id in the payload")
        } else {
            frame.job()
        };
        assert_eq!(job, frame.job());
        let status = payload["final_status"].as_str().expect("a final_status").to_owned();
        let by_result = status == "success" || (self.sdk.ends_by_result && status != "error");
        assert_eq!(frame.kind() == "job.result", by_result, "{}: {frame:?}", self.sdk.name);
        let value = match &*status {
            "success" if payload.get("result_id").is_some() => json!({"size": payload["result_size"]}),
            "success" => payload
                .get(self.sdk.result)
                .unwrap_or_else(|| panic!("{} sees no result: {frame:?}", self.sdk.name))
                .clone(),
            "error" => payload["code"].clone(),
            _ => Value::Null,
        };
        let stream = self.streams.entry(job.to_owned()).or_default();
        assert!(stream.end.is_none(), "a second terminal: {frame:?}");
        stream.end = Some(End { status, value });
    }
}

fn decoded(data: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Panics where a member is missing without which Ruby's or F#'s reader dies.
fn check_body(sdk: &str, frame: &Frame) {
    let body = frame.body();
    let members: &[&str] = match frame.event() {
        "log" => &["level", "message"],
        "thought" => &["text"],
        "tool_call" => &["tool", "args", "call_id"],
        "tool_result" => &["call_id"],
        "status" => &["phase"],
        "metric" => &["name", "value"],
        "artifact_ref" => &["uri", "content_type"],
        "progress" => &["current"],
        "result_chunk" => &["result_id", "chunk_seq", "data", "encoding", "more"],
        "delegate" => &["child_job_id", "agent"],
        _ => &[],
    };
    for member in members {
        assert!(body.get(member).is_some(), "{sdk} reads no {} without {member}: {frame:?}", frame.event());
    }
    match frame.event() {
        "tool_result" => {
            let complete =
                |error: &Value| ["code", "message", "retryable"].iter().all(|name| error.get(name).is_some());
            let answered = body.get("result").is_some() || body.get("error").is_some_and(complete);
            assert!(answered, "{sdk}: {frame:?}");
        }
        "log" => {
            let level = body["level"].as_str().unwrap_or_default();
            assert!(matches!(level, "debug" | "info" | "warn" | "error"), "F# knows four levels: {frame:?}");
        }
        "delegate" => assert_eq!(body.get("lease").is_some(), sdk == "fsharp", "{sdk}: {frame:?}"),
        _ => {}
    }
}
