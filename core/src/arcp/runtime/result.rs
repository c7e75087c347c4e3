//! Results: inline, or streamed by the writer (§8.4).

use alloc::borrow::Cow;

use bytes::Bytes;

use super::Runtime;
use super::append::event_len;
use super::host::{JobKey, JobResult, Refused};
use super::jobs::output::Stream;
use super::jobs::state::{Cause, JobState};
use super::sessions::session::Session;
use super::unfinished::Rest;
use super::work;
use crate::arcp::wire::body::{Body, Chunk};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::ResultId;
use crate::arcp::wire::reply::Success;
use crate::json::on_one_line;
use crate::time::Time;

/// The maximum length of the summary of a streamed result, in characters.
const MAX_SUMMARY: usize = 4096;

/// The room for the name of the encoding beside an inline result.
const ENCODING_BYTES: usize = r#""encoding":"base64","#.len();

impl Runtime {
    /// Writes a piece of the job's streamed result. Returns how many bytes of it were taken, at most those of one
    /// chunk. `last` takes effect once all bytes were taken. A session without `result_chunk` gets the written bytes as
    /// an inline result.
    ///
    /// The chunks of a result have one encoding, which the first one decides: text that follows bytes is sent as bytes, and
    /// bytes that follow text are sent as text if they are UTF-8. Other bytes after text change the encoding to base64 for
    /// the rest of the result, which the Go and Java SDKs refuse. A writer that will write such bytes says so first, with
    /// an empty [`Chunk::Bytes`].
    ///
    /// Errors: as [`Runtime::emit`]; a result over its limit ends the job and is [`Refused::Limit`].
    pub fn write_chunk(&mut self, now: Time, job: JobKey, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let Some(data) = this.jobs.get_mut(job) else { return Err(Refused::Stale) };
            if data.has(Feature::ResultChunk) {
                return this.push_chunk(job, None, chunk, last);
            }
            let (owner, held) = (data.owner(), data.output_mut().gather(chunk));
            let max = this.frame_limit(owner);
            if held > max {
                this.end_fault(job, Cause::Failed, Fault::limit("frame_bytes", max as u64));
                return Err(Refused::Limit { limit: "frame_bytes", max: max as u64 });
            }
            Ok(chunk.len())
        })
    }

    /// Emits one chunk of the writer. `id` names the result where it is known before.
    fn push_chunk(
        &mut self,
        job: JobKey,
        id: Option<ResultId>,
        chunk: Chunk<'_>,
        last: bool,
    ) -> Result<usize, Refused> {
        let Some(data) = self.jobs.get(job) else { return Err(Refused::Stale) };
        let stream = data.output().stream();
        if stream.is_some_and(|stream| !stream.is_open()) {
            return Err(Refused::Invalid(Cow::Borrowed("the result was closed before")));
        }
        let known = match stream {
            Some(stream) => Some(
                ResultId::parse(stream.result_id())
                    .ok_or(Refused::Invalid(Cow::Borrowed("the job streams a result of its own already")))?,
            ),
            None => id,
        };
        let (limits, max) = (&self.config.limits, self.frame_limit(data.owner()));
        let (seq, total) = (stream.map_or(0, Stream::next_seq), data.output().streamed_bytes());
        let per_chunk =
            if data.has_small_chunks() { limits.small_writer_chunk_bytes } else { limits.writer_chunk_bytes };
        let given = chunk;
        let chunk = data.output().encode(given);
        let (len, text) = (chunk.len(), matches!(chunk, Chunk::Text(_)));
        if len == 0 && !last {
            if let Some(data) = self.jobs.get_mut(job).filter(|_| !text) {
                data.output_mut().declare_binary();
            }
            return Ok(0);
        }
        let (chunk_bytes, result_bytes) = (limits.chunk_bytes, limits.result_bytes);
        let result_id = known.unwrap_or_else(|| ResultId(self.random.monotonic(self.clock.now())));
        let mut take = len.min(per_chunk.min(chunk_bytes));
        // Escapes and base64 may make a chunk larger than a small frame: it is halved until it fits.
        let (body, taken) = loop {
            // Text is cut between characters in either encoding.
            let piece = chunk.prefix(given.prefix(take).len());
            let taken = piece.len();
            let body = Body::chunk(result_id, seq, piece, !(last && taken == len));
            if event_len(body.json().len()) <= max {
                break (body, taken);
            }
            if take <= 4 {
                return Err(Refused::TooLarge { bytes: event_len(body.json().len()), max });
            }
            take /= 2;
        };
        if total + taken as u64 > result_bytes {
            self.end_fault(job, Cause::Failed, Fault::limit("result_bytes", result_bytes));
            return Err(Refused::Limit { limit: "result_bytes", max: result_bytes });
        }
        self.room(job, 1, body.json().len())?;
        if let Some(data) = self.jobs.get_mut(job) {
            data.output_mut().push(alloc::format!("{result_id}"), taken, text, !(last && taken == len));
        }
        self.work.charge(work::REPLAYED + taken as u64 / work::EVENT_BYTES);
        self.append(job, &body, None);
        Ok(taken)
    }

    /// Ends a job whose agent has returned. A cancelled job still ends as `cancelled` (§7.4).
    ///
    /// Errors: [`Refused::Terminal`], [`Refused::NotRunning`], [`Refused::Stale`].
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn finish(&mut self, now: Time, job: JobKey, result: JobResult<'_>) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let Some(data) = this.jobs.get(job) else { return Err(Refused::Stale) };
            let streamed = data.output().is_streamed();
            if data.state() == JobState::Cancelling {
                this.end_cancelled(job, Cause::Finished);
            } else if data.is_expired() {
                this.end_expired(job);
            } else {
                match &result {
                    JobResult::Inline(raw) if streamed && raw.get().trim() == "null" => this.finish_stream(job, None),
                    JobResult::Inline(_) if streamed => {
                        let fault = Fault::invalid("a job has an inline result or streamed chunks, never both");
                        this.end_fault(job, Cause::Failed, fault);
                    }
                    JobResult::Inline(raw) => this.finish_inline(job, raw.get(), false),
                    JobResult::Streamed { summary } if streamed => this.finish_stream(job, summary.as_deref()),
                    JobResult::Streamed { .. } => this.finish_inline(job, "null", false),
                }
            }
            Ok(())
        })
    }

    /// Ends a job with an inline result, JSON text. `is_base64` tells whether it is a string in base64 and not a value of
    /// the agent.
    fn finish_inline(&mut self, id: JobKey, json: &str, is_base64: bool) {
        let Some(job) = self.jobs.get(id) else { return };
        let (max, chunks) = (self.frame_limit(job.owner()), job.has(Feature::ResultChunk));
        let streamed = job.output().stream().is_some();
        let json = on_one_line(json);
        let dialect = job.owner().and_then(|key| self.sessions.get(key)).map(Session::dialect).unwrap_or_default();
        if event_len(dialect.inline_len(json.len()).saturating_add(ENCODING_BYTES)) <= max {
            self.end_success(id, &if is_base64 { Success::Base64(&json) } else { Success::Inline(&json) });
        } else if chunks && !streamed {
            let result_id = ResultId(self.random.monotonic(self.clock.now()));
            if let Some(job) = self.jobs.get_mut(id) {
                job.output_mut().send_in_chunks(Bytes::copy_from_slice(json.as_bytes()), result_id);
            }
            self.send_rest(id);
        } else {
            self.end_fault(id, Cause::Failed, Fault::limit("frame_bytes", max as u64));
        }
    }

    fn finish_stream(&mut self, id: JobKey, summary: Option<&str>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        match job.output_mut().take_gathered() {
            Some((json, is_base64)) => self.finish_inline(id, &json, is_base64),
            None => self.close_stream(id, summary),
        }
    }

    /// Ends a job whose result was streamed; a stream that its agent left open gets an empty last chunk.
    fn close_stream(&mut self, id: JobKey, summary: Option<&str>) {
        let Some(stream) = self.jobs.get(id).and_then(|job| job.output().stream().cloned()) else { return };
        if stream.is_open() {
            let body = Body::last_chunk(stream.result_id(), stream.next_seq(), stream.is_text());
            if let Some(job) = self.jobs.get_mut(id) {
                job.output_mut().push(stream.result_id(), 0, stream.is_text(), false);
            }
            self.append(id, &body, None);
        }
        let summary: Option<alloc::string::String> = summary.map(|summary| summary.chars().take(MAX_SUMMARY).collect());
        let (result_id, bytes) = (stream.result_id(), stream.bytes());
        self.end_success(id, &Success::Streamed { result_id, bytes, summary: summary.as_deref() });
    }

    /// Leaves the rest of a large inline result to a later turn.
    fn leave_result(&mut self, id: JobKey) {
        if self.jobs.get_mut(id).is_some_and(|job| job.output_mut().leave_rest()) {
            self.leave_to_later_turn(Rest::Result(id));
        }
    }

    /// Goes on with the rest of a large inline result. Returns whether there is one, which the flush sends.
    pub(super) fn go_on_with_result(&mut self, id: JobKey) -> bool {
        let goes_on = self.jobs.get_mut(id).is_some_and(|job| job.output_mut().go_on_with_rest());
        if goes_on {
            self.jobs.wake([id]);
        }
        goes_on
    }

    /// Sends the rest of a large inline result, while the log has space for it and the turn is not over.
    pub(super) fn send_rest(&mut self, id: JobKey) {
        let most = self.config.limits.chunk_bytes;
        while let Some((result_id, piece, last)) = self.jobs.get(id).and_then(|job| job.output().rest(most)) {
            if self.is_input_long() {
                self.leave_result(id);
                return;
            }
            let text = core::str::from_utf8(&piece).unwrap_or("");
            match self.push_chunk(id, Some(result_id), Chunk::Text(text), last) {
                Ok(taken) => {
                    let Some(job) = self.jobs.get_mut(id) else { return };
                    job.output_mut().sent(taken);
                    if !job.output().has_rest() {
                        self.close_stream(id, None);
                        return;
                    }
                }
                // It continues when the log has space.
                Err(Refused::Blocked) => return,
                Err(Refused::Limit { limit, max }) => {
                    self.end_fault(id, Cause::Failed, Fault::limit(limit, max));
                    return;
                }
                Err(refused) => {
                    let message = alloc::format!("the result cannot be sent: {refused}");
                    self.end_fault(id, Cause::Failed, Fault::new(ErrorCode::InternalError, message));
                    return;
                }
            }
        }
    }
}

impl<'a> Chunk<'a> {
    const fn len(self) -> usize {
        match self {
            Chunk::Text(text) => text.len(),
            Chunk::Bytes(bytes) => bytes.len(),
        }
    }

    /// Returns the first `take` bytes, or of a text as many whole characters as fit into them.
    fn prefix(self, take: usize) -> Chunk<'a> {
        match self {
            Chunk::Bytes(bytes) => Chunk::Bytes(bytes.get(..take).unwrap_or(bytes)),
            Chunk::Text(text) => Chunk::Text(text.get(..text.floor_char_boundary(take)).unwrap_or(text)),
        }
    }
}
