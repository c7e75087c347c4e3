//! Numbered frames: each is delivered once and in order to the handles that follow its job (§8.2, §8.3).

use alloc::boxed::Box;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Client;
use super::chunks::{Stream, Taken};
use super::config::ClientLimits;
use super::event::{ClientEvent, LostReason, RequestFailure};
use super::jobs::JobKey;
use super::requests::{Ask, Request};
use super::sequence::Arrival;
use super::session::Session;
use super::types::{ChunkEvent, JobEvent, Outcome, Product};
use crate::arcp::wire::envelope::{Envelope, Int};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::reply::read::{self, EventFrame, EventKind, Raw, Timestamp, payload};
use crate::json::Text;

impl Client {
    /// Takes a `job.event` from the transport.
    pub(super) fn on_event(&mut self, frame: &Bytes, event: &EventFrame<'_>) {
        let seq = event.event_seq.map_or(0, |Int(seq)| seq);
        if let Some(late) = self.arrive(seq) {
            self.deliver_event(frame, event, seq, late);
        }
    }

    /// Takes a `job.result` or `job.error` from the transport: the end of a job (§7.3), or the form in which some
    /// runtimes refuse a submit.
    pub(super) fn on_terminal(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let seq = envelope.event_seq.map_or(0, |Int(seq)| seq);
        let Some(late) = self.arrive(seq) else { return };
        let terminal: read::Terminal<'_> = payload(envelope);
        if !self.submit_refused(frame, envelope, &terminal) {
            self.deliver_terminal(frame, envelope, &terminal, seq, late);
        }
    }

    /// Delivers the frames that were held for a job that is known now. Their numbers were counted when they arrived.
    pub(super) fn release_held(&mut self, job_id: &str) {
        for frame in self.held.take(job_id) {
            let Ok(text) = core::str::from_utf8(&frame) else { continue };
            if let Some(event) = EventFrame::parse(text) {
                let seq = event.event_seq.map_or(0, |Int(seq)| seq);
                self.deliver_event(&frame, &event, seq, false);
            } else if let Ok(envelope) = Envelope::parse(text) {
                let seq = envelope.event_seq.map_or(0, |Int(seq)| seq);
                self.deliver_terminal(&frame, &envelope, &payload(&envelope), seq, false);
            }
        }
    }

    /// Records the number of a frame. Returns whether it is late, or `None` if the frame is to be dropped.
    fn arrive(&mut self, seq: u64) -> Option<bool> {
        // Before its first welcome the client has no session, and so no numbers.
        let session = self.session.as_mut()?;
        if seq == 0 {
            return Some(false);
        }
        match session.arrive(seq) {
            Arrival::Next => Some(false),
            Arrival::Late => Some(true),
            Arrival::Gap { from, to } => {
                self.close_transport(1000, "event numbers are missing");
                self.lose(LostReason::Gap { from, to });
                None
            }
            Arrival::Lost { from, to } => {
                self.emit(ClientEvent::Gap { from, to }, 0);
                Some(false)
            }
        }
    }

    /// Returns the job that a frame belongs to. A frame of an unknown job is held, and one of a retired job is dropped.
    fn route(&mut self, job_id: &str, seq: u64, late: bool, frame: &Bytes) -> Option<JobKey> {
        if let Some(job) = self.jobs.find(job_id) {
            return Some(job);
        }
        if late || !is_plain(job_id) || self.jobs.is_retired(job_id) {
            return None;
        }
        self.held.push(job_id, seq, frame.clone());
        while let Some(dropped) = self.held.drop_excess(&self.config.limits) {
            self.emit(ClientEvent::Gap { from: dropped, to: dropped }, 0);
        }
        None
    }

    /// Delivers an event to the handles that follow its job.
    fn deliver_event(&mut self, frame: &Bytes, event: &EventFrame<'_>, seq: u64, late: bool) {
        let Some(job_id) = event.job_id.as_ref().map(Text::as_str) else { return };
        let Some(job) = self.route(job_id, seq, late, frame) else { return };
        let Some(payload) = &event.payload else { return };
        let kind = EventKind::parse(payload.kind.as_ref().map_or("", Text::as_str));
        let body = payload.body.map_or(Raw::NULL, |body| Raw::new(frame, body));
        let ts = Timestamp::new(payload.ts.map_or("", RawValue::get));

        let before = if seq == 0 { self.last_seq() } else { seq.saturating_sub(1) };
        let (limits, now, outbox) = (&self.config.limits, self.now, &mut self.outbox);
        let delivered = self.jobs.deliver(job, seq, |handle, stream| {
            let event = JobEvent { handle, seq, kind: kind.clone(), body: body.clone(), ts };
            if let Some(event) = chunk_or_event(limits, stream, frame, event) {
                outbox.event(limits, now, event, before, frame.len());
            }
        });
        self.delivered(job, seq, late, delivered);
    }

