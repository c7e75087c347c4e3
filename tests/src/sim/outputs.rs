//! Draining the runtime and the clients, and moving frames between them.

use std::hash::Hasher;

use bytes::Bytes;
use nuncio_core::arcp::{ConnId, Event, JobId, JobUlid, Output, ReplayRange, Via};
use nuncio_core::time::Time;
use serde_json::Value;

use super::host::MALLORY;
use super::link::{End, Link};
use super::{Sim, note};
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

    /// Acts on everything the runtime has put out, and compares it with what was foretold.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.runtime.poll_output() {
            self.observe(output);
        }
        self.let_go();
        self.model.step_over(self.now);
        self.model.conserved();
        Self::bounded(self.runtime.bytes_held(), self.params.log_events);
        self.links.retain(|_, link| !link.is_over());
    }

    /// What the runtime says is compared with what was foretold as soon as it says it; what depends on a record waits
    /// until that is committed, as in a driver.
    fn observe(&mut self, output: Output) {
        match &output {
            Output::Store { seq, record } => {
                assert_eq!(*seq, self.last_store + 1, "stores count on without gaps");
                self.last_store = *seq;
                self.stored(*seq, record);
                return;
            }
            Output::Send { conn, frame, after } => {
                // What tells of nothing that was stored does not wait for a journal that is stuck, nor do refusals of those
                // who have not been welcomed.
                let refusal = frame.windows(15).any(|part| part == br#""session.error""#);
                let free = (self.disk.paused || refusal) && *after < self.last_store;
                // An event waits for its own record at least, if it has one.
                let recorded = || match self.disk.record_of(frame) {
                    Some(record) => record <= *after,
                    None => !self.disk.is_kept() && frame.windows(12).any(|part| part == br#""event_seq":"#),
                };
                let waits = *after == self.last_store || (*after < self.last_store && recorded());
                assert!(waits || free, "a Send names the last store before it, or its own");
                self.digest.write(frame);
                self.announced(*conn, frame);
            }
            Output::Reading { conn } => assert!(self.runtime.reading(*conn), "Reading was told and is not so"),
            Output::Close { conn, code, .. } => {
                self.digest.write_u16(*code);
                let link = self.link_of(*conn);
                note(|| format!("  runtime closes link {link} ({code})"));
                let link = self.links.get_mut(&link).expect("an open link");
                assert!(!link.closed, "quiet: a connection is closed twice");
                link.closed = true;
            }
            Output::Event { event, after } => {
                assert_eq!(*after, self.last_store, "an Event names the last store before it");
                self.digest.write_u8(1);
                self.foretold(event);
            }
        }
        self.disk.held.push_back(output);
    }

    /// What depended on a record may happen now.
    pub(super) fn act(&mut self, output: Output) {
        match output {
            Output::Store { .. } | Output::Reading { .. } => {}
            Output::Send { conn, frame, .. } => self.send(conn, &frame),
            Output::Close { conn, .. } => {
                let number = self.link_of(conn);
                if let Some(link) = self.links.get_mut(&number).filter(|link| !link.runtime_done) {
                    link.runtime_done = true;
                    link.up.clear();
                    self.invariants.closed(conn);
                }
            }
            Output::Event { event, .. } => self.told(event),
        }
    }

    fn link_of(&self, conn: ConnId) -> usize {
        *self.by_conn.get(&conn).expect("a connection of this run")
    }

    /// The runtime has decided on a frame.
    fn announced(&mut self, conn: ConnId, bytes: &Bytes) {
        let number = self.link_of(conn);
        let text = std::str::from_utf8(bytes).expect("a frame is UTF-8");
        note(|| format!("  runtime -> {number}: {text}"));
        let link = self.links.get_mut(&number).filter(|link| !link.closed);
        let link = link.unwrap_or_else(|| panic!("quiet: a frame for a closed connection: {text}"));
        let End::Client(peer) = link.peer else { return };
        if text.contains("\"history_truncated\":true") {
            // It may be lost with its connection: the events are not.
            let frame = Frame::parse(text);
            self.model.truncated(frame["session_id"].as_str().unwrap_or_default(), frame.job());
        }
        if text.contains("\"session.welcome\"") {
            let frame = Frame::parse(text);
            let session = frame["session_id"].as_str().unwrap_or_default();
            assert!(!self.disk.paused, "ours: a session is begun while nothing can be stored: {text}");
            let features = self.peers[peer].checked_features(&frame);
            let principal = self.peers[peer].principal;
            self.count(if self.model.knows_session(session) { "resumed" } else { "welcomed" });
            self.model.opened(session, principal, features);
        }
    }

    /// A frame leaves the runtime, if its connection is still there.
    fn send(&mut self, conn: ConnId, bytes: &Bytes) {
        let number = self.link_of(conn);
        let text = std::str::from_utf8(bytes).expect("a frame is UTF-8");
        let frame = Frame::parse(text);
        let config = self.runtime.config();
        let (window, window_bytes) = (config.limits.send_window, config.limits.send_window_bytes);
        let Some(link) = self.links.get_mut(&number).filter(|link| !link.runtime_done) else { return };
        link.down_queue.push_back(bytes.clone());
        let outstanding: usize = link.down_queue.iter().map(Bytes::len).sum();
        assert!(link.down_queue.len() <= window, "bounded: {} frames are outstanding", link.down_queue.len());
        assert!(link.down_queue.len() == 1 || outstanding <= window_bytes, "bounded: {outstanding} bytes");
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
                self.model.shown(frame.job());
            }
            ("job.cancelled", Some(_)) => self.model.promised(frame.job()),
            ("job.subscribed", Some(_)) => self.model.answered(session, frame.job()),
            _ => {}
        }
        self.host.shows(text);
        // A resumed connection is shown again what was compared before.
        if frame.seq().is_some() {
            self.count(if new { "numbered" } else { "replayed" });
            if new && self.model.knows_session(session) {
                self.model.saw(session, &frame);
            }
        }
    }

    /// What a session is granted is what it asked for (§7.1).
    fn check_accepted(&self, frame: &Frame) {
        let id = self.model.named(frame.job());
        let job = id.and_then(|id| self.model.job(id)).unwrap_or_else(|| panic!("an unknown job: {frame:?}"));
        let payload = frame.payload();
        assert_eq!(payload["lease"], job.lease, "§9.4 no_expansion: {frame:?}");
        let expires_at = payload["lease_constraints"]["expires_at"].as_str();
        assert_eq!(expires_at, job.expires_at.map(Time::to_rfc3339).as_deref(), "§9.5: {frame:?}");
    }

    /// Hands in frames of a peer, as far as the runtime reads; how many.
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
            if let (End::Client(_), Some(session)) = (peer, session) {
                self.foretell(&session, &frame);
            }
            self.runtime.handle_frame(self.now, conn, &frame);
            self.drain();
        }
        if self.links.get(&number).is_some_and(Link::up_ended) {
            self.end_up(number);
        }
        delivered
    }

    /// The runtime reads the end of the stream.
    fn end_up(&mut self, number: usize) {
        let Some(link) = self.links.get_mut(&number) else { return };
        link.runtime_done = true;
        link.closed = true;
        let conn = link.conn;
        note(|| format!("  runtime reads the end of link {number}"));
        self.invariants.closed(conn);
        self.runtime.handle_close(self.now, conn);
        // Late and repeated: normal.
        self.runtime.handle_close(self.now, conn);
        self.runtime.handle_sent(self.now, conn, 3);
        self.drain();
    }

    fn foretell(&mut self, session: &str, frame: &[u8]) {
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

    /// Gives what the runtime has sent to the socket.
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

    /// The wire id of a job the host was told of.
    pub(super) fn ulid(&self, job: JobId) -> JobUlid {
        self.host.names[&job]
    }

    /// The same for a job that may be from before a restart: if it is not kept any more, its terminal was stored last.
    fn ended_ulid(&self, job: JobId) -> Option<JobUlid> {
        let kept = || self.runtime.job(job).map(|view| view.id);
        self.host.names.get(&job).copied().or_else(kept).or(self.disk.last_ended)
    }

    /// What the host is going to be told, for the model.
    fn foretold(&mut self, event: &Event) {
        note(|| format!("  runtime tells {event:?}"));
        match event {
            Event::SessionClosed { session } => {
                self.count("session closed");
                self.model.closed(&session.to_string());
            }
            Event::Submitted { job, .. } => {
                let view = self.runtime.job(*job).expect("a job the host is asked about");
                let (principal, id) = (view.principal.to_string(), view.id);
                self.host.names.insert(*job, id);
                assert!(!self.disk.paused, "ours: {id} is new work while nothing can be stored");
                if principal != MALLORY {
                    self.model.submitted(id);
                    self.count("submitted");
                }
            }
            Event::RefusedFrame { .. } => {
                if self.disk.paused {
                    self.count("refused while stuck");
                }
                self.model.refused();
            }
            Event::Start { job } => {
                let id = self.ulid(*job);
                if self.model.job(id).is_some() {
                    self.model.started(id, self.now);
                }
            }
            Event::Cancel { job, .. } => {
                let id = self.ulid(*job);
                if self.model.job(id).is_some() {
                    self.model.told_to_stop(id);
                }
            }
            Event::Ended { job, status, fault, .. } => {
                let Some(id) = self.ended_ulid(*job).filter(|id| self.model.job(*id).is_some()) else { return };
                self.count(status.as_str());
                let code = fault.as_ref().map(|fault| fault.code.as_str());
                self.model.ended(id, status.as_str(), code, self.now);
            }
            Event::Subscription { principal, granted, .. } if **principal != *MALLORY => {
                self.model.subscription(*granted);
            }
            Event::Replay { replay, range: ReplayRange::Job { job, .. }, .. } => {
                self.host.reads.push((self.now, *replay, *job));
            }
            _ => {}
        }
    }

    fn told(&mut self, event: Event) {
        note(|| format!("  host is told {event:?}"));
        match event {
            Event::Submitted { .. } | Event::Authenticate { .. } | Event::Revoke { .. } | Event::Replay { .. } => {
                self.host.asks.push(event);
            }
            Event::Start { job } => self.host.running.push(job),
            Event::Cancel { job, .. } => drop(self.host.stopping.insert(job)),
            Event::Unblocked { job } => {
                self.count("unblocked");
                self.host.blocked.remove(&job);
            }
            Event::Ended { job, .. } => self.host.forget(job),
            _ => {}
        }
    }
}
