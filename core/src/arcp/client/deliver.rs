//! Numbered frames: each is delivered once and in order to the handles that follow its job (§8.2, §8.3).

use alloc::boxed::Box;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Client;
use super::chunks::{Stream, Taken};
use super::config::ClientLimits;
use super::event::{ClientEvent, LostReason, RequestFailure};
use super::jobs::JobKey;
use super::requests::{Ask, Request};
use super::sequence::Arrival;
use super::session::Session;
use super::types::{ChunkEvent, JobEvent, Outcome, OutcomeSource, Product};
use crate::arcp::wire::body::SUBSCRIPTION_DROPPED;
use crate::arcp::wire::envelope::{Envelope, Int};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::reply::read::{self, EventFrame, EventKind, Raw, Timestamp, payload};
use crate::json::Text;

impl Client {
    /// Takes a `job.event` from the transport.
    pub(super) fn on_event(&mut self, frame: &Bytes, event: &EventFrame<'_>) {
        if let Some(number) = self.arrive(event.session_id.as_ref(), event.event_seq) {
            self.deliver_event(frame, event, number);
        }
    }

    /// Takes a `job.result` or `job.error` from the transport: the end of a job (§7.3), or the form in which some
    /// runtimes refuse a request.
    pub(super) fn on_terminal(&mut self, frame: &Bytes, envelope: &Envelope<'_>, number: Number) {
        let terminal: read::Terminal<'_> = payload(envelope);
        if envelope.kind.as_ref().map(Text::as_str) == Some("job.error") {
            if terminated_job(envelope, &terminal).is_none() {
                return self.on_error(frame, envelope);
            }
            if self.refuses_request(frame, envelope, &terminal) {
                return;
            }
        }
        // Before its first welcome the client has no jobs.
        if self.session.is_none() {
            return;
        }
        self.deliver_terminal(frame, envelope, &terminal, number);
    }

    /// Delivers the frames that were held for a job that is known now. Their numbers were counted when they arrived.
    pub(super) fn release_held(&mut self, job_id: &str) {
        for frame in self.held.take(job_id) {
            let Ok(text) = core::str::from_utf8(&frame) else { continue };
            if let Some(event) = EventFrame::parse(text) {
                self.deliver_event(&frame, &event, Number::received(event.event_seq));
            } else if let Ok(envelope) = Envelope::parse(text) {
                let number = Number::received(envelope.event_seq);
                self.deliver_terminal(&frame, &envelope, &payload(&envelope), number);
            }
        }
    }

    /// Records the number of a frame, whatever its type. Returns what the number means, or `None` if the frame is to be
    /// dropped.
    ///
    /// The Ruby runtime sends the events of a watched job with the session and the numbers of its owner. They do not
    /// count.
    pub(super) fn arrive(&mut self, session_id: Option<&Text<'_>>, event_seq: Option<Int>) -> Option<Number> {
        // Before its first welcome the client has no session, and so no numbers.
        let session = self.session.as_mut()?;
        let number = Number::received(event_seq);
        if number.seq == 0 {
            return Some(number);
        }
        if session_id.is_some_and(|id| !id.as_str().is_empty() && id.as_str() != session.id()) {
            return Some(Number { kind: Numbering::Foreign, ..number });
        }
        match session.arrive(number.seq) {
            Arrival::Next => Some(number),
            Arrival::Late => Some(Number { kind: Numbering::Late, ..number }),
            Arrival::Gap { from, to } => {
                self.close_transport(1000, "event numbers are missing");
                self.lose(LostReason::Gap { from, to });
                None
            }
            Arrival::Lost { from, to } => {
                self.emit(ClientEvent::Gap { from, to }, 0);
                Some(number)
            }
        }
    }

    /// Returns the job that a frame belongs to. A frame of an unknown job is held, and one of a retired job is dropped.
    fn route(&mut self, job_id: &str, number: Number, frame: &Bytes) -> Option<JobKey> {
        if let Some(job) = self.jobs.find(job_id) {
            self.silence.heard(job, self.read_time());
            return Some(job);
        }
        if number.kind != Numbering::Own || !is_plain(job_id) || self.jobs.is_retired(job_id) {
            return None;
        }
        self.held.push(job_id, number.seq, frame.clone());
        while let Some(dropped) = self.held.drop_excess(&self.config.limits) {
            self.emit(ClientEvent::Gap { from: dropped, to: dropped }, 0);
        }
        None
    }

    /// Delivers an event to the handles that follow its job.
    fn deliver_event(&mut self, frame: &Bytes, event: &EventFrame<'_>, number: Number) {
        let Some(job_id) = event.job_id.as_ref().map(Text::as_str) else { return };
        let Some(job) = self.route(job_id, number, frame) else { return };
        let Some(payload) = &event.payload else { return };
        let kind = EventKind::parse(payload.kind.as_ref().map_or("", Text::as_str));
        let body = payload.body.map_or(Raw::NULL, |body| Raw::new(frame, body));
        let text = payload.body.map_or("null", RawValue::get);
        let ts = Timestamp::new(payload.ts.map_or("", RawValue::get));

        let (seq, before) = (number.seq, self.before(number.seq));
        let (limits, now, outbox) = (&self.config.limits, self.now, &mut self.outbox);
        let delivered = self.jobs.deliver(job, seq, |handle, stream| {
            let event = JobEvent { handle, seq, kind: kind.clone(), body: body.clone(), ts };
            if let Some(event) = chunk_or_event(limits, stream, frame, text, event) {
                outbox.event(limits, now, event, before, frame.len());
            }
        });
        self.delivered(job, number, delivered);
        if kind == EventKind::Status && self.peer().ends_every_job && !self.jobs.is_own(job) {
            self.take_status(job, &body);
        }
    }

