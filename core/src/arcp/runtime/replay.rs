//! Events that are no longer in memory, read back from the journal a few at a time (§6.3, §7.6).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::conns::claim::Claim;
use super::conns::state::ConnState;
use super::event::{Event, ReplayRange};
use super::host::{ConnId, JobKey, Refused, ReplayId, SessionKey};
use super::jobs::job::Job;
use super::record::{First, Record};
use super::replays::Wants;
use super::sessions::announcement::{Announced, Announcement};
use super::sessions::log::Entry;
use super::sessions::session::Session;
use super::{Runtime, work};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;
use crate::time::Time;

impl Runtime {
    /// Answers [`Event::Replay`] with the first records of the range, in their order. Records outside of it are
    /// ignored, and so are records after a missing number. `truncated` means that the journal has dropped the first
    /// records of the range. An empty answer means that no record of the range is left.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or the answer is too late.
    pub fn replay(&mut self, now: Time, replay: ReplayId, records: &[Record], truncated: bool) -> Result<(), Refused> {
        self.input(now, |this| {
            match this.replays.take(replay, &mut this.timers)? {
                Wants::Resume { conn, claim, principal, request_id } => {
                    if this.is_waiting(conn) {
                        let key = this.sessions.claimed(&claim);
                        let past = key.map(|key| this.entries(key, claim.last, records)).unwrap_or_default();
                        this.work.charge(work_of(&past));
                        let outcome = this.resume(conn, &claim, &principal, request_id.as_deref(), Some(past));
                        this.resume_answered(conn, request_id.as_deref(), outcome);
                    }
                }
                Wants::Log { session, epoch } => this.log_answered(session, epoch, Some(records)),
                Wants::Start { session, epoch, .. } if this.has_lost_request(session, epoch) => {}
                Wants::Start { session, job, request_id, from, .. } => {
                    let first = this.events_of(job, 0, from, records).next().map(|(position, _)| (position, truncated));
                    this.subscribe(session, job, &request_id, Some(from), first);
                    this.touch(session);
                }
                Wants::History { session, job } => this.history_answered(session, job, records),
            }
            Ok(())
        })
    }

    /// Answers [`Event::Replay`]: the journal cannot be read. A resume is refused with `INTERNAL_ERROR`, a session that
    /// already receives events loses its connection, a subscription ends, or begins with what is in memory.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or the answer is too late.
    pub fn replay_failed(&mut self, now: Time, replay: ReplayId) -> Result<(), Refused> {
        self.input(now, |this| this.fail_replay(replay))
    }

    /// Returns whether the runtime still waits for the answer to this [`Event::Replay`].
    pub fn asks(&self, replay: ReplayId) -> bool {
        self.replays.is_open(replay)
    }

    pub(super) fn replay_lapsed(&mut self, replay: ReplayId) {
        // The question was answered in the meantime.
        let _ = self.fail_replay(replay);
    }

    fn fail_replay(&mut self, replay: ReplayId) -> Result<(), Refused> {
        match self.replays.take(replay, &mut self.timers)? {
            Wants::Resume { conn, request_id, .. } => {
                if self.is_waiting(conn) {
                    self.resume_answered(conn, request_id.as_deref(), Err(unreadable()));
                }
            }
            Wants::Log { session, epoch } => self.log_answered(session, epoch, None),
            Wants::Start { session, epoch, .. } if self.has_lost_request(session, epoch) => {}
            Wants::Start { session, job, request_id, from, .. } => {
                self.subscribe(session, job, &request_id, Some(from), None);
                self.touch(session);
            }
            Wants::History { session, job } => self.drop_subscription(session, job),
        }
        Ok(())
    }

    fn ask_journal(&mut self, wants: Wants, range: ReplayRange, max_events: usize) {
        let until = self.clock.now().plus(self.config.replay_timeout);
        let replay = self.replays.ask(wants, until, &mut self.timers);
        let max_bytes = self.config.limits.send_window_bytes;
        self.event(Event::Replay { replay, range, max_events, max_bytes });
    }

