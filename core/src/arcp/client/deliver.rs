//! Numbered frames: each to the handles that follow its job, once and in order.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::chunks::{Stream, Taken};
use super::event::{ClientEvent, LostReason, RequestFailure};
use super::receive::Frame;
use super::requests::What;
use super::sequence::Arrival;
use super::track::{JobKey, Role, Track};
use super::types::{ChunkEvent, HandleId, JobEvent, Outcome, Product};
use super::{Client, ClientConfig};
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::reply::read::{self, EventFrame, EventKind, Raw, Timestamp, payload};
use crate::json::Text;

impl Client {
    /// `job.event`. `counted`: it comes from the wire; else it was held, and counted when it came.
    pub(super) fn job_event(&mut self, frame: &Bytes, event: &EventFrame<'_>, counted: bool) {
        let seq = event.event_seq.map_or(0, |Int(seq)| seq);
        let Some(late) = self.arrive(seq, counted) else { return };
        let Some(job_id) = event.job_id.as_ref().map(Text::as_str) else { return };
        let Some(key) = self.route(job_id, seq, late, frame) else { return };
        let Some(payload) = &event.payload else { return };
        let kind = EventKind::parse(payload.kind.as_ref().map_or("", Text::as_str));
        let body = payload.body.map_or(Raw::NULL, |body| Raw::new(frame, body));
        let ts = Timestamp::new(payload.ts.map_or("", RawValue::get));

        let before = if seq == 0 { self.last_seq() } else { seq.saturating_sub(1) };
        let Some(job) = self.tracks.jobs.get(key) else { return };
        let mut delivered = false;
        for handle in &job.members {
            let Some(track) = self.tracks.handles.get_mut(*handle) else { continue };
            if !track.takes(seq) {
                continue;
            }
            delivered = true;
            if track.released {
                continue;
            }
            let event = JobEvent { handle: *handle, seq, kind: kind.clone(), body: body.clone(), ts };
            let Some(event) = chunk_or_event(&self.config, track, frame, event) else { continue };
            self.out.event(&self.config, self.now, event, before, frame.len());
        }
        self.delivered(key, seq, late, delivered);
    }

    /// `job.result` or `job.error`: the end of a job (§7.3), or what some runtimes refuse a submit with.
    pub(super) fn terminal(&mut self, frame: &Bytes, envelope: &Frame<'_>, counted: bool) {
        let seq = envelope.event_seq.map_or(0, |Int(seq)| seq);
        let Some(late) = self.arrive(seq, counted) else { return };
        let end: read::Terminal<'_> = payload(envelope);
        let error: read::Error<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let Some(job_id) = on_envelope.or(end.job_id.as_str()) else { return };
        let kind = envelope.kind.as_ref().map_or("", Text::as_str);
        if counted && kind == "job.error" && self.refuses_submit(job_id, &error) {
            let submit = self.requests.oldest(|request| matches!(request.what, What::Submit(_)));
            if let Some((id, fault)) = submit.zip(error.fault(frame)) {
                if self.tracks.find(job_id).is_none() {
                    self.tracks.retire(Arc::from(job_id));
                }
                return self.fail(id, RequestFailure::Refused(fault));
            }
        }
        let Some(key) = self.route(job_id, seq, late, frame) else { return };
        let Some(job) = self.tracks.jobs.get(key) else { return };
        let fault = error.fault(frame);
        let (own, members) = (job.own, job.members.clone());
        let mut delivered = false;
        for handle in members {
            let Some(track) = self.tracks.handles.get_mut(handle) else { continue };
            if !track.takes(seq) {
                continue;
            }
            delivered = true;
            let outcome = Box::new(Outcome {
                status: end.status(kind, fault.as_ref()),
                seq,
                result: product(track, &end, frame),
                summary: end.summary.owned(),
                fault: fault.clone(),
                completed_at: end.completed_at.owned(),
            });
            if track.role == Role::Subscribe && track.asked.is_some() {
                track.parked = Some(outcome);
            } else {
                self.end(handle, outcome, frame.len());
            }
        }
        if let Some(session) = self.session.as_mut().filter(|_| delivered) {
            session.seq.delivered(seq, own, late && seq != 0);
        }
    }

