//! What is on record with an ARCP job: the request of its CAP job, and what was reported of it.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::arcp::{Failure, JobContext};
use crate::cap::ProgressEvent;

/// The progress that is remembered. A router sends again what it has heard last: one report, unless it is set to keep more.
const REMEMBERED: usize = 32;

/// The note of a job. A request that is sent again has to be the one that was sent before, so what could change is in it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Note {
    /// The id of the client that has submitted the CAP job.
    pub(super) sender: String,
    /// The topic of the CAP job.
    pub(super) topic: String,
    /// The time that the CAP job was given, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline_ms: Option<u64>,
    /// The first 8 bytes of digests of the progress that was reported last.
    #[serde(default)]
    reported: Vec<u64>,
    /// How many artifacts of the result were reported.
    #[serde(default)]
    pub(super) artifacts: usize,
    /// Whether it was reported that nothing was heard of the job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) silent: bool,
}

impl Note {
    /// Returns the note of a job that was not submitted yet.
    pub(super) fn new(ctx: &JobContext, sender: &str, topic: &str) -> Note {
        let deadline_ms = ctx.time_left().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1));
        let (sender, topic) = (sender.to_owned(), topic.to_owned());
        Note { sender, topic, deadline_ms, reported: Vec::new(), artifacts: 0, silent: false }
    }

    /// Returns the note that an earlier run has left. It fails if there is one that cannot be read.
    pub(super) fn left(ctx: &JobContext) -> Result<Option<Note>, Failure> {
        let Some(note) = ctx.noted() else { return Ok(None) };
        let note = serde_json::from_slice(&note);
        note.map(Some).map_err(|error| Failure::internal(format!("the note of the job cannot be read: {error}")))
    }

    /// Returns what to put on record.
    pub(super) fn text(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(self).map_err(|error| Failure::internal(format!("the note cannot be written: {error}")))
    }

    /// Notes progress. Returns whether it was not reported before. Progress without a time is new: it cannot be told from
    /// equal progress.
    pub(super) fn is_new(&mut self, progress: &ProgressEvent) -> bool {
        let Some(at) = progress.sent_at else { return true };
        let ProgressEvent { percent, step_id, message, artifact_ptrs, .. } = progress;
        let text = format!("{} {percent} {step_id:?} {message:?} {artifact_ptrs:?}", at.0);
        let digest = digest(&SHA256, text.as_bytes());
        let digest = digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        if self.reported.contains(&digest) {
            return false;
        }
        if self.reported.len() >= REMEMBERED {
            self.reported.remove(0);
        }
        self.reported.push(digest);
        true
    }
}
