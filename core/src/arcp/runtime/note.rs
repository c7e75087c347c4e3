//! Notes that agents leave with their jobs, for a run after a restart (ours).

use bytes::Bytes;

use super::Runtime;
use super::event::Event;
use super::host::{JobKey, Refused};
use super::jobs::job::Job;
use super::record::Record;
use crate::time::Time;

impl Runtime {
    /// Keeps a note of a running job's agent in place of the last one. No client sees it. It is on record until the job has
    /// ended, and [`Runtime::job`] shows it in a run after a restart too.
    ///
    /// Returns the number of the note within this run of the runtime. [`Event::Noted`] with this number or a greater one says
    /// that it is durable; without a journal it comes at once.
    ///
    /// Errors: [`Refused::Limit`] for a note of more than [`Limits::note_bytes`](crate::arcp::Limits::note_bytes), and
    /// otherwise as [`Runtime::emit`].
    pub fn note(&mut self, now: Time, job: JobKey, note: &[u8]) -> Result<u64, Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let max = this.config.limits.note_bytes;
            if note.len() > max {
                return Err(Refused::Limit { limit: "note_bytes", max: max as u64 });
            }
            this.journal_room(job)?;
            let note = Bytes::copy_from_slice(note);
            let Some(number) = this.jobs.get_mut(job).map(|of| of.keep_note(note.clone())) else {
                return Err(Refused::Stale);
            };
            this.record(|this| Some(Record::JobNoted { job: this.jobs.get(job).map(Job::ulid)?, note }));
            this.event(Event::Noted { job, number });
            Ok(number)
        })
    }
}