    /// Returns the maximum number of events to ask for at once.
    fn replay_window(&self) -> usize {
        self.config.limits.send_window.max(1)
    }

    /// Lets a resume wait for the first events that it needs. The session does not change before they have arrived.
    pub(super) fn fetch_resume(
        &mut self,
        conn: ConnId,
        key: SessionKey,
        claim: &Claim,
        principal: &str,
        request_id: Option<&str>,
    ) -> Result<(), Fault> {
        self.replays.room(&self.config.limits)?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let range = ReplayRange::Session { session: session.id(), after: claim.last, before: session.first_seq() };
        self.conns.wait_for_journal(conn, &mut self.timers);
        let (claim, request_id) = (claim.clone(), request_id.map(Into::into));
        let wants = Wants::Resume { conn, claim, principal: principal.into(), request_id };
        self.ask_journal(wants, range, self.replay_window());
        Ok(())
    }

    /// Whether a connection waits for its welcome.
    fn is_waiting(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(|open| open.state() == ConnState::Authenticating)
    }

    fn resume_answered(&mut self, conn: ConnId, request_id: Option<&str>, outcome: Result<(), Fault>) {
        if let Err(fault) = outcome {
            self.turn_away(conn, request_id, &fault);
        }
    }

    /// Asks for the next events of a connection, which are only in the journal.
    pub(super) fn fetch_log(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some((after, before)) = session.fetch() else { return };
        let wants = Wants::Log { session: key, epoch: session.epoch() };
        let range = ReplayRange::Session { session: session.id(), after, before };
        self.ask_journal(wants, range, self.replay_window());
    }

    fn log_answered(&mut self, key: SessionKey, epoch: u32, records: Option<&[Record]>) {
        let Some((conn, missing)) = self.sessions.get_mut(key).and_then(|session| session.fetched(epoch)) else {
            return;
        };
        // An acknowledgement may have made them unnecessary in the meantime.
        if let Some(after) = missing {
            let past = records.map(|records| self.entries(key, after, records)).unwrap_or_default();
            if past.is_empty() {
                self.refuse(conn, None, &unreadable());
                self.end_connection(conn, 1011, "the session's events could not be read back");
                return;
            }
            self.work.charge(work_of(&past));
            if let Some(session) = self.sessions.get_mut(key) {
                session.fill(past);
            }
        }
        self.conns.touch(conn);
    }

    /// Returns the frames of a session after a number, up to the first gap in the records.
    fn entries(&self, key: SessionKey, after: u64, records: &[Record]) -> VecDeque<Entry> {
        let mut entries = VecDeque::new();
        let Some(session) = self.sessions.get(key) else { return entries };
        let (id, before) = (session.id(), session.first_seq());
        let mut next = after.saturating_add(1);
        for record in records.iter().take(self.replay_window()) {
            let target = record.targets().iter().find(|target| target.session == id && target.seq == next);
            let Some(target) = target.filter(|target| target.seq < before) else { continue };
            let Some(numbered) = record.entry(target) else { continue };
            let head = envelope::head(&id, Some(&numbered.trace_id), Some(&numbered.job)).into();
            let announcement = target.first.as_ref().and_then(|first| self.announcement(first, numbered.job));
            let (id, kind, payload) = (target.id, numbered.kind, numbered.payload);
            entries.push_back(Entry { id, kind, head, payload, secret: None, announcement, after: 0 });
            next += 1;
        }
        entries
    }

    /// Returns a `job.accepted` that was sent before, if its contents are still known.
    pub(super) fn announcement(&self, first: &First, job: JobUlid) -> Option<Box<Announcement>> {
        let id = self.jobs.find(job);
        let accepted = match id.and_then(|id| self.jobs.get(id)) {
            Some(job) => Arc::clone(job.accepted()),
            None => self.idempotency.accepted_of(job)?,
        };
        let job = id.unwrap_or_default();
        let request_id = first.request_id.clone();
        Some(Announcement { id: first.id, request_id, epoch: 0, kind: Announced::Accepted(job, accepted) }.into())
    }