    /// A handle's job has ended: its cancels are answered by that, the terminal is the last it sees.
    pub(super) fn end(&mut self, handle: HandleId, outcome: Box<Outcome>, bytes: usize) {
        let Some(track) = self.tracks.remove(handle) else { return };
        for cancel in track.cancels {
            if self.requests.remove(cancel.request).is_some() {
                self.emit(ClientEvent::Cancelled { request: cancel.request, handle, acknowledged: false }, 0);
            }
        }
        if !track.released {
            let before = if outcome.seq == 0 { self.last_seq() } else { outcome.seq.saturating_sub(1) };
            self.out.event(&self.config, self.now, ClientEvent::Terminal { handle, outcome }, before, bytes);
        }
    }

    /// Hands out what was held for a job that is known now.
    pub(super) fn release_held(&mut self, job_id: &str) {
        for frame in self.held.take(job_id) {
            let Ok(text) = core::str::from_utf8(&frame) else { continue };
            if let Some(event) = EventFrame::parse(text) {
                self.job_event(&frame, &event, false);
            } else if let Ok(envelope) = Frame::parse(text) {
                self.terminal(&frame, &envelope, false);
            }
        }
    }

    /// Counts a number: whether it is late, or `None` if the frame is of no use now.
    fn arrive(&mut self, seq: u64, counted: bool) -> Option<bool> {
        // Before its first welcome a client has no session, and no numbers.
        let session = self.session.as_mut()?;
        if seq == 0 || !counted {
            return Some(false);
        }
        match session.seq.arrive(seq) {
            Arrival::Next => Some(false),
            Arrival::Late => Some(true),
            Arrival::Gap { from, to } => {
                self.drop_transport(1000, "event numbers are missing");
                self.lose(LostReason::Gap { from, to });
                None
            }
            Arrival::Lost { from, to } => {
                self.emit(ClientEvent::Gap { from, to }, 0);
                Some(false)
            }
        }
    }

    /// The job a frame is for. One that is not known yet is held, one that is over is dropped.
    fn route(&mut self, job_id: &str, seq: u64, late: bool, frame: &Bytes) -> Option<JobKey> {
        if let Some(key) = self.tracks.find(job_id) {
            return Some(key);
        }
        if late || !is_plain(job_id) || self.tracks.is_retired(job_id) {
            return None;
        }
        self.held.push(job_id, seq, frame.clone());
        while let Some(dropped) = self.held.overflow(self.config.held_events, self.config.held_bytes) {
            self.emit(ClientEvent::Gap { from: dropped, to: dropped }, 0);
        }
        None
    }

    /// Whether a `job.error` is no end of a job: it is the first that is heard of it, or it says that another submit
    /// had its key.
    fn refuses_submit(&mut self, job_id: &str, error: &read::Error<'_>) -> bool {
        let unheard = self.tracks.find(job_id).is_none() && !self.tracks.is_retired(job_id) && !self.held.holds(job_id);
        // In a session of a former client it may as well be a job of that one's.
        let inherited = self.session.as_ref().is_some_and(|session| session.inherited);
        (unheard && !inherited) || error.is_duplicate_of(job_id)
    }

    fn delivered(&mut self, key: JobKey, seq: u64, late: bool, delivered: bool) {
        let own = self.tracks.jobs.get(key).is_some_and(|job| job.own);
        if let Some(session) = self.session.as_mut().filter(|_| delivered) {
            session.seq.delivered(seq, own, late);
        }
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.seq.last())
    }
}

/// What an event is to its handle: a chunk in its place, or itself.
fn chunk_or_event(config: &ClientConfig, track: &mut Track, frame: &Bytes, event: JobEvent) -> Option<ClientEvent> {
    if event.kind != EventKind::ResultChunk {
        return Some(ClientEvent::Job(event));
    }
    let JobEvent { handle, seq, .. } = event;
    let stream = track.stream.get_or_insert_default();
    match stream.take(config, frame, event.body.as_str()) {
        Taken::Chunk { chunk_seq, data, text, more } => {
            Some(ClientEvent::Chunk(ChunkEvent { handle, seq, chunk_seq, data, text, more }))
        }
        Taken::Skip => None,
        Taken::Unreadable => Some(ClientEvent::Job(event)),
        Taken::Broken(reason) => Some(ClientEvent::ChunkFault { handle, reason }),
    }
}

/// What a terminal has to show: chunks win over an inline `null`.
fn product(track: &mut Track, end: &read::Terminal<'_>, frame: &Bytes) -> Product {
    let (id, size) = (end.result_id.owned(), end.result_size.value());
    match (track.stream.take(), end.inline(frame)) {
        (Some(stream), _) => stream.product(id, size),
        (None, _) if id.is_some() => Stream::empty(id, size),
        (None, Some(result)) => Product::Inline(result),
        (None, None) => Product::None,
    }
}
