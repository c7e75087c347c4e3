//! A client whose frames go in as text and whose outputs come out as lines of text.

use core::time::Duration;

use bytes::Bytes;
use nuncio_core::arcp::FinalStatus;
use nuncio_core::arcp::client::{
    Client, ClientConfig, ClientEvent, ClientOutput, Failed, HandleId, LostReason, Product, RequestFailure, SubmitArgs,
    Subscribe,
};
use nuncio_core::time::Time;
use serde_json::Value;

/// Where every test's clock starts: 2026-11-21T00:00:00Z.
pub(crate) const START: Time = Time(1_795_219_200_000_000);
pub(crate) const SECOND: u64 = 1_000_000;

/// A client under test, and a record of what it has sent.
pub(crate) struct Harness {
    pub(crate) client: Client,
    pub(crate) now: Time,
    /// Every frame that the client has sent, oldest first.
    pub(crate) sent: Vec<Value>,
    /// The handles in the order in which they appeared. The lines call them `h0`, `h1` …
    pub(crate) handles: Vec<HandleId>,
    /// Whether each frame is reported as sent as soon as it is polled.
    pub(crate) reports_sent: bool,
    /// Whether each event is reported as taken as soon as it is polled.
    pub(crate) reports_taken: bool,
}

impl Harness {
    /// Returns a client that has no transport yet.
    pub(crate) fn idle(config: ClientConfig) -> Harness {
        let client = Client::new(config, [7; 32], START);
        Harness { client, now: START, sent: Vec::new(), handles: Vec::new(), reports_sent: true, reports_taken: true }
    }

    /// Returns a client in session `sess_1` that does not ask about silent jobs.
    pub(crate) fn live_unasking() -> Harness {
        Harness::live_with(ClientConfig::default().with(|config| config.silence_timeout = Duration::MAX))
    }

    /// Returns a client in session `sess_1` with all features.
    pub(crate) fn live() -> Harness {
        Harness::live_with(ClientConfig::default())
    }

    pub(crate) fn live_with(config: ClientConfig) -> Harness {
        let mut harness = Harness::idle(config);
        harness.open();
        harness.frame(&welcome("sess_1", "rt_1"));
        assert!(harness.sent.len() == 1, "only the hello was sent");
        harness
    }

    pub(crate) fn open(&mut self) -> Vec<String> {
        self.client.handle_open(self.now);
        self.drain()
    }

    /// Cuts the transport.
    pub(crate) fn cut(&mut self) -> Vec<String> {
        self.client.handle_close(self.now);
        self.drain()
    }

    /// Opens the next transport and welcomes the client to the resumed session.
    pub(crate) fn resume(&mut self) -> Vec<String> {
        let mut lines = self.open();
        lines.extend(self.frame(&welcome("sess_1", "rt_2")));
        lines
    }

