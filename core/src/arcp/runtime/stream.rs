//! Results: inline, streamed by the writer, or past it (§8.4).

use alloc::borrow::Cow;
use alloc::string::String;

use base64::Engine as _;
use bytes::Bytes;

use super::Runtime;
use crate::arcp::runtime::host::{JobId, JobResult, Refused};
use crate::arcp::runtime::job::{JobEvent, JobState, Stream, Tail};
use crate::arcp::wire::body::Chunk;
use crate::arcp::wire::body::{Body, ChunkMeta};
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::ResultId;
use crate::arcp::wire::reply::Success;
use crate::json::push_json_str;
use crate::time::Time;

impl Runtime {
    /// A chunk that an agent made itself. One that breaks the rules of §8.4 ends its job.
    pub(super) fn emit_chunk(
        &mut self,
        id: JobId,
        body: &Body,
        chunk: &Result<ChunkMeta, &'static str>,
    ) -> Result<(), Refused> {
        let Some(job) = self.jobs.get(id) else { return Err(Refused::Stale) };
        if !job.features.has(Feature::ResultChunk) {
            return Err(Refused::NotNegotiated("result_chunk"));
        }
        let fits = Runtime::event_len(body.json().len()) <= self.frame_limit(job.owner);
        let fault = match (chunk, &job.stream) {
            (Err(sentence), _) => Some(Fault::invalid(*sentence)),
            (Ok(chunk), _) if chunk.decoded > self.config.limits.chunk_bytes => {
                Some(Fault::limit("chunk_bytes", self.config.limits.chunk_bytes as u64))
            }
            (Ok(_), _) if !fits => Some(Fault::limit("frame_bytes", self.frame_limit(job.owner) as u64)),
            (Ok(chunk), None) if chunk.seq != 0 => Some(Fault::invalid("the first chunk_seq of a result must be 0")),
            (Ok(_), Some(stream)) if !stream.open => Some(Fault::invalid("a chunk follows the last one of its result")),
            (Ok(chunk), Some(stream)) if *stream.result_id != *chunk.result_id => {
                Some(Fault::invalid("a job streams one result_id only"))
            }
            (Ok(chunk), Some(stream)) if stream.next != chunk.seq => {
                Some(Fault::invalid("the chunks of a result must be emitted in order"))
            }
            (Ok(chunk), stream) => {
                let total = stream.as_ref().map_or(0, |stream| stream.bytes) + chunk.decoded as u64;
                (total > self.config.limits.result_bytes)
                    .then(|| Fault::limit("result_bytes", self.config.limits.result_bytes))
            }
        };
        if let Some(fault) = fault {
            let refused = Refused::Invalid(fault.message.clone());
            self.end_fault(id, JobEvent::Fail, fault);
            return Err(refused);
        }
        self.room(id, 1, body.json().len())?;
        let (Ok(chunk), Some(job)) = (chunk, self.jobs.get_mut(id)) else { return Err(Refused::Stale) };
        let stream = job.stream.get_or_insert_with(|| Stream {
            result_id: chunk.result_id.as_str().into(),
            next: 0,
            bytes: 0,
            open: true,
        });
        stream.next += 1;
        stream.bytes += chunk.decoded as u64;
        stream.open = chunk.more;
        self.append(id, body, None);
        Ok(())
    }