    /// Ends the subscriptions to a job with a status of the runtime that ends them (§7.6).
    fn take_status(&mut self, job: JobKey, body: &Raw) {
        #[derive(Deserialize)]
        struct Status<'a> {
            #[serde(borrow, default)]
            phase: Option<Text<'a>>,
        }
        let status = serde_json::from_str::<Status<'_>>(body.as_str()).ok();
        if status.and_then(|status| status.phase).is_none_or(|phase| phase.as_str() != SUBSCRIPTION_DROPPED) {
            return;
        }
        for handle in self.jobs.begun_subscriptions(job) {
            self.end_without_terminal(handle, FinalStatus::Error, OutcomeSource::Dropped, None);
        }
    }

    /// Delivers a terminal message to the handles that follow its job, which end with it.
    fn deliver_terminal(
        &mut self,
        frame: &Bytes,
        envelope: &Envelope<'_>,
        terminal: &read::Terminal<'_>,
        number: Number,
    ) {
        let Some(job_id) = terminated_job(envelope, terminal) else { return };
        let Some(job) = self.route(job_id, number, frame) else { return };
        let fault = terminal.fault(frame);
        let kind = envelope.kind.as_ref().map_or("", Text::as_str);
        let status = terminal.status(kind, fault.as_ref(), self.jobs.is_cancelled(job));
        let members = self.jobs.end(job, number.seq);
        self.delivered(job, number, !members.is_empty());
        for (handle, stream, seq) in members {
            let outcome = Box::new(Outcome {
                status,
                source: OutcomeSource::Terminal,
                seq,
                result: product(stream, terminal, frame),
                encoding: terminal.encoding.owned(),
                summary: terminal.summary.owned(),
                fault: fault.clone(),
                completed_at: terminal.completed_at.owned(),
            });
            if let Some(outcome) = self.jobs.park(handle, outcome) {
                self.end_handle(handle, outcome, frame.len());
            }
        }
    }

    /// Fails a request if this `job.error` refuses it, and returns whether it does. It names the request, or has the
    /// form in which the TypeScript runtime refuses a cancel or a submit.
    fn refuses_request(&mut self, frame: &Bytes, envelope: &Envelope<'_>, terminal: &read::Terminal<'_>) -> bool {
        if let Some(quoted) = self.quote(envelope) {
            if let Some((id, fault)) = self.requests.sent_as(&quoted).zip(terminal.fault(frame)) {
                self.fail(id, RequestFailure::Refused(fault));
                return true;
            }
            // A request that was given up is not answered any more, and never ends the job that the answer names.
            if self.requests.is_gone(&quoted) {
                return true;
            }
        }
        let by_job_error = self.peer().refuses_by_job_error;
        self.refuses_cancel(frame, envelope, terminal)
            || (by_job_error && self.refuses_submit(frame, envelope, terminal))
    }

    /// Fails the oldest cancel of a watched job if this refuses it, and returns whether it does.
    fn refuses_cancel(&mut self, frame: &Bytes, envelope: &Envelope<'_>, terminal: &read::Terminal<'_>) -> bool {
        if !terminal.can_refuse_a_cancel(envelope.trace_id.is_some()) {
            return false;
        }
        let Some(job_id) = terminated_job(envelope, terminal) else { return false };
        if self.jobs.find(job_id).is_none_or(|job| self.jobs.is_own(job)) {
            return false;
        }
        let is_cancel = |request: &Request| {
            matches!(request.ask, Ask::Cancel(_)) && request.job.as_deref().is_some_and(|job| job == job_id)
        };
        let Some((id, fault)) = self.requests.oldest(is_cancel).zip(terminal.fault(frame)) else { return false };
        self.fail(id, RequestFailure::Refused(fault));
        true
    }

    /// Fails the oldest submit if this refuses it, and returns whether it does. It refuses a submit if it is the first
    /// frame of its job, or if it says that the idempotency key was used by another submit.
    fn refuses_submit(&mut self, frame: &Bytes, envelope: &Envelope<'_>, terminal: &read::Terminal<'_>) -> bool {
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
    fn delivered(&mut self, job: JobKey, number: Number, delivered: bool) {
        let own = self.jobs.is_own(job);
        let counts = delivered && number.kind != Numbering::Foreign;
        if let Some(session) = self.session.as_mut().filter(|_| counts) {
            session.delivered(number.seq, own, number.kind == Numbering::Late);
        }
    }
}

/// The number of a frame, and what it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// 0 for a frame without a number.
    seq: u64,
    kind: Numbering,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// It is the next number of the session, or there is none.
    Own,
    /// It is not above the last number of the session.
    Late,
    /// It is a number of another session.
    Foreign,
}

impl Number {
    /// No number.
    pub(super) const NONE: Number = Number { seq: 0, kind: Numbering::Own };

    fn received(event_seq: Option<Int>) -> Number {
        Number { seq: event_seq.map_or(0, |Int(seq)| seq), kind: Numbering::Own }
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
    body: &str,
    event: JobEvent,
) -> Option<ClientEvent> {
    if event.kind != EventKind::ResultChunk {
        return Some(ClientEvent::Job(event));
    }
    let JobEvent { handle, seq, .. } = event;
    match stream.get_or_insert_default().take(limits, frame, body) {
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