    pub(crate) fn submit(&mut self) -> HandleId {
        self.submit_as(&SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() })
    }

    pub(crate) fn submit_as(&mut self, submit: &SubmitArgs<'_>) -> HandleId {
        let handle = self.client.submit(self.now, submit).unwrap();
        self.handles.push(handle);
        self.drain();
        handle
    }

    pub(crate) fn subscribe(&mut self, job: &str) -> HandleId {
        let subscribe = Subscribe { history: true, from_event_seq: None };
        let handle = self.client.subscribe(self.now, job, subscribe).unwrap();
        self.handles.push(handle);
        self.drain();
        handle
    }

    /// Submits a job, which the runtime accepts as `job`.
    pub(crate) fn job(&mut self, job: &str) -> HandleId {
        let handle = self.submit();
        let lines = self.frame(&accepted(job, Some(&self.id_of("job.submit"))));
        assert!(lines.iter().any(|line| line.contains("accepted")), "{lines:?}");
        handle
    }

    /// Passes one frame of the runtime to the client.
    pub(crate) fn frame(&mut self, text: &str) -> Vec<String> {
        self.client.handle_frame(self.now, &Bytes::copy_from_slice(text.as_bytes()));
        self.drain()
    }

    pub(crate) fn frames<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        texts.into_iter().flat_map(|text| self.frame(text)).collect()
    }

    /// Lets time pass, and calls the client at every deadline on the way.
    pub(crate) fn wait(&mut self, micros: u64) -> Vec<String> {
        let end = self.now.plus_micros(micros);
        let mut lines = Vec::new();
        while let Some((due, _)) = self.client.poll_timeout().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            lines.extend(self.drain());
            assert!(
                self.client.poll_timeout().is_none_or(|(next, _)| next > self.now),
                "a deadline is still due after it was handled"
            );
        }
        self.now = end;
        lines
    }

    /// Returns the id of the last frame of this type that was sent.
    pub(crate) fn id_of(&self, kind: &str) -> String {
        self.last(kind)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn last(&self, kind: &str) -> &Value {
        self.sent.iter().rev().find(|frame| frame["type"] == kind).unwrap_or_else(|| panic!("no {kind} was sent"))
    }

    /// Polls all outputs, and returns a line for each.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.client.poll_output() {
            lines.push(match output {
                ClientOutput::Send(frame) => {
                    let frame: Value = serde_json::from_slice(&frame).unwrap();
                    assert_eq!(frame["arcp"], "1.1");
                    let line = format!("> {}", frame["type"].as_str().unwrap());
                    self.sent.push(frame);
                    if self.reports_sent {
                        self.client.handle_sent(self.now, 1);
                    }
                    line
                }
                ClientOutput::Connect { attempt, resume, renew } => {
                    format!("connect {attempt} resume={resume}{}", if renew { " renew" } else { "" })
                }
                ClientOutput::CloseTransport { code, .. } => format!("drop {code}"),
                ClientOutput::Reading => "reading".to_owned(),
                ClientOutput::Event(event) => {
                    let line = self.line(&event);
                    if self.reports_taken {
                        self.client.handle_taken(self.now, 1);
                    }
                    line
                }
            });
        }
        lines
    }

    fn name(&mut self, handle: HandleId) -> String {
        let known = self.handles.iter().position(|other| *other == handle);
        let index = known.unwrap_or_else(|| {
            self.handles.push(handle);
            self.handles.len() - 1
        });
        format!("h{index}")
    }

    fn line(&mut self, event: &ClientEvent) -> String {
        match event {
            ClientEvent::Welcome(welcome) if welcome.resumed => format!("welcome again {}", welcome.session_id),
            ClientEvent::Welcome(welcome) => format!("welcome {}", welcome.session_id),
            ClientEvent::Lost(reason) => match reason {
                LostReason::Transport => "lost".to_owned(),
                LostReason::Heartbeat => "lost heartbeat".to_owned(),
                LostReason::Gap { from, to } => format!("lost gap {from}..={to}"),
                LostReason::Greeting => "lost greeting".to_owned(),
                LostReason::Refused(fault) => format!("lost {}", fault.code),
                LostReason::Replaced => "lost replaced".to_owned(),
                LostReason::Goodbye => "lost goodbye".to_owned(),
            },
            ClientEvent::Accepted { handle, accepted } => {
                format!("{} accepted {}", self.name(*handle), accepted.job_id)
            }
            ClientEvent::Child { handle, parent, accepted } => {
                let parent = parent.map_or_else(|| "-".to_owned(), |parent| self.name(parent));
                format!("{} child {} of {parent}", self.name(*handle), accepted.job_id)
            }
            ClientEvent::Subscribed { handle, subscribed } => {
                format!("{} subscribed {} replayed={}", self.name(*handle), subscribed.job_id, subscribed.replayed)
            }
            ClientEvent::Credentials { handle, credentials } => {
                let values: Vec<&str> = credentials.iter().map(|credential| credential.value.expose()).collect();
                format!("{} credentials {}", self.name(*handle), values.join(","))
            }
            ClientEvent::Job(event) => {
                format!("{} #{} {} {}", self.name(event.handle), event.seq, event.kind.as_str(), event.body.as_str())
            }
            ClientEvent::Chunk(chunk) => {
                let (handle, data) = (self.name(chunk.handle), String::from_utf8_lossy(&chunk.data).into_owned());
                format!("{handle} #{} chunk {} {data:?} more={}", chunk.seq, chunk.chunk_seq, chunk.more)
            }
            ClientEvent::ChunkFault { handle, reason } => format!("{} chunk fault: {reason}", self.name(*handle)),
            ClientEvent::Terminal { handle, outcome } => {
                let status = match outcome.status {
                    FinalStatus::Success => "success",
                    FinalStatus::Error => "error",
                    FinalStatus::Cancelled => "cancelled",
                    FinalStatus::TimedOut => "timed_out",
                };
                let product = match &outcome.result {
                    Product::None => "nothing".to_owned(),
                    Product::Inline(json) => json.as_str().to_owned(),
                    Product::Streamed { bytes, complete, .. } => format!("streamed {bytes} complete={complete}"),
                    Product::Unknown => "unknown".to_owned(),
                };
                let fault = outcome.fault.as_ref().map_or_else(String::new, |fault| format!(" {}", fault.code));
                format!("{} #{} {status} {product}{fault}", self.name(*handle), outcome.seq)
            }
            ClientEvent::Cancelled { handle, acknowledged, .. } => {
                format!("{} cancelled acknowledged={acknowledged}", self.name(*handle))
            }
            ClientEvent::Jobs { page, .. } => {
                let ids: Vec<&str> = page.jobs.iter().map(|row| row.job_id.as_str()).collect();
                format!("jobs [{}] next={:?}", ids.join(","), page.next_cursor)
            }
            ClientEvent::Answered { answered, .. } => {
                let value = answered.value.as_ref().map_or("-", |value| value.as_str());
                format!("answered {} {:?} {value} by={:?}", answered.question_id, answered.outcome, answered.by)
            }
            ClientEvent::Questions { page, .. } => {
                let ids = page.questions.iter().map(|open| format!("{}/{}", open.job_id, open.question.question_id));
                format!("questions {:?} next={:?}", ids.collect::<Vec<_>>(), page.next_cursor)
            }
            ClientEvent::Sessions { page, .. } => {
                let ids: Vec<&str> = page.sessions.iter().map(|row| row.session_id.as_str()).collect();
                format!("sessions {ids:?} next={:?}", page.next_cursor)
            }
            ClientEvent::Status { status, .. } => format!("status {:?}", status.uptime),
            ClientEvent::RequestFailed { request, why } => {
                let what = match request {
                    Failed::Submit(handle) => format!("{} submit", self.name(*handle)),
                    Failed::Subscribe(handle) => format!("{} subscribe", self.name(*handle)),
                    Failed::Cancel(_, handle) => format!("{} cancel", self.name(*handle)),
                    Failed::List(_) => "list".to_owned(),
                    Failed::Answer(_) => "answer".to_owned(),
                    Failed::Questions(_) => "questions".to_owned(),
                    Failed::Sessions(_) => "sessions".to_owned(),
                    Failed::Status(_) => "status".to_owned(),
                };
                let why = match &**why {
                    RequestFailure::Refused(fault) => fault.code.clone(),
                    RequestFailure::TimedOut => "timed out".to_owned(),
                    RequestFailure::NotNegotiated(feature) => format!("without {feature}"),
                    RequestFailure::TooLarge { .. } => "too large".to_owned(),
                    RequestFailure::Closed => "closed".to_owned(),
                };
                format!("{what} failed: {why}")
            }
            ClientEvent::Notice(fault) => format!("notice {}", fault.code),
            ClientEvent::Gap { from, to } => format!("gap {from}..={to}"),
            ClientEvent::Closed(reason) => format!("closed: {reason}"),
        }
    }
}