    /// Writes a piece of the job's streamed result and returns how many bytes of it were taken: at most one chunk's. `last`
    /// counts once all of it was taken. A session without `result_chunk` gets what was written as an inline result.
    ///
    /// Errors: as [`Runtime::emit`]; a result over its limit ends the job and is [`Refused::Limit`].
    pub fn write_chunk(&mut self, now: Time, job: JobId, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let Some(data) = this.jobs.get_mut(job) else { return Err(Refused::Stale) };
            if data.features.has(Feature::ResultChunk) {
                return this.push_chunk(job, None, chunk, last);
            }
            let owner = data.owner;
            let gathered = data.gathered.get_or_insert_default();
            let bytes = match chunk {
                Chunk::Text(text) => text.as_bytes(),
                Chunk::Bytes(bytes) => {
                    gathered.binary = true;
                    bytes
                }
            };
            gathered.data.extend_from_slice(bytes);
            let held = gathered.data.len();
            let max = this.frame_limit(owner);
            if held > max {
                this.end_fault(job, JobEvent::Fail, Fault::limit("frame_bytes", max as u64));
                return Err(Refused::Limit { limit: "frame_bytes", max: max as u64 });
            }
            Ok(bytes.len())
        })
    }

    /// One chunk of the writer. `id` names the result where it is known before.
    fn push_chunk(&mut self, job: JobId, id: Option<ResultId>, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        let Some(data) = self.jobs.get(job) else { return Err(Refused::Stale) };
        if data.stream.as_ref().is_some_and(|stream| !stream.open) {
            return Err(Refused::Invalid(Cow::Borrowed("the result was closed before")));
        }
        let max = self.frame_limit(data.owner);
        let total = data.stream.as_ref().map_or(0, |stream| stream.bytes);
        let seq = data.stream.as_ref().map_or(0, |stream| stream.next);
        let per_chunk = if data.small_chunks {
            self.config.limits.small_writer_chunk_bytes
        } else {
            self.config.limits.writer_chunk_bytes
        };
        let known = data.stream.as_ref().and_then(|stream| ResultId::parse(&stream.result_id)).or(id);
        if known.is_none() && data.stream.is_some() {
            return Err(Refused::Invalid(Cow::Borrowed("the job streams a result of its own already")));
        }
        let len = match chunk {
            Chunk::Text(text) => text.len(),
            Chunk::Bytes(bytes) => bytes.len(),
        };
        let mut take = len.min(per_chunk.min(self.config.limits.chunk_bytes));
        if len == 0 && !last {
            return Ok(0);
        }
        let result_id = match known {
            Some(id) => id,
            None => ResultId(self.random.monotonic(self.now)),
        };
        // Escapes and base64 may make a chunk larger than a small frame: it is halved until it fits.
        let (body, taken) = loop {
            let (piece, taken) = prefix(chunk, take);
            let body = Body::chunk(result_id, seq, piece, !(last && taken == len));
            if Runtime::event_len(body.json().len()) <= max {
                break (body, taken);
            }
            if take <= 4 {
                return Err(Refused::TooLarge { bytes: Runtime::event_len(body.json().len()), max });
            }
            take /= 2;
        };
        if total + taken as u64 > self.config.limits.result_bytes {
            let limit = self.config.limits.result_bytes;
            self.end_fault(job, JobEvent::Fail, Fault::limit("result_bytes", limit));
            return Err(Refused::Limit { limit: "result_bytes", max: limit });
        }
        self.room(job, 1, body.json().len())?;
        self.push_body(job, result_id, taken, last && taken == len, &body);
        Ok(taken)
    }

    fn push_body(&mut self, id: JobId, result_id: ResultId, decoded: usize, last: bool, body: &Body) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let stream = job.stream.get_or_insert_with(|| Stream {
            result_id: alloc::format!("{result_id}").into(),
            next: 0,
            bytes: 0,
            open: true,
        });
        stream.next += 1;
        stream.bytes += decoded as u64;
        stream.open = !last;
        self.append(id, body, None);
    }

    /// The agent returned. A cancelled job ends `cancelled` all the same (§7.4).
    ///
    /// Errors: [`Refused::Terminal`], [`Refused::NotRunning`], [`Refused::Stale`].
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn finish(&mut self, now: Time, job: JobId, result: JobResult<'_>) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let Some(data) = this.jobs.get(job) else { return Err(Refused::Stale) };
            if data.state == JobState::Cancelling {
                this.end_cancelled(job, JobEvent::Finish);
                return Ok(());
            }
            if data.expired {
                this.end_expired(job, JobEvent::Expire);
                return Ok(());
            }
            let streamed = data.stream.is_some() || data.gathered.is_some();
            match &result {
                JobResult::Inline(raw) if streamed && raw.get().trim() == "null" => this.finish_stream(job, None),
                JobResult::Inline(_) if streamed => {
                    let fault = Fault::invalid("a job has an inline result or streamed chunks, never both");
                    this.end_fault(job, JobEvent::Fail, fault);
                }
                JobResult::Inline(raw) => this.finish_inline(job, raw.get()),
                JobResult::Streamed { summary } if streamed => this.finish_stream(job, summary.as_deref()),
                JobResult::Streamed { .. } => this.finish_inline(job, "null"),
            }
            Ok(())
        })
    }

    fn finish_inline(&mut self, id: JobId, json: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        let max = self.frame_limit(job.owner);
        let json = crate::json::on_one_line(json);
        if Runtime::event_len(json.len()) <= max {
            self.end_success(id, &Success::Inline(&json));
        } else if job.features.has(Feature::ResultChunk) && job.stream.is_none() {
            let result_id = ResultId(self.random.monotonic(self.now));
            let tail = Tail { result: Bytes::copy_from_slice(json.as_bytes()), at: 0, result_id };
            if let Some(job) = self.jobs.get_mut(id) {
                job.tail = Some(tail);
            }
            self.drive_tail(id);
        } else {
            self.end_fault(id, JobEvent::Fail, Fault::limit("frame_bytes", max as u64));
        }
    }

    fn finish_stream(&mut self, id: JobId, summary: Option<&str>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if let Some(gathered) = job.gathered.take() {
            let mut json = String::new();
            match String::from_utf8(gathered.data) {
                Ok(text) if !gathered.binary => push_json_str(&mut json, &text),
                Ok(text) => push_json_str(&mut json, &base64::engine::general_purpose::STANDARD.encode(text)),
                Err(error) => {
                    push_json_str(&mut json, &base64::engine::general_purpose::STANDARD.encode(error.as_bytes()));
                }
            }
            self.finish_inline(id, &json);
        } else {
            self.close_stream(id, summary);
        }
    }

    fn close_stream(&mut self, id: JobId, summary: Option<&str>) {
        if let Some(stream) = self.jobs.get(id).and_then(|job| job.stream.as_ref()).filter(|stream| stream.open) {
            let (result_id, seq) = (stream.result_id.clone(), stream.next);
            let body = Body::last_chunk(&result_id, seq);
            if let Some(stream) = self.jobs.get_mut(id).and_then(|job| job.stream.as_mut()) {
                stream.next += 1;
                stream.open = false;
            }
            self.append(id, &body, None);
        }
        let Some(stream) = self.jobs.get(id).and_then(|job| job.stream.clone()) else { return };
        let summary: Option<String> = summary.map(|summary| summary.chars().take(4096).collect());
        self.end_success(
            id,
            &Success::Streamed { result_id: &stream.result_id, bytes: stream.bytes, summary: summary.as_deref() },
        );
    }

    /// Sends what is left of a large inline result, while the log has room for it.
    pub(super) fn drive_tail(&mut self, id: JobId) {
        loop {
            let Some(tail) = self.jobs.get(id).and_then(|job| job.tail.clone()) else { return };
            let rest = tail.result.get(tail.at..).and_then(|rest| core::str::from_utf8(rest).ok()).unwrap_or("");
            match self.push_chunk(id, Some(tail.result_id), Chunk::Text(rest), true) {
                Ok(taken) => {
                    let Some(job) = self.jobs.get_mut(id) else { return };
                    if let Some(tail) = job.tail.as_mut() {
                        tail.at += taken;
                    }
                    if taken == rest.len() {
                        job.tail = None;
                        self.close_stream(id, None);
                        return;
                    }
                }
                // It goes on when the log has room.
                Err(Refused::Blocked) => return,
                Err(refused) => {
                    let message = alloc::format!("the result cannot be sent: {refused}");
                    self.end_fault(id, JobEvent::Fail, Fault::new(crate::arcp::ErrorCode::InternalError, message));
                    return;
                }
            }
        }
    }
}

/// The first `take` bytes of a chunk; of a text, as many whole characters as fit.
fn prefix(chunk: Chunk<'_>, take: usize) -> (Chunk<'_>, usize) {
    match chunk {
        Chunk::Bytes(bytes) => {
            let piece = bytes.get(..take).unwrap_or(bytes);
            (Chunk::Bytes(piece), piece.len())
        }
        Chunk::Text(text) => {
            let piece = text.get(..text.floor_char_boundary(take)).unwrap_or(text);
            (Chunk::Text(piece), piece.len())
        }
    }
}
