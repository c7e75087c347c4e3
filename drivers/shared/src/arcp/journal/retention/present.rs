//! What is in the journal of each session and job.

use std::collections::BTreeMap;

use nuncio_core::arcp::{JobUlid, Record, SessionUlid};

/// What the journal still has of each session and job, open or over.
///
/// The first record of one goes after those that are about it, the last one after the first. So what is left can be read
/// from the beginning to the end, and an event is never without the `job_accepted` that is sent before it.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub(super) sessions: BTreeMap<SessionUlid, Parts>,
    pub(super) jobs: BTreeMap<JobUlid, Parts>,
}

/// The numbers of records about a session or a job, without those that say that it is closed or forgotten.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) begins: u64,
    /// Records that a job has ended.
    pub(super) ends: u64,
    pub(super) others: u64,
    /// The sessions that were sent the end of a job, with its numbers in them.
    pub(super) ended_in: Vec<(SessionUlid, u64)>,
}

impl Present {
    pub(super) fn add(&mut self, record: &Record) {
        self.change(record, |number| *number += 1);
    }

    pub(super) fn remove(&mut self, record: &Record) {
        self.change(record, |number| *number = number.saturating_sub(1));
    }

    fn change(&mut self, record: &Record, change: impl Fn(&mut u64)) {
        let own = match record {
            Record::SessionEvent(_) => record.targets().first().map(|target| target.session),
            Record::SessionClosed { .. } => None,
            _ => record.session(),
        };
        if let Some(session) = own {
            let parts = self.sessions.entry(session).or_default();
            change(if matches!(record, Record::SessionOpened(_)) { &mut parts.begins } else { &mut parts.others });
            if parts.is_empty() {
                self.sessions.remove(&session);
            }
        }
        let Some(job) = record.job().filter(|_| is_about_job(record)) else { return };
        let parts = self.jobs.entry(job).or_default();
        match record {
            Record::JobAccepted(_) => change(&mut parts.begins),
            Record::JobEnded(_) => {
                change(&mut parts.ends);
                parts.ended_in = record.targets().iter().map(|target| (target.session, target.seq)).collect();
            }
            _ => change(&mut parts.others),
        }
        if parts.is_empty() {
            self.jobs.remove(&job);
        }
    }
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.begins == 0 && self.ends == 0 && self.others == 0
    }
}

/// Whether a record means something only if its job is known, and is not one that says that it is forgotten.
fn is_about_job(record: &Record) -> bool {
    !matches!(
        record,
        Record::JobForgotten { .. }
            | Record::KeyForgotten { .. }
            | Record::CredentialsAsked { .. }
            | Record::CredentialsAnswered { .. }
            | Record::CredentialIssued { .. }
            | Record::CredentialRevoked { .. }
    )
}
