//! Handles results and progress that arrive.

use super::Client;
use super::output::{ClientEvent, ClientOutput};
use crate::cap::signature::generic::open;
use crate::cap::signature::rejection::Rejection;
use crate::cap::wire::job::{JobResult, JobStatus};
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Client {
    /// Takes in a packet that was received on a subject. Results and progress of jobs of others are ignored, and so is a second
    /// result.
    pub fn handle_packet(&mut self, now: Time, subject: &Subject, bytes: &[u8]) {
        self.advance(now);
        let (payload, sent_at) = match self.open(subject, bytes) {
            Ok(None) => return,
            Ok(Some(packet)) => (packet.payload, packet.created_at.and_then(|at| at.to_time())),
            Err(reason) => {
                let event = ClientEvent::Refused { subject: subject.clone(), reason };
                return self.outputs.push_back(ClientOutput::Event(event));
            }
        };
        let (id, is_last) = match (subject, &payload) {
            (Subject::JobResult, Some(Payload::JobResult(result))) => (&result.job_id, self.is_last(result)),
            (Subject::JobProgress, Some(Payload::JobProgress(progress))) => (&progress.job_id, false),
            _ => return,
        };
        let Some(job) = self.jobs.find(id) else { return };
        if is_last {
            self.jobs.end(job);
        } else {
            self.jobs.heard(job);
            let at = self.clock.now().plus(self.config.resubmit_after);
            self.jobs.resubmit_at(job, at, self.config.resubmissions);
        }
        match payload {
            Some(Payload::JobResult(result)) if is_last => {
                self.outputs.push_back(ClientOutput::Event(ClientEvent::Ended { job, result }));
            }
            // A sign that a worker has the job is no news for the application.
            Some(Payload::JobProgress(progress)) if !progress.is_sign() => {
                self.outputs.push_back(ClientOutput::Event(ClientEvent::Progress { job, progress, sent_at }));
            }
            _ => {}
        }
    }

    /// Opens a packet. Returns `None` for one of the production profile that came before, which has no effect.
    fn open(&mut self, subject: &Subject, bytes: &[u8]) -> Result<Option<BusPacket>, Rejection> {
        let verifier = &*self.config.verifier;
        match (&mut self.production, &self.config.production) {
            (Some(packets), Some(production)) => packets.open(
                subject,
                bytes,
                self.clock.wall(),
                verifier,
                |sender| production.peers.of(sender),
                |_| Ok(()),
            ),
            _ => open(bytes, &self.config.reading, verifier).map(Some),
        }
    }

    /// Whether a result ends its job (spec/07).
    fn is_last(&self, result: &JobResult) -> bool {
        match result.status {
            JobStatus::UNSPECIFIED
            | JobStatus::PENDING
            | JobStatus::SCHEDULED
            | JobStatus::DISPATCHED
            | JobStatus::RUNNING => false,
            JobStatus::FAILED_RETRYABLE => !self.config.await_retries,
            _ => true,
        }
    }
}
