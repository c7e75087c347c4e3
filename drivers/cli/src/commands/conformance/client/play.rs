//! Plays a runtime for one client: its welcome, a job with events of all sorts, a lost connection, a missing event, the end.

use std::time::Duration;

use nuncio_tokio::io::Stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::recording::{Moment, Recording, resumed};
use crate::commands::conformance::frame::{kind, seq, text};
use crate::commands::conformance::trial::FEATURES;
use crate::commands::conformance::wire::{Arrival, Log, Wire};

/// The interval of heartbeats that the welcome names.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);
/// Events that are sent at once.
pub(super) const BURST: usize = 40;
/// The values of the credentials that a job gets, the second one of a scheme that no client knows.
pub(super) const CREDENTIALS: [&str; 2] = ["sk-conformance-5f1c09aa", "sk-conformance-77d20be4"];
/// Features that are not acknowledged, and the messages that need them.
pub(super) const LEFT_OUT: [(&str, &[&str]); 2] =
    [("list_jobs", &["session.list_jobs"]), ("subscribe", &["job.subscribe", "job.unsubscribe"])];
/// How long the runtime sends no ping, so that the client has to send something by itself.
pub(super) const QUIET: Duration = INTERVAL.saturating_mul(3);
/// How long a client has to notice that an event is missing.
const NOTICE: Duration = Duration::from_secs(4);
const SESSION: &str = "sess_01M7XXZ4CNFRMANCE000000000";
const JOB: &str = "job_01M7XXZ4CNFRMANCE000000000";

/// What is to be done next for the client's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// No job was submitted yet.
    Idle,
    /// The first events are sent; the connection is cut once they are read.
    Burst,
    /// The events are read, and no pings are sent since then; the connection is cut once the client sends something.
    Quiet(Instant),
    /// The connection was cut, and the client is to come back.
    Lost,
    /// An event was left out; the client has until then to notice.
    Gap(Instant),
    /// The job has ended.
    Done,
}

/// Why a connection is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// The client may come back.
    Lost,
    /// The client has closed its session, or is quiet for too long.
    Over,
}

/// A runtime that plays for one client.
pub(super) struct Play {
    pub(super) recording: Recording,
    log: Log,
    patience: Duration,
    scene: Scene,
    welcomes: u32,
    pings: u32,
    features: Vec<String>,
    /// The events and the terminal of the job, as they are sent again.
    events: Vec<Value>,
    accepted: Option<Value>,
}

impl Play {
    pub(super) fn new(patience: Duration, log: Log) -> Play {
        Play {
            recording: Recording::default(),
            log,
            patience,
            scene: Scene::Idle,
            welcomes: 0,
            pings: 0,
            features: Vec::new(),
            events: Vec::new(),
            accepted: None,
        }
    }

    /// Plays until the client has closed its session, or was quiet for too long. The first connection may take any time.
    pub(super) async fn run(&mut self, listener: &TcpListener) {
        let mut connected = listener.accept().await.ok();
        while let Some((stream, _)) = connected {
            if self.connection(nuncio_tokio::stream(stream)).await == Leave::Over {
                return;
            }
            connected = timeout(self.patience, listener.accept()).await.ok().and_then(Result::ok);
        }
    }

    async fn connection(&mut self, stream: Stream) -> Leave {
        let Some(mut wire) = Wire::accept(stream, self.patience, &self.log).await else { return Leave::Lost };
        wire.answers_pings = false;
        self.recording.open();
        let Some(hello) = self.receive(&mut wire, self.patience).await else { return Leave::Lost };
        if !matches!(kind(&hello), "session.hello" | "session.resume") {
            self.send(&mut wire, "session.error", &refusal("", "INVALID_REQUEST", "a hello is due")).await;
            wire.close().await;
            return Leave::Over;
        }
        // What the client sends before the welcome would come now.
        let early = self.receive(&mut wire, Duration::from_millis(200)).await;
        self.welcome(&mut wire, &hello).await;
        self.ping(&mut wire, "welcomed").await;
        if let Some(early) = early {
            self.answer(&mut wire, &early).await;
        }
        self.go_on(&mut wire, &hello).await;
        self.converse(&mut wire).await
    }