/// All features of §6.2, as a runtime lists them.
pub(crate) const FEATURES: &str = r#"["heartbeat","ack","list_jobs","subscribe","lease_expires_at","cost.budget","model.use","provisioned_credentials","progress","result_chunk","agent_versions"]"#;

pub(crate) fn welcome(session: &str, token: &str) -> String {
    welcome_with(session, token, "", FEATURES)
}

/// Returns a welcome. `more` has further members of its payload, each followed by a comma.
pub(crate) fn welcome_with(session: &str, token: &str, more: &str, features: &str) -> String {
    format!(
        r#"{{"arcp":"1.1","id":"w","type":"session.welcome","session_id":"{session}","payload":{{{more}"runtime":{{"name":"r","version":"1"}},"resume_token":"{token}","resume_window_sec":600,"capabilities":{{"encodings":["json"],"features":{features},"agents":["echo"]}}}}}}"#
    )
}

pub(crate) fn accepted(job: &str, request: Option<&str>) -> String {
    let request = request.map_or_else(String::new, |id| format!(r#","request_id":"{id}""#));
    format!(
        r#"{{"arcp":"1.1","id":"a","type":"job.accepted","session_id":"sess_1","job_id":"{job}","payload":{{"job_id":"{job}","agent":"echo","lease":{{}},"accepted_at":"2026-11-21T00:00:00.000Z"{request}}}}}"#
    )
}

pub(crate) fn event(job: &str, seq: u64) -> String {
    kind(job, seq, "log", &format!(r#"{{"n":{seq}}}"#))
}

pub(crate) fn kind(job: &str, seq: u64, kind: &str, body: &str) -> String {
    format!(
        r#"{{"arcp":"1.1","id":"e{seq}","type":"job.event","session_id":"sess_1","job_id":"{job}","event_seq":{seq},"payload":{{"kind":"{kind}","ts":"2026-11-21T00:00:00.000Z","body":{body}}}}}"#
    )
}

pub(crate) fn result(job: &str, seq: u64, members: &str) -> String {
    format!(
        r#"{{"arcp":"1.1","id":"r{seq}","type":"job.result","session_id":"sess_1","job_id":"{job}","event_seq":{seq},"payload":{{{members}}}}}"#
    )
}

pub(crate) fn job_error(job: &str, seq: u64, members: &str) -> String {
    result(job, seq, members).replace("job.result", "job.error")
}

pub(crate) fn success(job: &str, seq: u64) -> String {
    result(job, seq, r#""final_status":"success","result":1"#)
}

/// Returns a `session.error` with these members in its payload.
pub(crate) fn error(members: &str) -> String {
    format!(r#"{{"arcp":"1.1","id":"x","type":"session.error","session_id":"sess_1","payload":{{{members}}}}}"#)
}

/// Returns a frame of the session with this type and these members in its payload.
pub(crate) fn plain(kind: &str, members: &str) -> String {
    format!(r#"{{"arcp":"1.1","id":"p","type":"{kind}","session_id":"sess_1","payload":{{{members}}}}}"#)
}
