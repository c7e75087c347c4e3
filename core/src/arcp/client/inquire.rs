//! Questions about jobs that a runtime is silent about (`core/docs/arcp.md`, "The client").
//!
//! ```text
//!   follow --silence_timeout--> doubted --survey--> listed as live: follow again
//!                                          |
//!                                          +------> not listed: inquire --answer--> ended: its terminal message is owed
//!                                                                 |                 live:  follow again
//!                                                                 +--refused------> the end of its handles
//! ```
//!
//! Some runtimes never send the terminal message of a job: after a resume, or to a submit that repeats the idempotency
//! key of a job that has ended. A client that waits for it would wait for ever, so it asks: with one list of the live
//! jobs for all that it doubts, and with a subscribe for each job that is not among them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Client;
use super::event::RequestFailure;
use super::jobs::JobKey;
use super::requests::{Ask, Request};
use super::types::{HandleId, Outcome, OutcomeSource, Product};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::reply::read::{JobPage, RemoteFault};
use crate::arcp::wire::request::args::{ListQuery, Subscribe};
use crate::arcp::wire::request::write;
use crate::time::Time;

/// The most pages that one survey reads. A job that is not on them is asked about later.
const MAX_PAGES: u32 = 64;

impl Client {
    /// Waits for frames of a job that was accepted or subscribed to, unless the runtime is known to end every job.
    pub(super) fn follow(&mut self, job_id: &str) {
        if let Some(job) = self.jobs.find(job_id).filter(|_| !self.peer().ends_every_job) {
            self.silence.heard(job, self.read_time());
            self.follow_again(job);
        }
    }

    fn follow_again(&mut self, job: JobKey) {
        let due = self.read_time().plus(self.config.silence_timeout);
        self.silence.watch(job, due);
    }

    /// Asks about the jobs that nothing was heard of for [`ClientConfig::silence_timeout`](super::ClientConfig).
    pub(super) fn doubt_silent_jobs(&mut self) {
        let now = self.read_time();
        let can_ask = self.session.as_ref().is_some_and(|session| session.features().has(Feature::ListJobs));
        while let Some(job) = self.silence.take_due(now) {
            let due = self.silence.last_heard(job).plus(self.config.silence_timeout);
            if due > now {
                self.silence.watch(job, due);
            } else if can_ask && !self.peer().ends_every_job {
                self.silence.doubt(job);
            }
        }
        self.survey();
    }

    /// Asks for the live jobs, if there is a job to look for and no survey under way.
    fn survey(&mut self) {
        if self.silence.begin_survey() {
            self.ask_for_page(None);
        }
    }

    fn ask_for_page(&mut self, cursor: Option<String>) {
        self.silence.turn_page();
        let status = ["pending", "running"].map(Into::into).to_vec();
        let query = ListQuery { status, cursor: cursor.map(Into::into), ..ListQuery::default() };
        let request = self.requests.add(Request::new(Ask::Survey, write::list_jobs(&query)));
        self.requests.enqueue(request);
    }

    /// Takes a page of the survey: its live jobs are followed again, and the other ones have ended.
    pub(super) fn on_survey(&mut self, page: JobPage) {
        for row in &page.jobs {
            let Some(job) = self.jobs.find(row.job_id.as_str()).filter(|job| self.silence.find(*job)) else {
                continue;
            };
            // A runtime that does not know the filter lists ended jobs as well.
            match FinalStatus::parse_lenient(&row.status) {
                Some(status) => {
                    self.owe(job, status);
                    self.inquire(job);
                }
                None => self.follow_again(job),
            }
        }
        let (found_all, pages) = self.silence.survey();
        match page.next_cursor {
            Some(cursor) if !found_all && pages < MAX_PAGES => return self.ask_for_page(Some(cursor)),
            Some(_) if !found_all => self.on_survey_failed(),
            Some(_) | None => {
                for job in self.silence.end_survey() {
                    self.inquire(job);
                }
            }
        }
        self.survey();
    }

    /// Asks again later, because a survey was not answered.
    pub(super) fn on_survey_failed(&mut self) {
        for job in self.silence.end_survey() {
            self.follow_again(job);
        }
    }

    /// Subscribes to a job to learn how it is. Of a job of its own the client also wants the events that it has missed.
    pub(super) fn inquire(&mut self, job: JobKey) {
        let Some(id) = self.jobs.id_of(job).cloned() else { return };
        if !self.session.as_ref().is_some_and(|session| session.features().has(Feature::Subscribe)) {
            return self.end_silent(job, None);
        }
        let own = self.jobs.is_own(job);
        let from = self.jobs.received(job).filter(|_| own);
        let payload = write::subscribe(&id, Subscribe { history: own, from_event_seq: from });
        let request = Request { job: Some(id), ..Request::new(Ask::Inquire(job), payload) };
        let request = self.requests.add(request);
        self.requests.enqueue(request);
    }

    /// Takes the answer to an inquiry: the job has ended with this status, or is live.
    pub(super) fn on_inquired(&mut self, job: JobKey, status: Option<FinalStatus>) {
        match status {
            Some(status) => self.owe(job, status),
            None if self.jobs.id_of(job).is_some() && !self.peer().ends_every_job => self.follow_again(job),
            None => {}
        }
    }

    /// Ends the handles of a job about which an inquiry was refused or not answered.
    pub(super) fn on_inquiry_failed(&mut self, job: JobKey, why: RequestFailure) {
        match why {
            RequestFailure::Refused(fault) => self.end_silent(job, Some(&fault)),
            RequestFailure::TimedOut => self.end_silent(job, None),
            RequestFailure::NotNegotiated(_) | RequestFailure::TooLarge { .. } | RequestFailure::Closed => {}
        }
    }

    /// Waits a last time for the terminal message of a job that has ended.
    fn owe(&mut self, job: JobKey, status: FinalStatus) {
        let due = self.read_time().plus(self.config.terminal_timeout);
        for handle in self.jobs.members(job) {
            self.jobs.owe(handle, status, due);
        }
    }

    /// Ends the handles of a job that the runtime no longer knows, and whose terminal message it has never sent. Handles
    /// that know how the job ended still wait for that message.
    fn end_silent(&mut self, job: JobKey, fault: Option<&RemoteFault>) {
        for handle in self.jobs.members(job) {
            if !self.jobs.is_owed(handle) {
                self.end_without_terminal(handle, FinalStatus::Error, OutcomeSource::Silence, fault.cloned());
            }
        }
    }

    /// Ends a handle whose job has ended without a terminal message.
    pub(super) fn end_without_terminal(
        &mut self,
        handle: HandleId,
        status: FinalStatus,
        source: OutcomeSource,
        fault: Option<RemoteFault>,
    ) {
        let outcome = Outcome {
            status,
            source,
            seq: 0,
            result: Product::Unknown,
            encoding: None,
            summary: None,
            fault,
            completed_at: None,
        };
        self.end_handle(handle, Box::new(outcome), 0);
    }

    /// Subscribes again to all jobs after a resume, at a runtime whose live events do not go on by themselves.
    pub(super) fn subscribe_again(&mut self) {
        let jobs: Vec<JobKey> = self.jobs.keys().collect();
        for job in jobs {
            self.inquire(job);
        }
    }

    /// Returns the time on the clock that stands still while the client does not read.
    pub(super) fn read_time(&self) -> Time {
        self.outbox.clock().read(self.now)
    }
}