    /// Reads and answers until the connection is left.
    async fn converse(&mut self, wire: &mut Wire) -> Leave {
        let mut last = Instant::now();
        let mut pinged = Instant::now();
        loop {
            if let Scene::Gap(deadline) = self.scene
                && Instant::now() >= deadline
            {
                self.finish(wire).await;
            }
            if let Scene::Quiet(since) = self.scene
                && since.elapsed() >= QUIET
            {
                return self.cut(Some(false));
            }
            if last.elapsed() >= self.patience && !matches!(self.scene, Scene::Gap(_) | Scene::Quiet(_)) {
                return Leave::Over;
            }
            match wire.arrival(Duration::from_millis(250)).await {
                // The client sees that the runtime lives.
                Arrival::Silence if matches!(self.scene, Scene::Quiet(_)) => self.note(wire).await,
                Arrival::Silence if pinged.elapsed() >= INTERVAL => {
                    self.ping(wire, "idle").await;
                    pinged = Instant::now();
                }
                Arrival::Silence => {}
                Arrival::Garbage => self.recording.add(Moment::Garbage),
                Arrival::Ended(_) => {
                    self.recording.add(Moment::Ended);
                    return if self.scene == Scene::Done { Leave::Over } else { Leave::Lost };
                }
                Arrival::Frame(frame) => {
                    self.recording.add(Moment::Received(frame.clone()));
                    if !matches!(kind(&frame), "session.ping" | "session.pong") {
                        last = Instant::now();
                    }
                    self.answer(wire, &frame).await;
                    if matches!(kind(&frame), "session.close" | "session.bye") {
                        return self.closed(wire).await;
                    }
                    let has_read = text(&frame, "/payload/ping_nonce").starts_with("read_");
                    match self.scene {
                        Scene::Burst if has_read && self.has("heartbeat") => self.scene = Scene::Quiet(Instant::now()),
                        Scene::Burst if has_read => return self.cut(None),
                        // What comes earlier may be due to the events.
                        Scene::Quiet(since) if since.elapsed() >= INTERVAL / 2 && kind(&frame) != "session.pong" => {
                            return self.cut(Some(true));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Breaks the connection. `has_spoken` says whether the client has sent something while the runtime sent no pings.
    fn cut(&mut self, has_spoken: Option<bool>) -> Leave {
        if let Some(has_spoken) = has_spoken {
            self.recording.add(Moment::Quiet { has_spoken });
        }
        self.scene = Scene::Lost;
        self.recording.add(Moment::Cut);
        Leave::Lost
    }

    fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|name| name == feature)
    }

    /// Records what follows a close, until the client has ended the connection.
    async fn closed(&mut self, wire: &mut Wire) -> Leave {
        wire.close().await;
        while self.receive(wire, Duration::from_secs(1)).await.is_some() {}
        Leave::Over
    }

    async fn receive(&mut self, wire: &mut Wire, limit: Duration) -> Option<Value> {
        match wire.arrival(limit).await {
            Arrival::Frame(frame) => {
                self.recording.add(Moment::Received(frame.clone()));
                Some(frame)
            }
            Arrival::Garbage => {
                self.recording.add(Moment::Garbage);
                None
            }
            Arrival::Ended(_) => {
                self.recording.add(Moment::Ended);
                None
            }
            Arrival::Silence => None,
        }
    }

    /// Sends a frame with a member that no client knows.
    async fn send(&mut self, wire: &mut Wire, name: &str, payload: &Value) {
        let mut frame = wire.envelope(name, payload);
        frame["session_id"] = SESSION.into();
        frame["x_conformance"] = json!({"unknown": [true]});
        if name == "job.accepted" || name == "job.cancelled" {
            frame["job_id"] = JOB.into();
        }
        self.send_frame(wire, frame).await;
    }

    async fn send_frame(&mut self, wire: &mut Wire, frame: Value) {
        wire.send(&frame).await;
        self.recording.add(Moment::Sent(frame));
    }

    async fn ping(&mut self, wire: &mut Wire, why: &str) {
        self.pings += 1;
        let nonce = format!("{why}_{}", self.pings);
        let sent_at = crate::time::now().to_rfc3339();
        self.send(wire, "session.ping", &json!({"nonce": nonce, "sent_at": sent_at, "x_conformance": 1})).await;
    }

    async fn welcome(&mut self, wire: &mut Wire, hello: &Value) {
        self.welcomes += 1;
        if self.welcomes == 1 {
            let offered = hello.pointer("/payload/capabilities/features").and_then(Value::as_array);
            let offered = offered.into_iter().flatten().filter_map(Value::as_str);
            let acknowledged =
                offered.filter(|name| FEATURES.contains(name) && LEFT_OUT.iter().all(|(out, _)| out != name));
            self.features = acknowledged.map(str::to_owned).collect();
        }
        SESSION.clone_into(&mut wire.session_id);
        let mut payload = json!({
            "session_id": SESSION,
            "runtime": {"name": "nuncio-conformance", "version": env!("CARGO_PKG_VERSION")},
            "resume_token": format!("rt_{:064x}", u64::from(self.welcomes) + 0x5eed_0000),
            "resume_window_sec": 600,
            // The Python SDK cannot connect without it.
            "accepted_at": crate::time::now().to_rfc3339(),
            "capabilities": {
                "encodings": ["json"], "features": self.features,
                "agents": [{"name": "echo", "versions": []}], "x_conformance": null,
            },
            "x_conformance": "unknown",
        });
        if self.has("heartbeat") {
            payload["heartbeat_interval_sec"] = INTERVAL.as_secs().into();
        }
        self.send(wire, "session.welcome", &payload).await;
    }

    /// Goes on with the client's job on a new connection.
    async fn go_on(&mut self, wire: &mut Wire, hello: &Value) {
        let Some((.., last)) = resumed(hello) else { return };
        for event in self.events.clone() {
            if seq(&event).is_some_and(|number| number > last) {
                self.send_frame(wire, event).await;
            }
        }
        match self.scene {
            Scene::Lost => {
                // The next event is kept for the replay, but not sent now.
                let _kept = self.event("log", &json!({"level": "info", "message": "this one is missing at first"}));
                let next = self.event("log", &json!({"level": "info", "message": "the one before is missing"}));
                self.send_frame(wire, next).await;
                self.scene = Scene::Gap(Instant::now() + NOTICE);
            }
            Scene::Gap(_) => self.finish(wire).await,
            Scene::Idle | Scene::Burst | Scene::Quiet(_) | Scene::Done => {}
        }
    }

    async fn answer(&mut self, wire: &mut Wire, frame: &Value) {
        let id = text(frame, "/id").to_owned();
        match kind(frame) {
            "session.ping" => {
                let received_at = crate::time::now().to_rfc3339();
                let pong = json!({"ping_nonce": frame["payload"]["nonce"], "received_at": received_at});
                self.send(wire, "session.pong", &pong).await;
            }
            "job.submit" => self.submitted(wire, frame, &id).await,
            "job.cancel" => {
                self.send(wire, "job.cancelled", &json!({"job_id": JOB, "request_id": id})).await;
                let payload = json!({
                    "final_status": "cancelled", "code": "CANCELLED", "message": "the job was cancelled", "retryable": false,
                });
                self.end(wire, "job.error", &payload).await;
            }
            "session.list_jobs" | "job.subscribe" => {
                let why = "the feature was not negotiated";
                self.send(wire, "session.error", &refusal(&id, "INVALID_REQUEST", why)).await;
            }
            "session.close" | "session.bye" => self.send(wire, "session.closed", &json!({"request_id": id})).await,
            _ => {}
        }
    }

    async fn submitted(&mut self, wire: &mut Wire, frame: &Value, id: &str) {
        let is_first = self.accepted.is_none();
        let mut accepted = self.accepted.clone().unwrap_or_else(|| {
            let lease = &frame["payload"]["lease_request"];
            let mut payload = json!({
                "job_id": JOB, "agent": frame["payload"]["agent"],
                "lease": if lease.is_object() { lease.clone() } else { json!({}) },
                "accepted_at": crate::time::now().to_rfc3339(), "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                "x_conformance": {"unknown": 1},
            });
            if self.has("provisioned_credentials") {
                let [known, unknown] = CREDENTIALS;
                payload["credentials"] = json!([
                    credential("cred_01M7XXZ4CNFRMANCE000000001", "x-conformance", unknown),
                    credential("cred_01M7XXZ4CNFRMANCE000000000", "bearer", known),
                ]);
            }
            payload
        });
        self.accepted = Some(accepted.clone());
        accepted["request_id"] = id.into();
        self.send(wire, "job.accepted", &accepted).await;
        if !is_first {
            return;
        }
        self.scene = Scene::Burst;
        self.ping(wire, "accepted").await;
        self.note(wire).await;
        let mut events = vec![
            self.event("status", &json!({"phase": "running", "x_conformance": 1})),
            self.event("x-vendor.conformance.kind", &json!({"anything": [1, 2]})),
            self.event("of_the_future", &json!({"anything": "else"})),
        ];
        for index in 0..BURST {
            events
                .push(self.event("log", &json!({"level": "info", "message": format!("event {index}"), "more": null})));
        }
        for event in events {
            self.send_frame(wire, event).await;
        }
        self.ping(wire, "read").await;
    }

    /// Sends a message that no client knows.
    async fn note(&mut self, wire: &mut Wire) {
        self.send(wire, "x-vendor.conformance.note", &json!({"anything": 1})).await;
    }

    /// Returns the next event of the job, which is kept for replays.
    fn event(&mut self, event: &str, body: &Value) -> Value {
        let payload = json!({"kind": event, "ts": crate::time::now().to_rfc3339(), "body": body});
        self.numbered("job.event", &payload)
    }

    fn numbered(&mut self, name: &str, payload: &Value) -> Value {
        let number = self.events.len() + 1;
        let frame = json!({
            "arcp": "1.1", "id": format!("01M7XXZ4{number:018}"), "type": name, "session_id": SESSION, "job_id": JOB,
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "event_seq": number, "payload": payload, "x_conformance": 1,
        });
        self.events.push(frame.clone());
        frame
    }

    /// Ends the job with success.
    async fn finish(&mut self, wire: &mut Wire) {
        let completed_at = crate::time::now().to_rfc3339();
        let payload = json!({"final_status": "success", "result": {"conformance": true}, "completed_at": completed_at});
        self.end(wire, "job.result", &payload).await;
    }

    async fn end(&mut self, wire: &mut Wire, name: &str, payload: &Value) {
        if self.scene != Scene::Done {
            let end = self.numbered(name, payload);
            self.send_frame(wire, end).await;
            self.scene = Scene::Done;
        }
    }
}

fn credential(id: &str, scheme: &str, value: &str) -> Value {
    json!({"id": id, "scheme": scheme, "value": value, "endpoint": "http://127.0.0.1:9/v1"})
}

fn refusal(request: &str, code: &str, message: &str) -> Value {
    json!({"request_id": request, "code": code, "message": message, "retryable": false})
}
