//! Several runtimes of one host, which hands requests and frames between them as `core/docs/arcp.md` says.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use nuncio_core::arcp::{
    AgentSpec, Body, Config, ConnId, Dialect, Event, Guest, JobKey, JobResult, Output, Record, Runtime, SessionUlid,
    Via,
};
use nuncio_core::time::Time;
use nuncio_tests::world::{START, json_text};
use serde_json::{Value, json};

/// What goes from one runtime to another.
enum Letter {
    Ask(Guest, Bytes),
    Frame(SessionUlid, Bytes),
    Taken(SessionUlid),
    Left(SessionUlid),
}

/// A client of one of the runtimes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) at: usize,
    pub(crate) conn: ConnId,
}

/// The runtimes, their clients and the letters between them.
pub(crate) struct Shards {
    pub(crate) runtimes: Vec<Runtime>,
    pub(crate) now: Time,
    /// The connection of each guest, by the runtime where it is, and its session.
    guests: BTreeMap<(usize, SessionUlid), (ConnId, usize)>,
    letters: VecDeque<(usize, usize, Letter)>,
    sent: HashMap<Client, VecDeque<Value>>,
    /// Clients that read nothing, with the frames that wait for them.
    slow: HashMap<Client, usize>,
    pub(crate) started: Vec<(usize, JobKey)>,
    pub(crate) records: Vec<Vec<(u64, Record)>>,
    /// Whether letters stay where they are.
    pub(crate) hold: bool,
    /// Runtimes that answer no others.
    pub(crate) deaf: Vec<usize>,
    /// The number of requests that were relayed.
    pub(crate) relayed: usize,
    ids: u32,
}

impl Shards {
    pub(crate) fn new(change: impl Fn(&mut Config)) -> Shards {
        let mut shards = Shards {
            runtimes: Vec::new(),
            now: START,
            guests: BTreeMap::new(),
            letters: VecDeque::new(),
            sent: HashMap::new(),
            slow: HashMap::new(),
            started: Vec::new(),
            records: vec![Vec::new(); 3],
            hold: false,
            deaf: Vec::new(),
            relayed: 0,
            ids: 0,
        };
        for seed in 1..=3 {
            let config = Config::default().with(|config| {
                config.shards = 3;
                config.operators.insert("op".into());
                config.approvers.insert("judge".into());
                change(config);
            });
            shards.add(Runtime::new(config, [seed; 32], START));
        }
        shards
    }

    fn add(&mut self, mut runtime: Runtime) {
        runtime.register(AgentSpec::new("echo")).unwrap();
        self.runtimes.push(runtime);
    }

    /// Replaces a runtime by one that is restored from its records. The others close the guests that it had there.
    pub(crate) fn restart(&mut self, at: usize) {
        let config = self.runtimes[at].config().clone();
        let records = self.records[at].clone();
        let agents = [AgentSpec::new("echo")];
        let (runtime, restored) = Runtime::restore(config, agents, [9; 32], self.now, records).unwrap();
        assert!(restored.is_clean(), "{restored:?}");
        self.runtimes[at] = runtime;
        self.sent.retain(|client, _| client.at != at);
        self.guests.retain(|(there, _), (_, home)| *there != at && *home != at);
        self.run(at, |_, _| ());
    }

    /// Gives a runtime an input, and hands everything on until nothing is left to do.
    pub(crate) fn run<R>(&mut self, at: usize, input: impl FnOnce(&mut Runtime, Time) -> R) -> R {
        let answer = input(&mut self.runtimes[at], self.now);
        self.poll(at);
        while !self.hold
            && let Some((from, to, letter)) = self.letters.pop_front()
        {
            self.deliver(from, to, letter);
            self.poll(to);
        }
        answer
    }

    fn deliver(&mut self, from: usize, to: usize, letter: Letter) {
        let runtime = &mut self.runtimes[to];
        match letter {
            Letter::Ask(guest, frame) => {
                let open = || (runtime.open_guest(self.now, &guest), from);
                let (conn, _) = *self.guests.entry((to, guest.session())).or_insert_with(open);
                self.runtimes[to].handle_frame(self.now, conn, &frame);
            }
            Letter::Frame(session, frame) => runtime.handle_relayed(self.now, number(from), session, &frame),
            Letter::Taken(session) => {
                if let Some((conn, _)) = self.guests.get(&(to, session)) {
                    runtime.handle_sent(self.now, *conn, 1);
                }
            }
            Letter::Left(session) => {
                if let Some((conn, _)) = self.guests.remove(&(to, session)) {
                    runtime.handle_close(self.now, conn);
                }
            }
        }
    }

    fn poll(&mut self, at: usize) {
        while let Some(output) = self.runtimes[at].poll_output() {
            match output {
                Output::Send { conn, frame, .. } => self.send(at, conn, frame),
                Output::Store { seq, record } => {
                    self.records[at].push((seq, record));
                    self.runtimes[at].handle_stored(self.now, seq);
                }
                Output::Close { conn, .. } => {
                    let lost = self.guests.iter().find(|((there, _), (guest, _))| (*there, *guest) == (at, conn));
                    if let Some(((_, session), (_, home))) = lost.map(|(key, value)| (*key, *value)) {
                        self.guests.remove(&(at, session));
                        self.runtimes[home].handle_guest_lost(self.now, number(at), session);
                        self.poll(home);
                    }
                }
                Output::Event { event, .. } => self.event(at, event),
                Output::Reading { .. } => {}
            }
        }
    }

