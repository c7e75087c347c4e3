//! Events that are no longer in memory, read back from the journal a few at a time (§6.3, §7.6).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::Runtime;
use crate::arcp::runtime::config::Journaling;
use crate::arcp::runtime::conn::Claim;
use crate::arcp::runtime::event::{Event, ReplayRange, Timer};
use crate::arcp::runtime::host::{ConnId, JobId, Refused, ReplayId, SessionKey};
use crate::arcp::runtime::log::{Announcement, Entry};
use crate::arcp::runtime::record::{First, Record};
use crate::arcp::runtime::session::ConnState;
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::Accepted;
use crate::time::Time;

/// A question to the journal.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    wants: Wants,
    deadline: Time,
}

#[derive(Clone, Debug)]
enum Wants {
    /// A connection resumes behind what is in memory.
    Resume { conn: ConnId, claim: Claim, principal: Arc<str>, request_id: Option<Box<str>> },
    /// A connection, the one of this epoch, needs the next events of its session.
    Log { session: SessionKey, epoch: u32 },
    /// A subscription asks where its history begins.
    Start { session: SessionKey, job: JobId, request_id: Box<str>, from: u64 },
    /// A subscription needs the next events of its job.
    History { session: SessionKey, job: JobId },
}

impl Runtime {
    /// Answers [`Event::Replay`]: the first records of the range, in their order; records outside of it are passed over,
    /// and so is what follows a missing number. `truncated` says that the journal has let go of records that would have
    /// been the first of the range. An empty answer says that nothing of it is left.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or not answered in time.
    pub fn replay(&mut self, now: Time, replay: ReplayId, records: &[Record], truncated: bool) -> Result<(), Refused> {
        self.input(now, |this| {
            let wants = this.take_replay(replay)?;
            match wants {
                Wants::Resume { conn, claim, principal, request_id } => {
                    let key = this.waiting_resume(conn).and_then(|()| this.claimed(&claim));
                    let past = key.map(|key| this.entries(key, claim.last, records)).unwrap_or_default();
                    this.resume_answered(conn, request_id.as_deref(), |this| {
                        this.resume(conn, &claim, &principal, request_id.as_deref(), Some(past))
                    });
                }
                Wants::Log { session, epoch } => this.log_answered(session, epoch, Some(records)),
                Wants::Start { session, job, request_id, from } => {
                    let first = this.events_of(job, 0, from, records).next().map(|(position, _)| (position, truncated));
                    this.subscribe(session, job, &request_id, Some(from), first);
                    this.touch_session(session);
                }
                Wants::History { session, job } => this.history_answered(session, job, records),
            }
            Ok(())
        })
    }

    /// Answers [`Event::Replay`]: the journal cannot be read. A resume is refused with `INTERNAL_ERROR`, a session that is
    /// already being read to loses its connection, a subscription ends or begins with what is in memory.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or not answered in time.
    pub fn replay_failed(&mut self, now: Time, replay: ReplayId) -> Result<(), Refused> {
        self.input(now, |this| {
            let wants = this.take_replay(replay)?;
            match wants {
                Wants::Resume { conn, request_id, .. } => {
                    this.resume_answered(conn, request_id.as_deref(), |_| Err(unreadable()));
                }
                Wants::Log { session, epoch } => this.log_answered(session, epoch, None),
                Wants::Start { session, job, request_id, from } => {
                    this.subscribe(session, job, &request_id, Some(from), None);
                    this.touch_session(session);
                }
                Wants::History { session, job } => this.drop_subscription(session, job),
            }
            Ok(())
        })
    }

    /// Whether an answer to this [`Event::Replay`] is still waited for.
    pub fn asks(&self, replay: ReplayId) -> bool {
        self.replays.contains_key(replay)
    }

    pub(super) fn replay_lapsed(&mut self, replay: ReplayId) {
        // Refused is what was answered.
        let _ = self.replay_failed(self.now, replay);
    }

    /// Whether the journal can be asked for what is no longer in memory.
    pub(super) fn replays(&self) -> bool {
        self.config.journal == Journaling::Readable
    }

    fn take_replay(&mut self, id: ReplayId) -> Result<Wants, Refused> {
        let replay = self.replays.remove(id).ok_or(Refused::Stale)?;
        self.disarm(Some(replay.deadline), Timer::Replay, id);
        Ok(replay.wants)
    }

