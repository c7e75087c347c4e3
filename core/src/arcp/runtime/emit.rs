//! Events that agents emit: they are checked, then appended (§8, §9.6).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::Runtime;
use super::append::event_len;
use super::host::{JobKey, Refused, ReservationId, SessionKey};
use super::jobs::job::Job;
use super::jobs::state::{Cause, JobState};
use super::sessions::watches::Role;
use crate::arcp::wire::body::{Body, ChunkMeta, Meta};
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::Feature;
use crate::budget::{Amount, Budget};
use crate::time::Time;

impl Runtime {
    /// Emits an event of a running job. `Ok` means accepted, not yet delivered.
    ///
    /// Errors: [`Refused::Blocked`] while the log of a session that must not lose the event is full (repeat after
    /// [`Event::Unblocked`](crate::arcp::Event)); [`Refused::TooLarge`], [`Refused::NotNegotiated`],
    /// [`Refused::Invalid`] for an event that may not be sent; [`Refused::Terminal`], [`Refused::NotRunning`],
    /// [`Refused::Stale`].
    pub fn emit(&mut self, now: Time, job: JobKey, body: &Body) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            match &body.meta {
                Meta::Chunk(chunk) => this.emit_chunk(job, body, chunk),
                Meta::Cost { unit, amount } => this.emit_cost(job, body, unit, amount.as_ref().ok(), None),
                Meta::ToolResult => {
                    this.emit_plain(job, body)?;
                    // §9.5: the agent was told that its lease has expired.
                    if this.jobs.get(job).is_some_and(Job::is_expired) {
                        this.end_expired(job);
                    }
                    Ok(())
                }
                Meta::Plain | Meta::Progress => this.emit_plain(job, body),
            }
        })
    }

    fn emit_plain(&mut self, id: JobKey, body: &Body) -> Result<(), Refused> {
        self.room(id, 1, body.json().len())?;
        self.append(id, body, None);
        Ok(())
    }

    /// Emits a cost, which may settle a reservation.
    pub(super) fn emit_cost(
        &mut self,
        id: JobKey,
        body: &Body,
        unit: &str,
        amount: Option<&Amount>,
        settles: Option<ReservationId>,
    ) -> Result<(), Refused> {
        let Some(holder) = self.jobs.purse(id, unit) else {
            self.emit_plain(id, body)?;
            if let Some(reservation) = settles {
                self.jobs.release(id, reservation);
            }
            return Ok(());
        };
        let Some(amount) = amount else {
            return Err(Refused::Invalid(Cow::Borrowed("the cost is not an amount that can be counted exactly")));
        };
        self.room(id, 2, body.json().len() + 256)?;
        let spent = self.jobs.charge(id, holder, unit, *amount, settles);
        let remaining = spent
            .map_err(|_| Refused::Invalid(Cow::Borrowed("the cost cannot be counted: the sum would not be exact")))?;
        let counted = remaining.is_some().then(|| (unit.into(), *amount));
        self.append(id, body, counted);
        if let Some(remaining) = remaining {
            self.append(id, &Body::budget_remaining(unit, &remaining), None);
        }
        Ok(())
    }

    /// A chunk that an agent made itself. One that breaks the rules of §8.4 ends its job.
    fn emit_chunk(&mut self, id: JobKey, body: &Body, chunk: &Result<ChunkMeta, &'static str>) -> Result<(), Refused> {
        let Some(job) = self.jobs.get(id) else { return Err(Refused::Stale) };
        if !job.has(Feature::ResultChunk) {
            return Err(Refused::NotNegotiated("result_chunk"));
        }
        let chunk = match self.check_chunk(job, body, chunk) {
            Ok(chunk) => chunk,
            Err(fault) => {
                let refused = Refused::Invalid(fault.message.clone());
                self.end_fault(id, Cause::Failed, fault);
                return Err(refused);
            }
        };
        self.room(id, 1, body.json().len())?;
        if let Some(job) = self.jobs.get_mut(id) {
            job.output_mut().push(chunk.result_id.as_str(), chunk.decoded, chunk.text, chunk.more);
        }
        self.append(id, body, None);
        Ok(())
    }

    fn check_chunk<'a>(
        &self,
        job: &Job,
        body: &Body,
        chunk: &'a Result<ChunkMeta, &'static str>,
    ) -> Result<&'a ChunkMeta, Fault> {
        let limits = &self.config.limits;
        let chunk = chunk.as_ref().map_err(|sentence| Fault::invalid(*sentence))?;
        if chunk.decoded > limits.chunk_bytes {
            return Err(Fault::limit("chunk_bytes", limits.chunk_bytes as u64));
        }
        let max = self.frame_limit(job.owner());
        if event_len(body.json().len()) > max {
            return Err(Fault::limit("frame_bytes", max as u64));
        }
        if let Some(sentence) = job.output().rejects(chunk) {
            return Err(Fault::invalid(sentence));
        }
        if job.output().streamed_bytes() + chunk.decoded as u64 > limits.result_bytes {
            return Err(Fault::limit("result_bytes", limits.result_bytes));
        }
        Ok(chunk)
    }

    /// Emits what remains of a job's budget after its family has changed it, if its watchers' logs have space (ours).
    pub(super) fn show_remaining(&mut self, id: JobKey) {
        let Some(job) = self.jobs.get(id).filter(|job| job.state().is_running()) else { return };
        let remaining = job.budget().into_iter().flat_map(Budget::remaining);
        let bodies: Vec<Body> =
            remaining.map(|(currency, remaining)| Body::budget_remaining(currency.as_str(), &remaining)).collect();
        for body in bodies {
            let watchers = self.jobs.get(id).map_or(&[][..], Job::watchers);
            if watchers.iter().all(|key| self.has_room(*key, 1, 256)) {
                self.append(id, &body, None);
            }
        }
    }

    /// Checks that a job's agent may act.
    pub(super) fn running(&self, id: JobKey) -> Result<(), Refused> {
        let job = self.jobs.get(id).filter(|job| job.state() != JobState::Left).ok_or(Refused::Stale)?;
        if job.output().has_rest() || job.is_ending() {
            Err(Refused::Terminal)
        } else if job.state().is_running() {
            Ok(())
        } else if job.state().final_status().is_none() {
            Err(Refused::NotRunning)
        } else {
            Err(Refused::Terminal)
        }
    }

    /// Checks that a number of events may be appended. An agent waits for sessions that must not lose events, and for
    /// the journal. A subscription that would make it wait ends (§7.6).
    pub(super) fn room(&mut self, id: JobKey, events: usize, bytes: usize) -> Result<(), Refused> {
        let Some(job) = self.jobs.get(id) else { return Err(Refused::Stale) };
        let (len, max) = (event_len(bytes), self.frame_limit(job.owner()));
        if len > max {
            return Err(Refused::TooLarge { bytes: len, max });
        }
        let mut full = Vec::new();
        let mut slow = Vec::new();
        for key in job.watchers() {
            let Some(session) = self.sessions.get(*key).filter(|session| session.is_shown_live(id)) else { continue };
            let fits = len <= self.frame_limit(Some(*key));
            let limits = self.memory.limits(session.principal(), &self.config.limits);
            if fits && session.has_room(events, bytes, &limits) {
                continue;
            }
            if session.role(id) == Some(Role::Subscriber) {
                slow.push(*key);
            } else if fits {
                full.push(*key);
            }
        }
        if !full.is_empty() {
            self.block(id, &full);
            return Err(Refused::Blocked);
        }
        self.journal_room(id)?;
        self.make_journal_room_for(id)?;
        for key in slow {
            self.drop_subscription(key, id);
        }
        Ok(())
    }

    /// Lets an agent wait while the journal is too far behind.
    pub(super) fn journal_room(&mut self, id: JobKey) -> Result<(), Refused> {
        if !self.durability.is_behind(self.outputs.stored()) {
            return Ok(());
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.block();
        }
        self.durability.wait(id);
        Err(Refused::Blocked)
    }

    /// Notes that an agent waits for space in the logs of these sessions.
    fn block(&mut self, id: JobKey, full: &[SessionKey]) {
        if self.jobs.get_mut(id).is_some_and(Job::block) {
            self.totals.blocked += 1;
        }
        for key in full {
            if let Some(session) = self.sessions.get_mut(*key) {
                session.block(id);
            }
        }
    }

    /// Returns whether a number of events may be appended to a session's log.
    fn has_room(&self, key: SessionKey, events: usize, bytes: usize) -> bool {
        self.sessions.get(key).is_none_or(|session| {
            session.has_room(events, bytes, &self.memory.limits(session.principal(), &self.config.limits))
        })
    }
}
