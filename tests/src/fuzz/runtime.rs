//! Lines of bytes as frames of one connection after another, with an agent that emits events.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::arcp::{
    AgentSpec, Body, BusLink, BusStatus, Chunk, Config, ConnId, Event, Guest, HostStatus, JobFailure, JobKey,
    JobResult, JournalStatus, Json, Output, PoolAgentStatus, PoolStatus, Runtime, Via,
};
use nuncio_core::time::Time;

use super::ids::Ids;

const HELLO: &[u8] = br#"{"arcp":"1.1","id":"h","type":"session.hello","payload":{"auth":{"scheme":"bearer","token":"t"},"capabilities":{"features":["heartbeat","ack","list_jobs","subscribe","lease_expires_at","cost.budget","model.use","provisioned_credentials","progress","result_chunk","agent_versions"]}}}"#;

/// A runtime with its host.
struct Host {
    runtime: Runtime,
    now: Time,
    conn: ConnId,
    ids: Ids,
    /// Jobs whose agents run.
    running: Vec<JobKey>,
    /// The last number that each connection was sent.
    last: BTreeMap<ConnId, u64>,
    writes_held: bool,
    started: u32,
    /// The last session that has asked other runtimes.
    guest: Option<Guest>,
}

impl Host {
    fn new(small: bool, shards: u32) -> Host {
        let now = Time(1_779_000_000_000_000);
        let mut config = Config::default().with(|config| {
            config.provisioner = true;
            config.shards = shards;
            config.operators.insert("bob".to_owned());
        });
        if small {
            config.limits.log_events = 6;
            config.limits.history_events = 4;
            config.limits.send_window = 3;
            config.limits.jobs = 8;
            config.limits.jobs_per_session = 4;
            config.limits.subscriptions = 2;
            config.limits.sessions = 3;
            config.limits.retained_jobs = 3;
            config.limits.idempotency_records = 3;
            config.limits.submit_ids = 2;
            config.limits.reply_frames = 4;
            config.limits.bad_frames = 5;
            config.limits.back_pressure = 3;
            config.limits.pattern_work = 500;
            config.limits.frame_bytes = 4096;
            config.limits.writer_chunk_bytes = 16;
            config.limits.result_bytes = 200;
        }
        let mut runtime = Runtime::new(config, [7; 32], now);
        for name in ["echo", "ver"] {
            let mut spec = AgentSpec::new(name);
            if name == "ver" {
                spec.versions = vec!["1.0.0".into(), "2.0.0".into()];
            }
            runtime.register(spec).expect("a valid name");
        }
        let conn = runtime.handle_open(now, Via::Memory);
        Host {
            runtime,
            now,
            conn,
            ids: Ids::default(),
            running: Vec::new(),
            last: BTreeMap::new(),
            writes_held: false,
            started: 0,
            guest: None,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.runtime.poll_output() {
            match output {
                Output::Send { conn, frame, .. } => self.sent(conn, &frame),
                Output::Event { event, .. } => self.answer(event),
                Output::Store { .. } | Output::Reading { .. } | Output::Close { .. } => {}
            }
        }
    }

    fn sent(&mut self, conn: ConnId, frame: &[u8]) {
        assert!(frame.len() <= self.runtime.config().limits.frame_bytes, "a frame of {} bytes", frame.len());
        let frame = self.ids.learn(frame);
        if let Some(seq) = frame["event_seq"].as_u64() {
            let before = self.last.insert(conn, seq);
            assert!(before.is_none_or(|before| seq == before + 1), "{seq} follows {before:?}");
        }
        if !self.writes_held {
            self.runtime.handle_sent(self.now, conn, 1);
        }
    }

    fn answer(&mut self, event: Event) {
        match event {
            // The token decides between two principals.
            Event::Authenticate { conn, token, .. } => {
                let principal = if token.expose().starts_with('t') { "alice" } else { "bob" };
                self.runtime.admit(self.now, conn, principal).expect("the connection is waiting for this answer");
            }
            Event::Submitted { job, .. } => {
                self.runtime.start(self.now, job, Vec::new()).expect("the job is waiting for this answer");
            }
            Event::Start { job } => {
                let _ = self.runtime.emit(self.now, job, &Body::thought("at work"));
                self.started += 1;
                // Every second job keeps running.
                if self.started.is_multiple_of(2) {
                    self.finish(job);
                } else if self.running.len() < 64 {
                    self.running.push(job);
                }
            }
            Event::Revoke { revocation, .. } => {
                let _ = self.runtime.revoked(self.now, revocation);
            }
            Event::Relay { guest, .. } => self.guest = Some(guest),
            Event::Status { request } => {
                let host = self.status();
                self.runtime.tell_status(self.now, request, &host).expect("the operator is waiting for this answer");
            }
            _ => {}
        }
    }

    /// More than a small frame has room for.
    fn status(&self) -> HostStatus {
        let agent =
            PoolAgentStatus { agent: "\u{1}".repeat(300), topic: "job.echo".into(), ..PoolAgentStatus::default() };
        let bus = BusStatus { link: BusLink::Closed, since: Duration::MAX };
        HostStatus {
            shards: vec![self.runtime.counts(); 5],
            journal: Some(JournalStatus { error: Some("\u{1}".repeat(2_000)), ..JournalStatus::default() }),
            pools: vec![PoolStatus { bus, agents: vec![agent; 100], agents_left_out: 0 }; 3],
        }
    }

    fn finish(&mut self, job: JobKey) {
        let done: Box<Json> = Json::from_string("1".to_owned()).expect("JSON");
        let _ = self.runtime.finish(self.now, job, JobResult::Inline(&done));
    }

    /// Runs a command, which is a line that begins with `!`, for what frames cannot express.
    fn command(&mut self, what: u8, text: &[u8]) {
        let job = self.running.last().copied();
        let guest = self.guest.as_ref();
        match (what, job) {
            (b'0'..=b'9', _) => self.now = self.now.plus_millis(100 << (what - b'0')),
            (b'm', _) => {
                let at = self.runtime.poll_timeout().map_or(self.now, |(at, _)| at);
                self.now = self.now.max(at);
            }
            (b'w', _) => self.writes_held = true,
            (b'r', _) => {
                self.writes_held = false;
                self.runtime.handle_sent(self.now, self.conn, 1000);
            }
            (b'o', _) => self.conn = self.runtime.handle_open(self.now, Via::Plain),
            (b'e', Some(job)) => {
                let text = String::from_utf8_lossy(text);
                let (kind, body) = text.split_once(' ').unwrap_or((&text, "{}"));
                if let Ok(body) = serde_json::from_str::<Box<Json>>(body)
                    && let Ok(body) = Body::raw(kind, &body)
                {
                    let _ = self.runtime.emit(self.now, job, &body);
                }
            }
            (b'c', Some(job)) => {
                let _ = self.runtime.write_chunk(self.now, job, Chunk::Text(&String::from_utf8_lossy(text)), false);
            }
            (b'l', Some(job)) => {
                let _ = self.runtime.write_chunk(self.now, job, Chunk::Bytes(text), true);
            }
            (b's', Some(job)) => {
                let _ = self.runtime.finish(self.now, job, JobResult::Streamed { summary: None });
                self.running.pop();
            }
            (b'f', Some(job)) => {
                self.finish(job);
                self.running.pop();
            }
            (b'x', Some(job)) => {
                let _ = self.runtime.fail(
                    self.now,
                    job,
                    JobFailure {
                        code: "PERMISSION_DENIED".into(),
                        message: String::from_utf8_lossy(text).into(),
                        details: None,
                    },
                );
                self.running.pop();
            }
            (b'g', _) => self.conn = guest.map_or(self.conn, |guest| self.runtime.open_guest(self.now, guest)),
            (b'R', _) => {
                if let Some(session) = guest.map(Guest::session) {
                    let frame = Bytes::from(self.ids.insert(text));
                    self.runtime.handle_relayed(self.now, 1, session, &frame);
                }
            }
            (b'L', _) => {
                if let Some(session) = guest.map(Guest::session) {
                    self.runtime.handle_guest_lost(self.now, 1, session);
                }
            }
            (b'd', _) => self.runtime.shutdown(self.now),
            _ => {}
        }
    }

    fn line(&mut self, line: &[u8]) {
        match line {
            [] => {
                self.runtime.handle_close(self.now, self.conn);
                self.conn = self.runtime.handle_open(self.now, Via::Memory);
                self.now = self.now.plus_secs(1);
            }
            [b'!', what, text @ ..] => self.command(*what, text),
            frame => {
                if self.runtime.reading(self.conn) {
                    let frame = self.ids.insert(frame);
                    self.runtime.handle_frame(self.now, self.conn, &frame);
                }
            }
        }
        self.runtime.handle_timeout(self.now);
        self.drain();
    }
}

/// The runtime does not panic, sends complete frames within the limit, numbers events without a gap, and keeps its
/// memory bounded.
///
/// The first byte selects whether a session is already open, whether the limits are small, and whether there is another
/// runtime, whose frames are made up.
pub fn runtime_frames(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let mut host = Host::new(first & 2 != 0, if first & 4 == 0 { 1 } else { 2 });
    if first & 1 == 0 {
        host.line(HELLO);
    }
    for line in data.split(|byte| *byte == b'\n') {
        host.line(line);
    }
    assert!(host.runtime.bytes_held() < 64 << 20, "{} bytes are held", host.runtime.bytes_held());
}
