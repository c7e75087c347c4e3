//! Draining the runtime and the clients, and moving frames between them.

use std::hash::Hasher;

use bytes::Bytes;
use nuncio_core::arcp::{ConnId, Event, Output, Via};
use nuncio_core::time::Time;
use serde_json::Value;

use super::host::MALLORY;
use super::link::{End, Link};
use super::{Sim, note};
use crate::world::Frame;

impl Sim {
    pub(super) fn open(&mut self, peer: End, via: Via) -> usize {
        let conn = self.runtime.handle_open(self.now, via);
        self.invariants.opened(conn, self.runtime.config().frame_bytes);
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
            self.act(output);
        }
        self.model.step_over(self.now);
        self.model.conserved();
        Self::bounded(self.runtime.bytes_held(), self.params.log_events);
        self.links.retain(|_, link| !link.is_over());
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Store { seq, .. } => {
                assert_eq!(seq, self.last_store + 1, "stores count from 1 without gaps");
                self.last_store = seq;
            }
            Output::Send { conn, frame, after } => {
                assert_eq!(after, self.last_store, "a Send names the last store before it");
                self.digest.write(&frame);
                self.send(conn, &frame);
            }
            Output::Reading { conn } => assert!(self.runtime.reading(conn), "Reading was told and is not so"),
            Output::Close { conn, code, .. } => {
                self.digest.write_u16(code);
                let link = self.link_of(conn);
                note(|| format!("  runtime closes link {link} ({code})"));
                let link = self.links.get_mut(&link).expect("an open link");
                assert!(!link.runtime_done, "quiet: a connection is closed twice");
                link.runtime_done = true;
                link.up.clear();
                self.invariants.closed(conn);
            }
            Output::Event { event, after } => {
                assert_eq!(after, self.last_store, "an Event names the last store before it");
                self.digest.write_u8(1);
                self.told(event);
            }
        }
    }

    fn link_of(&self, conn: ConnId) -> usize {
        *self.by_conn.get(&conn).expect("a connection of this run")
    }

    fn send(&mut self, conn: ConnId, bytes: &Bytes) {
        let number = self.link_of(conn);
        let text = std::str::from_utf8(bytes).expect("a frame is UTF-8");
        note(|| format!("  runtime -> {number}: {text}"));
        let frame = Frame::parse(text);
        let config = self.runtime.config();
        let (window, window_bytes) = (config.send_window, config.send_window_bytes);
        let link = self.links.get_mut(&number).filter(|link| !link.runtime_done);
        let link = link.unwrap_or_else(|| panic!("quiet: a frame for a closed connection: {text}"));
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
            ("session.welcome", Some(peer)) => {
                let features = self.peers[peer].checked_features(&frame);
                let principal = self.peers[peer].principal;
                self.count(if self.model.knows_session(session) { "resumed" } else { "welcomed" });
                self.model.opened(session, principal, features);
            }
            ("session.error", Some(_)) => self.count("refused"),
            ("job.accepted", _) if self.model.knows_session(session) => self.check_accepted(&frame),
            _ => {}
        }
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
            let session = self.invariants.received(conn, &frame);
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

    fn told(&mut self, event: Event) {
        note(|| format!("  host is told {event:?}"));
        match event {
            Event::SessionClosed { session } => {
                self.count("session closed");
                self.model.closed(&session.to_string());
            }
            Event::Submitted { job, .. } => {
                let view = self.runtime.job(job).expect("a job the host is asked about");
                let (principal, name) = (view.principal.to_string(), view.id.to_string());
                if principal != MALLORY {
                    self.model.submitted(job, &name);
                    self.count("submitted");
                }
                self.host.asks.push(event);
            }
            Event::RefusedFrame { .. } => self.model.refused(),
            Event::Authenticate { .. } | Event::Revoke { .. } => self.host.asks.push(event),
            Event::Start { job } => {
                if self.model.job(job).is_some() {
                    self.model.started(job, self.now);
                }
                self.host.running.push(job);
            }
            Event::Cancel { job, .. } => {
                if self.model.job(job).is_some() {
                    self.model.told_to_stop(job);
                }
                self.host.stopping.insert(job);
            }
            Event::Unblocked { job } => {
                self.count("unblocked");
                self.host.blocked.remove(&job);
            }
            Event::Ended { job, status, fault, .. } => {
                if self.model.job(job).is_some() {
                    self.count(status.as_str());
                    let code = fault.as_ref().map(|fault| fault.code.as_str());
                    self.model.ended(job, status.as_str(), code, self.now);
                }
                self.host.forget(job);
            }
            Event::Subscription { principal, granted, .. } if &*principal != MALLORY => {
                self.model.subscription(granted);
            }
            _ => {}
        }
    }
}