    fn ask_journal(&mut self, wants: Wants, range: ReplayRange, max_events: usize) {
        let deadline = self.now.plus(self.config.replay_timeout);
        let replay = self.replays.insert(Replay { wants, deadline });
        self.arm(deadline, Timer::Replay, replay);
        let max_bytes = self.config.limits.send_window_bytes;
        self.event(Event::Replay { replay, range, max_events, max_bytes });
    }

    fn replay_room(&self) -> Result<(), Fault> {
        if self.replays.len() >= self.config.limits.replays {
            return Err(Fault::limit("replays", self.config.limits.replays as u64));
        }
        Ok(())
    }

    /// A resume waits for the first events it needs; nothing of the session changes before they are there.
    pub(super) fn fetch_resume(
        &mut self,
        conn: ConnId,
        key: SessionKey,
        claim: &Claim,
        principal: &str,
        request_id: Option<&str>,
    ) -> Result<(), Fault> {
        self.replay_room()?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let range = ReplayRange::Session { session: session.id, after: claim.last, before: session.log.base() };
        let Some(open) = self.conns.get_mut(conn) else { return Ok(()) };
        // From here on the question's own deadline counts.
        let greeting_at = open.greeting_at.take();
        self.disarm(greeting_at, Timer::Greeting, conn);
        let (claim, request_id) = (claim.clone(), request_id.map(Into::into));
        let wants = Wants::Resume { conn, claim, principal: principal.into(), request_id };
        self.ask_journal(wants, range, self.config.limits.send_window.max(1));
        Ok(())
    }

    fn waiting_resume(&self, conn: ConnId) -> Option<()> {
        self.conns.get(conn).filter(|open| open.state == ConnState::Authenticating).map(|_| ())
    }

    fn resume_answered(
        &mut self,
        conn: ConnId,
        request_id: Option<&str>,
        resume: impl FnOnce(&mut Runtime) -> Result<(), Fault>,
    ) {
        if self.waiting_resume(conn).is_none() {
            return;
        }
        if let Err(fault) = resume(self) {
            self.turn_away(conn, request_id, &fault);
        }
        self.touch(conn);
    }

    /// The next events that a connection needs are in the journal only.
    pub(super) fn fetch_log(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some((after, before)) = session.log.missing() else { return };
        session.fetching = true;
        let wants = Wants::Log { session: key, epoch: session.epoch };
        let range = ReplayRange::Session { session: session.id, after, before };
        self.ask_journal(wants, range, self.config.limits.send_window.max(1));
    }

    fn log_answered(&mut self, key: SessionKey, epoch: u32, records: Option<&[Record]>) {
        let Some(session) = self.sessions.get_mut(key).filter(|session| session.epoch == epoch) else { return };
        let Some(conn) = session.conn else { return };
        session.fetching = false;
        // An ack may have made them needless meanwhile.
        if let Some((after, _)) = session.log.missing() {
            let past = records.map(|records| self.entries(key, after, records)).unwrap_or_default();
            if past.is_empty() {
                self.refuse(conn, None, &unreadable());
                self.end(conn, 1011, "the session's events could not be read back");
                return;
            }
            if let Some(session) = self.sessions.get_mut(key) {
                session.log.fill(past);
            }
        }
        self.touch(conn);
    }

    /// What a session is sent after a number, as far as the records have it without a gap.
    fn entries(&self, key: SessionKey, after: u64, records: &[Record]) -> VecDeque<Entry> {
        let mut entries = VecDeque::new();
        let Some(session) = self.sessions.get(key) else { return entries };
        let mut next = after.saturating_add(1);
        for record in records.iter().take(self.config.limits.send_window.max(1)) {
            let target = record.targets().iter().find(|target| target.session == session.id && target.seq == next);
            let Some(target) = target.filter(|target| target.seq < session.log.base()) else { continue };
            let Some(numbered) = record.entry(target) else { continue };
            let head = envelope::head(&session.id, Some(&numbered.trace_id), Some(&numbered.job)).into();
            let accepted = target.first.as_ref().and_then(|first| self.announcement(first, numbered.job));
            let (id, kind, payload) = (target.id, numbered.kind, numbered.payload.clone());
            entries.push_back(Entry { id, kind, head, payload, secret: None, accepted, after: 0 });
            next += 1;
        }
        entries
    }