    /// Whether a request that came on the connection of this epoch is not answered any more.
    fn has_lost_request(&self, key: SessionKey, epoch: u32) -> bool {
        self.sessions.get(key).is_none_or(|session| session.has_lost_request(epoch))
    }

    /// Asks where the history begins that a subscription wants.
    pub(super) fn fetch_start(
        &mut self,
        key: SessionKey,
        id: JobKey,
        request_id: &str,
        from: u64,
    ) -> Result<(), Fault> {
        self.replays.room_for_start(key, &self.config.limits)?;
        let (Some(job), Some(session)) = (self.jobs.get(id).map(Job::ulid), self.sessions.get(key)) else {
            return Ok(());
        };
        let range = ReplayRange::Job { job, position: 0, after: from };
        let epoch = session.epoch();
        let wants = Wants::Start { session: key, epoch, job: id, request_id: request_id.into(), from };
        self.ask_journal(wants, range, 1);
        Ok(())
    }

    /// Asks for the next events of a history, which are only in the journal.
    pub(super) fn fetch_history(&mut self, key: SessionKey, id: JobKey, position: u64) {
        let Some(job) = self.jobs.get(id).map(Job::ulid) else { return };
        let Some(after) = self.sessions.get_mut(key).and_then(|session| session.ask_history(id)) else { return };
        let range = ReplayRange::Job { job, position, after };
        self.ask_journal(Wants::History { session: key, job: id }, range, self.replay_window());
    }

    fn history_answered(&mut self, key: SessionKey, id: JobKey, records: &[Record]) {
        let answered = self.sessions.get_mut(key).and_then(|session| session.history_answered(id));
        let (Some((at, after)), Some(job)) = (answered, self.jobs.get(id)) else { return };
        let events: Vec<_> = self.events_of(id, at, after, records).take(self.replay_window()).collect();
        // If the journal has none of it, the subscription continues with the events in memory.
        let next = events.last().map_or_else(|| job.history().begin(), |(last, _)| last + 1);
        self.advance_replay(key, id, next.max(at));
        for (position, record) in events {
            let Record::JobEvent(event) = record else { continue };
            self.work.charge(work::REPLAYED + event.payload.len() as u64 / work::FRAME_BYTES);
            let form = self.sessions.get(key).map(Session::form);
            if form.is_some_and(|form| form.features.intersection(event.needs) == event.needs) {
                let dialect = form.map(|form| form.dialect).unwrap_or_default();
                let (kind, payload) = dialect.numbered(event.job, "job.event", &event.payload);
                self.show_alone(key, id, kind, &payload, Some(position));
            }
        }
        self.touch(key);
    }

    /// Returns the events of a job in a journal's answer, with their positions, in increasing order.
    fn events_of<'a>(
        &self,
        id: JobKey,
        from: u64,
        after: u64,
        records: &'a [Record],
    ) -> impl Iterator<Item = (u64, &'a Record)> + use<'a> {
        let job = self.jobs.get(id).map(Job::ulid);
        let mut next = from;
        records.iter().filter_map(move |record| {
            let (position, seq) = record.position()?;
            if record.job() != job || position < next || seq <= after {
                return None;
            }
            next = position + 1;
            Some((position, record))
        })
    }
}

/// Returns the units of work for events that were read back.
fn work_of(past: &VecDeque<Entry>) -> u64 {
    past.iter().map(|entry| work::REPLAYED + entry.payload.len() as u64 / work::FRAME_BYTES).sum()
}

fn unreadable() -> Fault {
    Fault::new(ErrorCode::InternalError, "the session's events could not be read back; try again later")
}
