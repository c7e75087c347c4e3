//! The frames that one session was sent, read from a journal.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use bytes::Bytes;

use super::{First, Record};
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::Accepted;
use crate::arcp::wire::reply::{self, Form};

/// Reads the numbered frames of a session from the records of a journal, as a resume sends them again (§6.3), each with
/// the `job.accepted` that directly precedes it if the client has asked for that. The records are read in the order of their numbers. Credentials are not
/// in a journal, so these frames have none.
///
/// Its memory is bounded by the jobs that are not forgotten, as that of a [`Runtime`](crate::arcp::Runtime) is.
#[derive(Clone, Debug)]
pub struct Transcript {
    session: SessionUlid,
    form: Option<Form>,
    known: bool,
    closed: bool,
    jobs: BTreeMap<JobUlid, Job>,
}

#[derive(Clone, Debug)]
struct Job {
    accepted: Arc<Accepted>,
    forgotten: bool,
    keyed: bool,
}

/// A numbered frame of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcribed {
    /// The number of the frame in the session.
    pub seq: u64,
    /// The job that the frame is about.
    pub job: JobUlid,
    /// The `job.accepted` that directly precedes it, if this is the first frame of the job in the session and the client
    /// has asked for it ([`Feature::AcceptedReplay`](crate::arcp::Feature::AcceptedReplay)).
    pub accepted: Option<Bytes>,
    /// The frame: one UTF-8 JSON text without line breaks.
    pub frame: Bytes,
}

impl Transcript {
    /// Returns a reader of a session's frames, for the records of a journal from its beginning.
    pub const fn new(session: SessionUlid) -> Transcript {
        Transcript { session, form: None, known: false, closed: false, jobs: BTreeMap::new() }
    }

    /// Whether a record of the session was read.
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Whether the session can no longer be resumed: it has no more frames.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes the next record. Returns the frame that the session was sent for it, if any.
    pub fn take(&mut self, record: &Record) -> Option<Transcribed> {
        self.known |= record.session() == Some(self.session);
        if let Record::SessionOpened(opened) = record
            && opened.session == self.session
        {
            self.form = Some(Form { features: opened.features, dialect: opened.dialect });
        } else if let Record::SessionClosed { session } = record {
            self.closed |= *session == self.session;
        } else if let Record::JobAccepted(job) = record {
            let (accepted, keyed) = (Arc::clone(&job.accepted), job.key.is_some());
            self.jobs.insert(accepted.id, Job { accepted, forgotten: false, keyed });
        } else if let Record::JobForgotten { job } = record {
            self.forget(*job, |job| job.forgotten = true);
        } else if let Record::KeyForgotten { job } = record {
            self.forget(*job, |job| job.keyed = false);
        }
        let (seq, frame) = record.frame(self.session)?;
        self.known = true;
        let target = record.targets().iter().find(|target| target.session == self.session)?;
        let job = record.job()?;
        let accepted = target.first.as_ref().and_then(|first| self.accepted(first, job));
        Some(Transcribed { seq, job, accepted, frame })
    }

    fn accepted(&self, first: &First, job: JobUlid) -> Option<Bytes> {
        let form = self.form.filter(|form| form.features.has(Feature::AcceptedReplay))?;
        let accepted = &self.jobs.get(&job)?.accepted;
        let payload = reply::accepted(accepted, form, &[], first.request_id.as_deref());
        let id = form.dialect.reply_id(first.id, first.request_id.as_deref());
        Some(envelope::reply(id, "job.accepted", &accepted.head(self.session), &payload))
    }

    /// A job is dropped once nothing can refer to it any more.
    fn forget(&mut self, job: JobUlid, change: impl FnOnce(&mut Job)) {
        let Some(known) = self.jobs.get_mut(&job) else { return };
        change(known);
        if known.forgotten && !known.keyed {
            self.jobs.remove(&job);
        }
    }
}