    /// Delivers a terminal message to the handles that follow its job, which end with it.
    fn deliver_terminal(
        &mut self,
        frame: &Bytes,
        envelope: &Envelope<'_>,
        terminal: &read::Terminal<'_>,
        seq: u64,
        late: bool,
    ) {
        let Some(job_id) = terminated_job(envelope, terminal) else { return };
        let Some(job) = self.route(job_id, seq, late, frame) else { return };
        let fault = terminal.fault(frame);
        let status = terminal.status(envelope.kind.as_ref().map_or("", Text::as_str), fault.as_ref());
        let members = self.jobs.end(job, seq);
        self.delivered(job, seq, late, !members.is_empty());
        for (handle, stream) in members {
            let outcome = Box::new(Outcome {
                status,
                seq,
                result: product(stream, terminal, frame),
                summary: terminal.summary.owned(),
                fault: fault.clone(),
                completed_at: terminal.completed_at.owned(),
            });
            if let Some(outcome) = self.jobs.park(handle, outcome) {
                self.end_handle(handle, outcome, frame.len());
            }
        }
    }

    /// Fails the oldest submit if this is a `job.error` that refuses it, and returns whether it is. It refuses a submit
    /// if it is the first frame of its job, or if it says that the idempotency key was used by another submit.
    fn submit_refused(&mut self, frame: &Bytes, envelope: &Envelope<'_>, terminal: &read::Terminal<'_>) -> bool {
        if envelope.kind.as_ref().map(Text::as_str) != Some("job.error") {
            return false;
        }
        let Some(job_id) = terminated_job(envelope, terminal) else { return false };
        let is_known = self.jobs.find(job_id).is_some();
        let is_unheard_of = !is_known && !self.jobs.is_retired(job_id) && !self.held.holds(job_id);
        // In an inherited session this can be the end of a job of the former client.
        let is_inherited = self.session.as_ref().is_some_and(Session::is_inherited);
        if !((is_unheard_of && !is_inherited) || terminal.is_duplicate_of(job_id)) {
            return false;
        }
        let submit = self.requests.oldest(|request: &Request| matches!(request.ask, Ask::Submit(_)));
        let Some((id, fault)) = submit.zip(terminal.fault(frame)) else { return false };
        if !is_known {
            self.jobs.retire(job_id);
        }
        self.fail(id, RequestFailure::Refused(fault));
        true
    }

    /// Records in the session that a frame was delivered, if any handle of its job has received it.
    fn delivered(&mut self, job: JobKey, seq: u64, late: bool, delivered: bool) {
        let own = self.jobs.is_own(job);
        if let Some(session) = self.session.as_mut().filter(|_| delivered) {
            session.delivered(seq, own, late);
        }
    }
}

/// Returns the id of the job that a terminal message ends.
fn terminated_job<'a>(envelope: &'a Envelope<'_>, terminal: &'a read::Terminal<'_>) -> Option<&'a str> {
    envelope.job_id.as_ref().map(Text::as_str).or(terminal.job_id.as_str())
}

/// Returns what an event is for its handle: a chunk of its result, or the event itself.
fn chunk_or_event(
    limits: &ClientLimits,
    stream: &mut Option<Box<Stream>>,
    frame: &Bytes,
    event: JobEvent,
) -> Option<ClientEvent> {
    if event.kind != EventKind::ResultChunk {
        return Some(ClientEvent::Job(event));
    }
    let JobEvent { handle, seq, .. } = event;
    match stream.get_or_insert_default().take(limits, frame, event.body.as_str()) {
        Taken::Chunk { chunk_seq, data, text, more } => {
            Some(ClientEvent::Chunk(ChunkEvent { handle, seq, chunk_seq, data, text, more }))
        }
        Taken::Skip => None,
        Taken::Malformed => Some(ClientEvent::Job(event)),
        Taken::Broken(reason) => Some(ClientEvent::ChunkFault { handle, reason }),
    }
}

/// Returns the result of a job that has ended. Chunks take precedence over an inline `null`.
fn product(stream: Option<Box<Stream>>, terminal: &read::Terminal<'_>, frame: &Bytes) -> Product {
    let (id, size) = (terminal.result_id.owned(), terminal.result_size.value());
    match (stream, terminal.inline(frame)) {
        (Some(stream), _) => stream.product(id, size),
        (None, _) if id.is_some() => Stream::empty(id, size),
        (None, Some(result)) => Product::Inline(result),
        (None, None) => Product::None,
    }
}
