//! The families of jobs whose runs may be repeated.

use std::collections::BTreeMap;

use nuncio_core::arcp::JobUlid;

/// The jobs whose runs may be repeated after a restart, and those below them. What they spend has to stay on record.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// Each job with the job at the head of its family.
    heads: BTreeMap<JobUlid, JobUlid>,
    members: BTreeMap<JobUlid, Vec<JobUlid>>,
}

impl Families {
    pub(super) fn begin(&mut self, head: JobUlid) {
        if !self.heads.contains_key(&head) {
            self.join(head, head);
        }
    }

    fn join(&mut self, job: JobUlid, head: JobUlid) {
        self.heads.insert(job, head);
        self.members.entry(head).or_default().push(job);
    }

    pub(super) fn adopt(&mut self, job: JobUlid, parent: JobUlid) {
        if let Some(head) = self.heads.get(&parent).copied() {
            self.join(job, head);
        }
    }

    /// Forgets the family of a head that has ended.
    pub(super) fn end(&mut self, head: JobUlid) {
        for job in self.members.remove(&head).into_iter().flatten() {
            self.heads.remove(&job);
        }
    }

    pub(super) fn has(&self, job: JobUlid) -> bool {
        self.heads.contains_key(&job)
    }
}