    /// A `job.accepted` that was written before, if what it said is still known.
    pub(super) fn announcement(&self, first: &First, job: JobUlid) -> Option<Box<Announcement>> {
        let id = self.job_ids.get(&job).copied();
        let accepted = match id.and_then(|id| self.jobs.get(id)) {
            Some(job) => Arc::clone(&job.accepted),
            None => self.recorded(job)?,
        };
        let job = id.unwrap_or_default();
        let request_id = first.request_id.clone();
        Some(Announcement { id: first.id, job, accepted, request_id, epoch: 0 }.into())
    }

    fn recorded(&self, job: JobUlid) -> Option<Arc<Accepted>> {
        let key = self.record_order.get(&job)?;
        self.records.get(key)?.accepted.clone()
    }

    /// Where does the history of a job begin that a subscription asks for?
    pub(super) fn fetch_start(&mut self, key: SessionKey, id: JobId, request_id: &str, from: u64) -> Result<(), Fault> {
        self.replay_room()?;
        // One session may not have all of the journal's time: as many wait for it as replies wait for a connection.
        let own = |replay: &&Replay| matches!(&replay.wants, Wants::Start { session, .. } if *session == key);
        if self.replays.values().filter(own).count() >= self.config.limits.reply_frames {
            return Err(Fault::limit("reply_frames", self.config.limits.reply_frames as u64));
        }
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        let range = ReplayRange::Job { job: job.accepted.id, position: 0, after: from };
        let wants = Wants::Start { session: key, job: id, request_id: request_id.into(), from };
        self.ask_journal(wants, range, 1);
        Ok(())
    }

    /// The next events of a subscription are in the journal only.
    pub(super) fn fetch_history(&mut self, key: SessionKey, id: JobId, position: u64) {
        let Some(job) = self.jobs.get(id).map(|job| job.accepted.id) else { return };
        let watch = self.sessions.get_mut(key).and_then(|session| session.watches.get_mut(&id));
        let Some(cursor) = watch.and_then(|watch| watch.cursor.as_mut()) else { return };
        cursor.asked = true;
        let range = ReplayRange::Job { job, position, after: cursor.after };
        self.ask_journal(Wants::History { session: key, job: id }, range, self.config.limits.send_window.max(1));
    }

    fn history_answered(&mut self, key: SessionKey, id: JobId, records: &[Record]) {
        let watch = self.sessions.get_mut(key).and_then(|session| session.watches.get_mut(&id));
        let Some(cursor) = watch.and_then(|watch| watch.cursor.as_mut()) else { return };
        cursor.asked = false;
        let (at, after) = (cursor.at, cursor.after);
        let Some(job) = self.jobs.get(id) else { return };
        // Nothing is left of it: the subscription goes on with what is in memory.
        let mut next = job.history.begin();
        let window = self.config.limits.send_window.max(1);
        let events: VecDeque<_> = self.events_of(id, at, after, records).take(window).collect();
        if let Some((last, _)) = events.back() {
            next = last + 1;
        }
        let cursor = self.sessions.get_mut(key).and_then(|s| s.watches.get_mut(&id)?.cursor.as_mut());
        if let Some(cursor) = cursor {
            cursor.at = next.max(at);
        }
        for (position, record) in events {
            let Record::JobEvent(event) = record else { continue };
            let features = self.sessions.get(key).map(|session| session.features);
            if features.is_some_and(|features| features.intersection(event.needs) == event.needs) {
                self.show_alone(key, id, "job.event", &event.payload, Some(position));
            }
        }
        self.touch_session(key);
    }

    /// The events of a job in a journal's answer, with their positions, which grow.
    fn events_of<'a>(
        &self,
        id: JobId,
        from: u64,
        after: u64,
        records: &'a [Record],
    ) -> impl Iterator<Item = (u64, &'a Record)> + use<'a> {
        let job = self.jobs.get(id).map(|job| job.accepted.id);
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

fn unreadable() -> Fault {
    Fault::new(ErrorCode::InternalError, "the session's events could not be read back; try again later")
}
