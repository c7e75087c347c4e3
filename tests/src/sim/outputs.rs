//! Draining the runtime and the clients, and moving frames between them.

use std::hash::Hasher;

use bytes::Bytes;
use nuncio_core::arcp::{ConnId, Event, JobKey, JobUlid, Output, ReplayRange, Via};
use nuncio_core::time::Time;
use serde_json::Value;

use super::Sim;
use super::host::MALLORY;
use super::link::{End, Link};
use super::model::rules;
use crate::seeded::note;
use crate::world::Frame;

impl Sim {
    pub(super) fn open(&mut self, peer: End, via: Via) -> usize {
        let conn = self.runtime.handle_open(self.now, via);
        self.invariants.opened(conn, self.runtime.config().limits.frame_bytes);
        let link = self.next_link;
        self.next_link += 1;
        note(|| format!("{} link {link} opens for {peer:?}", self.now.to_rfc3339()));
        self.links.insert(link, Link::new(peer, conn));
        self.by_conn.insert(conn, link);
        self.drain();
        link
    }

    /// Processes all outputs of the runtime and compares them with the model.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.runtime.poll_output() {
            self.observe(output);
        }
        self.release_held();
        self.model.step_over(self.now);
        self.model.check_budgets();
        Self::memory_is_bounded(self.runtime.bytes_held(), self.params.log_events);
        self.links.retain(|_, link| !link.is_over());
    }

    /// Compares an output with the model as soon as the runtime produces it. Outputs that depend on a record are
    /// performed once it is committed, as in a driver.
    fn observe(&mut self, output: Output) {
        match &output {
            Output::Store { seq, record } => {
                assert_eq!(*seq, self.last_store + 1, "store numbers have no gap");
                self.last_store = *seq;
                self.stored(*seq, record);
                return;
            }
            Output::Send { conn, frame, after, .. } => {
                // Frames that depend on no record do not wait for a stalled journal; nor do refusals before the
                // welcome.
                let refusal = frame.windows(15).any(|part| part == br#""session.error""#);
                let free = (self.disk.paused || refusal) && *after < self.last_store;
                // An event waits at least for its own record, if it has one.
                let recorded = || match self.disk.record_of(frame) {
                    Some(record) => record <= *after,
                    None => !self.disk.is_kept() && frame.windows(12).any(|part| part == br#""event_seq":"#),
                };
                let waits = *after == self.last_store || (*after < self.last_store && recorded());
                assert!(waits || free, "a Send names the last store before it, or its own record");
                self.digest.write(frame);
                self.observe_frame(*conn, frame);
            }
            Output::Reading { conn } => {
                assert!(self.runtime.reading(*conn), "Reading was announced, but the connection is not read from");
            }
            Output::Close { conn, code, .. } => {
                self.digest.write_u16(*code);
                let link = self.link_of(*conn);
                note(|| format!("  runtime closes link {link} ({code})"));
                let link = self.links.get_mut(&link).expect("an open link");
                assert!(!link.closed, "a connection is closed twice");
                link.closed = true;
            }
            Output::Event { event, after } => {
                assert_eq!(*after, self.last_store, "an Event names the last store before it");
                self.digest.write_u8(1);
                self.predict_event(event);
            }
        }
        self.disk.held.push_back(output);
    }

    /// Performs an output whose records are committed.
    pub(super) fn deliver(&mut self, output: Output) {
        match output {
            Output::Store { .. } | Output::Reading { .. } => {}
            Output::Send { conn, frame, .. } => self.send(conn, &frame),
            Output::Close { conn, code, .. } => {
                let number = self.link_of(conn);
                if let Some(link) = self.links.get_mut(&number).filter(|link| !link.runtime_done) {
                    link.runtime_done = true;
                    link.code = Some(code);
                    link.up.clear();
                    self.invariants.closed(conn);
                }
            }
            Output::Event { event, .. } => self.deliver_event(event),
        }
    }

    /// Gives the link of a connection to the one that the connection has become.
    pub(super) fn moves(&mut self, conn: ConnId, moved: ConnId) {
        let link = self.link_of(conn);
        self.by_conn.insert(moved, link);
        self.invariants.moves(conn, moved);
        if let Some(link) = self.links.get_mut(&link) {
            link.conn = moved;
        }
    }

    pub(super) fn link_of(&self, conn: ConnId) -> usize {
        *self.by_conn.get(&conn).expect("a connection of this run")
    }

    /// Compares a frame with the model when the runtime produces it.
    fn observe_frame(&mut self, conn: ConnId, bytes: &Bytes) {
        let number = self.link_of(conn);
        let text = std::str::from_utf8(bytes).expect("a frame is UTF-8");
        note(|| format!("  runtime -> {number}: {text}"));
        let link = self.links.get_mut(&number).filter(|link| !link.closed);
        let link = link.unwrap_or_else(|| panic!("a frame for a closed connection: {text}"));
        let End::Client(peer) = link.peer else { return };
        if text.contains("\"history_truncated\":true") {
            // The frame may be lost with its connection, but the events it announces are not.
            let frame = Frame::parse(text);
            self.model.history_truncated(frame["session_id"].as_str().unwrap_or_default(), frame.job());
        }
        if text.contains("\"session.welcome\"") {
            let frame = Frame::parse(text);
            let session = frame["session_id"].as_str().unwrap_or_default();
            assert!(!self.disk.paused, "ours: a session starts while the journal is stalled: {text}");
            let features = self.peers[peer].checked_features(&frame);
            let principal = self.peers[peer].principal;
            self.count(if self.model.knows_session(session) { "resumed" } else { "welcomed" });
            self.model.opened(session, principal, features);
        }
    }

    /// Sends a frame if its connection is still open.
    fn send(&mut self, conn: ConnId, bytes: &Bytes) {
        let number = self.link_of(conn);
        let text = std::str::from_utf8(bytes).expect("a frame is UTF-8");
        let frame = Frame::parse(text);
        let config = self.runtime.config();
        let (window, window_bytes) = (config.limits.send_window, config.limits.send_window_bytes);
        let Some(link) = self.links.get_mut(&number).filter(|link| !link.runtime_done) else { return };
        link.down_queue.push_back(bytes.clone());
        let outstanding: usize = link.down_queue.iter().map(Bytes::len).sum();
        assert!(link.down_queue.len() <= window, "ours: {} frames are outstanding", link.down_queue.len());
        assert!(link.down_queue.len() == 1 || outstanding <= window_bytes, "ours: {outstanding} bytes are outstanding");
        let honest = match link.peer {
            End::Client(peer) => Some(peer),
            End::Hostile(_) => None,
        };
        let new = self.invariants.sent(conn, &frame);
        let session = frame["session_id"].as_str().unwrap_or_default();
        match (frame.kind(), honest) {
            ("session.error", Some(_)) => self.count("refused"),
            ("job.accepted", _) if self.model.knows_session(session) => {
                self.check_accepted(&frame);
                self.model.accepted_sent(frame.job());
            }
            ("job.cancelled", Some(_)) => self.model.cancelled_sent(frame.job()),
            ("x-vendor.nuncio.answered", Some(_)) => self.model.answer_sent(frame.payload()),
            ("job.subscribed", Some(_)) => self.model.answered(session, frame.job()),
            ("x-vendor.nuncio.status", _) => {
                rules::only_operators_read_the_state(session, self.model.is_operated(session));
                self.count("state read");
            }
            _ => {}
        }
        self.host.shows(text);
        // A resumed connection repeats frames that were compared before.
        if frame.seq().is_some() {
            self.count(if new { "numbered" } else { "replayed" });
            if new && self.model.knows_session(session) {
                self.model.record_sent(session, &frame);
            }
        }
    }

    /// §7.1: what a session is granted is what it requested.
    fn check_accepted(&self, frame: &Frame) {
        let id = self.model.named(frame.job());
        let job = id.and_then(|id| self.model.job(id)).unwrap_or_else(|| panic!("an unknown job: {frame:?}"));
        let payload = frame.payload();
        assert_eq!(payload["lease"], job.lease, "§7.1: a different lease was granted: {frame:?}");
        let expires_at = payload["lease_constraints"]["expires_at"].as_str();
        assert_eq!(
            expires_at,
            job.expires_at.map(Time::to_rfc3339).as_deref(),
            "§7.1: a different expiry was granted: {frame:?}"
        );
    }

    /// Hands frames of a peer to the runtime as long as it reads; returns how many.
    pub(super) fn deliver_up(&mut self, number: usize, frames: usize) -> usize {
        let mut delivered = 0;
        while delivered < frames {
            let Some(link) = self.links.get_mut(&number) else { break };
            let (conn, peer) = (link.conn, link.peer);
            if link.runtime_done || !self.runtime.reading(conn) {
                break;
            }
            let Some(frame) = link.up.pop_front() else { break };
            delivered += 1;
            note(|| format!("{} {number} -> runtime: {}", self.now.to_rfc3339(), String::from_utf8_lossy(&frame)));
            let session = self.invariants.received(conn, &frame, self.last_store);
            let mut ends = None;
            if let (End::Client(_), Some(session)) = (peer, session) {
                self.predict(&session, &frame);
                ends = self.ended_question(&session, &frame).filter(|_| self.runtime.is_greeted(conn));
            }
            self.runtime.handle_frame(self.now, conn, &frame);
            self.drain();
            if let Some((job, question)) = ends {
                rules::a_fitting_answer_is_taken(job, &question, self.model.is_open(job, &question));
            }
        }
        if self.links.get(&number).is_some_and(Link::up_ended) {
            self.end_up(number);
        }
        delivered
    }

    /// Lets the runtime read the end of the stream.
    fn end_up(&mut self, number: usize) {
        let Some(link) = self.links.get_mut(&number) else { return };
        link.runtime_done = true;
        link.closed = true;
        let conn = link.conn;
        note(|| format!("  runtime reads the end of link {number}"));
        self.invariants.closed(conn);
        self.runtime.handle_close(self.now, conn);
        // Late and repeated reports are allowed.
        self.runtime.handle_close(self.now, conn);
        self.runtime.handle_sent(self.now, conn, 3);
        self.drain();
    }

    /// Returns the question that a frame ends: one that is open, if the frame is an answer that fits and the runtime can
    /// store it.
    fn ended_question(&self, session: &str, frame: &[u8]) -> Option<(JobUlid, String)> {
        let value = serde_json::from_slice::<Value>(frame).ok()?;
        let is_stuck = self.disk.paused || self.last_store - self.disk.committed > 1_000;
        let is_answer = value["type"] == "x-vendor.nuncio.answer" && !is_stuck;
        if is_answer { self.model.ends(session, &value["payload"]) } else { None }
    }

    fn predict(&mut self, session: &str, frame: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(frame) else { return };
        let payload = &value["payload"];
        let job = payload["job_id"].as_str().unwrap_or_default();
        match value["type"].as_str().unwrap_or_default() {
            "job.submit" => self.model.submit(session, payload),
            "job.cancel" => {
                self.count("cancel");
                self.model.cancel(session, job, self.now);
            }
            "job.subscribe" => {
                self.count("subscribe");
                self.model.subscribe(session, job, payload["history"] == true);
            }
            "job.unsubscribe" => self.model.unsubscribe(session, job),
            "session.ack" => {
                self.count("ack");
                self.model.acked(session);
            }
            _ => {}
        }
    }

    /// Writes frames of the runtime to the socket and reports them; returns how many.
    pub(super) fn write_down(&mut self, number: usize, frames: usize) -> usize {
        let Some(link) = self.links.get_mut(&number) else { return 0 };
        let written = link.write_down(frames);
        if written > 0 && !link.runtime_done {
            let conn = link.conn;
            self.runtime.handle_sent(self.now, conn, written);
            self.drain();
        }
        written
    }

    /// Returns the wire id of a job that the host knows.
    pub(super) fn ulid(&self, job: JobKey) -> JobUlid {
        self.host.names[&job]
    }

    /// Returns the wire id of an ended job. The host may know it only from before a restart; if the runtime no longer
    /// keeps it, its terminal was stored last.
    fn ended_ulid(&self, job: JobKey) -> Option<JobUlid> {
        let kept = || self.runtime.job(job).map(|view| view.id);
        self.host.names.get(&job).copied().or_else(kept).or(self.disk.last_ended)
    }

    /// Compares an event with the model when the runtime produces it.
    fn predict_event(&mut self, event: &Event) {
        note(|| format!("  runtime emits {event:?}"));
        match event {
            Event::SessionLive { session, dialect, .. } => {
                self.invariants.checker.live(&session.to_string(), *dialect);
            }
            Event::SessionClosed { session } => {
                self.count("session closed");
                self.model.closed(&session.to_string());
            }
            Event::Submitted { job, .. } => {
                let view = self.runtime.job(*job).expect("a job the host is asked about");
                let (principal, id) = (view.principal.to_string(), view.id);
                self.host.names.insert(*job, id);
                assert!(!self.disk.paused, "ours: {id} is new work while the journal is stalled");
                if principal != MALLORY {
                    self.model.submitted(id);
                    self.count("submitted");
                }
            }
            Event::RefusedFrame { .. } => {
                if self.disk.paused {
                    self.count("refused while stalled");
                }
                self.model.refused();
            }
            Event::Start { job } => {
                // It may have been submitted before a restart.
                let id = self.runtime.job(*job).expect("a job that is started").id;
                self.host.names.insert(*job, id);
                if self.model.job(id).is_some() {
                    self.model.started(id, self.now);
                }
            }
            Event::Cancel { job, .. } => {
                let id = self.ulid(*job);
                if self.model.job(id).is_some() {
                    self.model.asked_to_stop(id);
                }
            }
            Event::Ended { job, status, fault, .. } => {
                let Some(id) = self.ended_ulid(*job).filter(|id| self.model.job(*id).is_some()) else { return };
                self.count(status.as_str());
                let code = fault.as_ref().map(|fault| fault.code.as_str());
                self.model.ended(id, status.as_str(), code, self.now);
            }
            Event::Answered { job, question, answer } => self.question_ended(*job, *question, answer),
            Event::Subscription { principal, granted, .. } if **principal != *MALLORY => {
                self.model.subscription(*granted);
            }
            Event::Replay { replay, range: ReplayRange::Job { job, .. }, .. } => {
                self.host.reads.push((self.now, *replay, *job));
            }
            _ => {}
        }
    }

    fn deliver_event(&mut self, event: Event) {
        note(|| format!("  host receives {event:?}"));
        match event {
            Event::Submitted { .. }
            | Event::Authenticate { .. }
            | Event::Revoke { .. }
            | Event::Replay { .. }
            | Event::Status { .. } => {
                self.host.questions.push(event);
            }
            Event::Start { job } => {
                self.host.running.push(job);
                self.repeat_operations(job);
            }
            Event::Cancel { job, .. } => drop(self.host.stopping.insert(job)),
            Event::Unblocked { job } => {
                self.count("unblocked");
                self.host.blocked.remove(&job);
            }
            Event::Ended { job, .. } => self.host.forget(job),
            Event::Answered { job, question, .. } => {
                if let Some(operation) = self.host.undecided.remove(&(job, question)) {
                    self.host.decided.push((job, operation));
                }
            }
            _ => {}
        }
    }
}
