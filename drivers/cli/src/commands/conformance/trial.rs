//! What a check is given: the runtime to connect to, its tokens, and the names of its agents.

use std::cell::Cell;
use std::time::Duration;

use nuncio_tokio::arcp::{ClientOptions, Secret};
use nuncio_tokio::auth::ClientTls;
use serde_json::{Value, json};

use super::agents::Agents;
use super::finding::{Finding, Judged, broken, not_offered};
use super::frame::{code, kind, text};
use super::session::{Point, Session};
use super::wire::{Arrival, Log, Wire};

/// The features of the specification (§6.2), in its order.
pub(super) const FEATURES: [&str; 11] = [
    "heartbeat",
    "ack",
    "list_jobs",
    "subscribe",
    "lease_expires_at",
    "cost.budget",
    "model.use",
    "provisioned_credentials",
    "progress",
    "result_chunk",
    "agent_versions",
];

/// The runtime that is judged.
pub(super) struct Target {
    pub(super) url: ClientOptions,
    pub(super) tls: Option<ClientTls>,
    pub(super) token: Secret,
    /// A token of another principal.
    pub(super) other_token: Option<Secret>,
    pub(super) agents: Agents,
    /// The number of sessions that a principal may have at once.
    pub(super) session_limit: Option<usize>,
    /// The size in bytes of the longest streamed result.
    pub(super) result_limit: Option<usize>,
    /// How long to wait for a frame.
    pub(super) patience: Duration,
    /// A text that no earlier run has used, for idempotency keys.
    pub(super) run: String,
}

/// One check: its frames, and connections to the target.
pub(super) struct Trial<'a> {
    pub(super) target: &'a Target,
    pub(super) log: Log,
    keys: Cell<u32>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(target: &'a Target, log: Log) -> Trial<'a> {
        Trial { target, log, keys: Cell::new(0) }
    }

    pub(super) fn agents(&self) -> &'a Agents {
        &self.target.agents
    }

    pub(super) fn patience(&self) -> Duration {
        self.target.patience
    }

    /// Returns an idempotency key that was not used before.
    pub(super) fn key(&self, check: &str) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("{check}-{}-{}", self.target.run, self.keys.get())
    }

    /// Connects without a hello.
    pub(super) async fn open(&self) -> Judged<Wire> {
        let Target { url, tls, patience, .. } = self.target;
        match Wire::dial(url, tls.as_ref(), *patience, &self.log).await {
            Ok(wire) => Ok(wire),
            Err(error) => broken(format!("the runtime accepts no connection: {error}")),
        }
    }

    /// Returns the payload of a hello.
    pub(super) fn hello(&self, features: &[&str]) -> Value {
        json!({
            "client": {"name": "nuncio-conformance", "version": env!("CARGO_PKG_VERSION")},
            "auth": {"scheme": "bearer", "token": self.target.token.expose()},
            "capabilities": {"encodings": ["json"], "features": features},
        })
    }

    /// Opens a session with all features but heartbeats, so that a connection may be idle while the check uses another.
    pub(super) async fn session(&self) -> Judged<Session<'a>> {
        self.session_with(&FEATURES[1..]).await
    }

    /// Opens a session with these features.
    pub(super) async fn session_with(&self, features: &[&str]) -> Judged<Session<'a>> {
        self.greet(&self.hello(features), features).await
    }

    /// Opens a session of another principal, with all features but heartbeats.
    pub(super) async fn other(&self) -> Judged<Session<'a>> {
        let Some(token) = &self.target.other_token else {
            return not_offered("there is no token of another principal; give one with --other-token");
        };
        let mut hello = self.hello(&FEATURES[1..]);
        hello["auth"]["token"] = token.expose().into();
        self.greet(&hello, &FEATURES[1..]).await
    }

    /// Resumes a session whose connection was cut. A runtime may need a moment to notice that.
    pub(super) async fn resume(&self, point: &Point) -> Judged<Session<'a>> {
        let deadline = tokio::time::Instant::now() + self.patience();
        loop {
            match self.resume_at_once(point).await {
                Err(Finding::Broken(found))
                    if found.contains("PERMISSION_DENIED") && tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(self.patience() / 10).await;
                }
                resumed => return resumed,
            }
        }
    }

    /// Resumes a session, with a hello in the form of the deployed SDKs.
    pub(super) async fn resume_at_once(&self, point: &Point) -> Judged<Session<'a>> {
        self.greet(&self.resuming(point), &FEATURES[1..]).await
    }

    /// Returns the payload of a hello that resumes a session, in all forms that deployed runtimes read.
    pub(super) fn resuming(&self, point: &Point) -> Value {
        let mut hello = self.hello(&FEATURES[1..]);
        let Point { session_id, resume_token, last_event_seq } = point;
        hello["resume"] = json!({
            "session_id": session_id, "resume_token": resume_token, "last_event_seq": last_event_seq,
        });
        hello["resume_token"] = resume_token.as_str().into();
        hello["last_event_seq"] = (*last_event_seq).into();
        hello
    }

    /// Sends a hello that must be welcomed.
    async fn greet(&self, hello: &Value, features: &[&str]) -> Judged<Session<'a>> {
        let mut wire = self.open().await?;
        wire.request("session.hello", hello).await;
        let answer = wire.next("session.welcome").await?;
        match kind(&answer) {
            "session.welcome" => Ok(Session::new(wire, answer, features, self.agents())),
            other => broken(format!("the hello is answered with {other} {}", code(&answer))),
        }
    }

    /// Waits for the answer to a hello, or to another first frame, that must not be welcomed; returns the code of its refusal,
    /// or an empty text if the connection ends or nothing comes.
    pub(super) async fn unwelcome(&self, mut wire: Wire, why: &str) -> Judged<String> {
        loop {
            match wire.arrival(self.patience()).await {
                Arrival::Frame(frame) if kind(&frame) == "session.welcome" => {
                    return broken(format!("the runtime answers with session.welcome {why}"));
                }
                Arrival::Frame(frame) if matches!(kind(&frame), "session.error" | "job.error") => {
                    return Ok(code(&frame).to_owned());
                }
                Arrival::Frame(frame) if kind(&frame).starts_with("job.") => {
                    return broken(format!("the runtime sends {} {why}", kind(&frame)));
                }
                Arrival::Frame(_) | Arrival::Garbage => {}
                Arrival::Ended(_) | Arrival::Silence => return Ok(String::new()),
            }
        }
    }

    /// Attempts to resume a session, which must be refused; returns the code of the refusal.
    pub(super) async fn refused_resume(&self, hello: &Value, point: &Point, why: &str) -> Judged<String> {
        let mut wire = self.open().await?;
        wire.request("session.hello", hello).await;
        match wire.arrival(self.patience()).await {
            Arrival::Frame(frame) if kind(&frame) == "session.welcome" => {
                if text(&frame, "/session_id") == point.session_id {
                    return broken(format!("the session is resumed {why}"));
                }
                broken(format!("the runtime silently opens a new session {why}"))
            }
            Arrival::Frame(frame) => Ok(code(&frame).to_owned()),
            Arrival::Garbage => broken("a message that is no JSON object came".to_owned()),
            Arrival::Ended(_) => Ok(String::new()),
            Arrival::Silence => broken(format!("the runtime is silent {why}")),
        }
    }
}