    fn event(&mut self, at: usize, event: Event) {
        let others: Vec<usize> = (0..self.runtimes.len()).filter(|other| *other != at).collect();
        match event {
            Event::Submitted { job, .. } => self.runtimes[at].start(self.now, job, Vec::new()).unwrap(),
            Event::Start { job } => self.started.push((at, job)),
            Event::Relay { guest, frame } => {
                self.relayed += 1;
                for to in others.into_iter().filter(|to| !self.deaf.contains(to)) {
                    self.letters.push_back((at, to, Letter::Ask(guest.clone(), frame.clone())));
                }
            }
            Event::RelayTaken { session, from } => self.letters.push_back((at, from as usize, Letter::Taken(session))),
            Event::GuestLeft { session } => {
                self.letters.extend(others.into_iter().map(|to| (at, to, Letter::Left(session))));
            }
            _ => {}
        }
    }

    fn send(&mut self, at: usize, conn: ConnId, frame: Bytes) {
        let guest = self.guests.iter().find(|((there, _), (guest, _))| (*there, *guest) == (at, conn));
        if let Some(((_, session), (_, home))) = guest {
            self.letters.push_back((at, *home, Letter::Frame(*session, frame)));
            return;
        }
        let client = Client { at, conn };
        self.sent.entry(client).or_default().push_back(serde_json::from_slice(&frame).unwrap());
        match self.slow.get_mut(&client) {
            Some(waiting) => *waiting += 1,
            None => self.runtimes[at].handle_sent(self.now, conn, 1),
        }
    }

    /// Returns how many guests there are in all runtimes.
    pub(crate) fn guests(&self) -> usize {
        self.guests.len()
    }

    /// Lets a client read nothing from now on.
    pub(crate) fn stop_reading(&mut self, client: Client) {
        self.slow.insert(client, 0);
    }

    /// Lets a client read what waits for it, once.
    pub(crate) fn read_on(&mut self, client: Client) {
        let waiting = std::mem::take(self.slow.get_mut(&client).unwrap());
        self.run(client.at, |runtime, now| runtime.handle_sent(now, client.conn, waiting));
    }

    /// Opens a session of a principal in a runtime, and takes its welcome.
    pub(crate) fn session(&mut self, at: usize, principal: &str, dialect: Dialect) -> (Client, Value) {
        self.hello(at, principal, dialect, Value::Null)
    }

    pub(crate) fn hello(&mut self, at: usize, principal: &str, dialect: Dialect, resume: Value) -> (Client, Value) {
        let conn = self.run(at, |runtime, now| {
            let conn = runtime.handle_open(now, Via::Memory);
            runtime.handle_dialect(now, conn, dialect);
            conn
        });
        let client = Client { at, conn };
        let features = ["ack", "list_jobs", "subscribe", "progress", "x-vendor.nuncio.accepted_replay"];
        let mut hello = json!({
            "client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "t"},
            "capabilities": {"features": features}
        });
        if !resume.is_null() {
            hello["resume"] = resume;
        }
        self.frame(client, "session.hello", hello);
        self.run(at, |runtime, now| runtime.admit(now, conn, principal)).unwrap();
        let welcome = self.next(client);
        assert_eq!(welcome["type"], "session.welcome");
        (client, welcome["payload"].clone())
    }

    /// Sends a frame; returns its id.
    pub(crate) fn frame(&mut self, client: Client, kind: &str, payload: Value) -> String {
        self.ids += 1;
        let id = format!("m{}", self.ids);
        self.frame_as(client, &id, kind, payload);
        id
    }

    /// Sends a frame with an id.
    pub(crate) fn frame_as(&mut self, client: Client, id: &str, kind: &str, payload: Value) {
        let frame = json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload});
        self.run(client.at, |runtime, now| runtime.handle_frame(now, client.conn, frame.to_string().as_bytes()));
    }

    /// Returns the next frame of a client.
    pub(crate) fn next(&mut self, client: Client) -> Value {
        self.sent.get_mut(&client).and_then(VecDeque::pop_front).expect("a frame")
    }

    /// Takes all frames of a client.
    pub(crate) fn frames(&mut self, client: Client) -> Vec<Value> {
        self.sent.get_mut(&client).map(|frames| frames.drain(..).collect()).unwrap_or_default()
    }

    /// Submits a job in a session; returns its id and key.
    pub(crate) fn submit(&mut self, client: Client) -> (String, JobKey) {
        self.now = self.now.plus_micros(1_000);
        self.frame(client, "job.submit", json!({"agent": "echo", "input": 1}));
        let frames = self.frames(client);
        let accepted = frames.iter().find(|frame| frame["type"] == "job.accepted").expect("an accepted job");
        let (_, job) = self.started.pop().unwrap();
        (accepted["payload"]["job_id"].as_str().unwrap().into(), job)
    }

    /// Lets an agent emit a log event with a message.
    pub(crate) fn emit(&mut self, at: usize, job: JobKey, message: &str) {
        let body = Body::log("info", message, None);
        self.run(at, |runtime, now| runtime.emit(now, job, &body)).unwrap();
    }

    pub(crate) fn finish(&mut self, at: usize, job: JobKey) {
        let result = json_text("1");
        self.run(at, |runtime, now| runtime.finish(now, job, JobResult::Inline(&result))).unwrap();
    }
}

/// The messages of log events, in the order of the frames.
pub(crate) fn messages(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["payload"]["body"]["message"].as_str()).collect()
}

/// The number of a runtime, as the others know it.
pub(crate) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap()
}
