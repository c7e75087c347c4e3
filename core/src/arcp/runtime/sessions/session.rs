//! One session: who it belongs to, its event log, the jobs it is shown.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;
use subtle::ConstantTimeEq as _;

use super::log::{Announcement, Entry, Log, ResumeError};
use super::state::SessionState;
use super::watches::{Role, Watches};
use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{ConnId, JobId, SessionKey};
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{JobUlid, SessionId};
use crate::arcp::wire::job::Accepted;
use crate::arcp::wire::reply::Form;
use crate::digest::Digest;
use crate::time::Time;

/// What a session is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) id: SessionId,
    pub(crate) principal: Arc<str>,
    pub(crate) features: Features,
    pub(crate) python: bool,
    pub(crate) stdio: bool,
}

/// A submit that this session has sent before.
#[derive(Clone, Debug)]
struct Sent {
    id: Box<str>,
    job: JobId,
    ulid: JobUlid,
}

/// What comes next on a session's connection.
pub(crate) enum Numbered {
    /// The `job.accepted` that precedes the next event.
    Announcement(Box<Announcement>),
    /// An event, and the store it depends on.
    Event(Bytes, u64, u64),
    /// There is one, and no credit for it.
    NoCredit,
    /// The next events are only in the journal.
    Missing,
    /// Events of a subscribed job's history may be appended.
    Replay,
    /// There is none.
    Nothing,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with its rule; none is a state")]
pub(crate) struct Session {
    id: SessionId,
    principal: Arc<str>,
    state: SessionState,
    features: Features,
    python: bool,
    stdio: bool,
    conn: Option<ConnId>,
    /// Counts its connections.
    epoch: u32,
    /// The order of the hello that its last connection began with.
    hello: u64,
    /// SHA-256 of the newest resume token.
    newest: Digest,
    /// SHA-256 of the last token that the client has proved to hold.
    proved: Option<Digest>,
    log: Log,
    /// The last acknowledgement that is on record.
    recorded_ack: Option<u64>,
    /// Whether the journal was asked for its events and has not answered.
    fetching: bool,
    watches: Watches,
    /// Jobs whose agents wait for room in the log.
    blocked: BTreeSet<JobId>,
    /// Jobs of this session that have not ended.
    jobs: usize,
    /// Submits that the host has not answered.
    unanswered: usize,
    submits: VecDeque<Sent>,
    /// The head of frames that are about no job.
    head: Arc<str>,
    lapse: Deadline,
    /// Whether its client has closed it: it may be resumed, and is the first to go where there is no room.
    closed: bool,
}

impl Session {
    /// A session without a connection.
    pub(super) fn new(opening: Opening, state: SessionState, token: Digest) -> Session {
        Session {
            head: envelope::head(&opening.id, None, None).into(),
            id: opening.id,
            principal: opening.principal,
            state,
            features: opening.features,
            python: opening.python,
            stdio: opening.stdio,
            conn: None,
            epoch: 0,
            hello: 0,
            newest: token,
            proved: None,
            log: Log::new(),
            recorded_ack: None,
            fetching: false,
            watches: Watches::default(),
            blocked: BTreeSet::new(),
            jobs: 0,
            unanswered: 0,
            submits: VecDeque::new(),
            lapse: Deadline::new(Timer::ResumeWindow),
            closed: false,
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn principal(&self) -> &Arc<str> {
        &self.principal
    }

    pub(crate) fn state(&self) -> SessionState {
        self.state
    }

    pub(crate) fn features(&self) -> Features {
        self.features
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether it is spoken to in the form of `python-1.1`.
    pub(crate) fn is_python(&self) -> bool {
        self.python
    }

    pub(crate) fn is_stdio(&self) -> bool {
        self.stdio
    }

    pub(crate) fn form(&self) -> Form {
        Form { features: self.features, python: self.python }
    }

    pub(crate) fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    /// The number of its connections so far.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The order of the hello that its last connection began with.
    pub(crate) fn hello_order(&self) -> u64 {
        self.hello
    }

    /// Whether its client has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The newest resume token and the last one that was proved, as hashes.
    pub(crate) fn tokens(&self) -> (Digest, Option<Digest>) {
        (self.newest, self.proved)
    }

    /// Whether this is the hash of a resume token that is valid. Compares in constant time.
    pub(crate) fn holds(&self, token: &Digest) -> bool {
        let newest = self.newest.ct_eq(token);
        let proved = self.proved.map_or(0.into(), |proved| proved.ct_eq(token));
        (newest | proved).into()
    }

    /// The head of frames that are about no job.
    pub(crate) fn head(&self) -> &Arc<str> {
        &self.head
    }

    /// The head of frames about a job.
    pub(crate) fn job_head(&self, job: &Accepted) -> String {
        job.head(self.id)
    }

    // Connections.

    /// Ties it to a connection, which holds a new token. The others stay valid until the client proves to hold this one.
    pub(super) fn bind(&mut self, conn: ConnId, hello: u64, token: Digest) {
        self.hello = hello;
        self.newest = token;
        self.closed = false;
        self.conn = Some(conn);
        self.epoch += 1;
    }

    /// A client that holds `token` resumes it after event `last`; `past` are the events that are only in the journal.
    /// Returns the token that is no longer valid, and the connection that is replaced.
    pub(super) fn resume(
        &mut self,
        key: SessionKey,
        token: Digest,
        last: u64,
        past: VecDeque<Entry>,
        timers: &mut Timers,
    ) -> Option<(Option<Digest>, Option<ConnId>)> {
        if !self.state.resume() {
            return None;
        }
        let other = if self.newest == token { self.proved } else { Some(self.newest) };
        self.proved = Some(token);
        self.log.rewind(last);
        self.log.fill(past);
        self.fetching = false;
        self.lapse.clear(key, timers);
        self.watches.start_all();
        // The token that was used may be both: it is valid until the client has proved to hold the next one.
        Some((other.filter(|other| *other != token), self.conn.take()))
    }

    /// The client has proved to hold the newest token; returns the one that is no longer valid.
    pub(super) fn prove(&mut self) -> Option<Digest> {
        self.proved.replace(self.newest).filter(|old| *old != self.newest)
    }

    pub(super) fn set_tokens(&mut self, newest: Digest, proved: Option<Digest>) {
        (self.newest, self.proved) = (newest, proved);
    }

    /// Its client has closed it.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Its connection is gone: it lapses at a time. Returns whether it had one.
    pub(super) fn detach(&mut self, key: SessionKey, at: Time, timers: &mut Timers) -> bool {
        if !self.state.lost() {
            return false;
        }
        self.conn = None;
        self.fetching = false;
        self.log.forget_past();
        self.watches.start_all();
        self.lapse.set(at, key, timers);
        true
    }

    /// The resume window is over. Returns whether it was detached.
    pub(super) fn lapse(&mut self, key: SessionKey, timers: &mut Timers) -> bool {
        self.lapse.clear(key, timers);
        self.state.lapse()
    }

    /// A restored session that lapses at a time; `None` starts anew when everything is restored.
    pub(super) fn lapse_at(&mut self, key: SessionKey, at: Option<Time>, closed: bool, timers: &mut Timers) {
        self.closed = closed;
        match at {
            Some(at) => self.lapse.set(at, key, timers),
            None => self.lapse.clear(key, timers),
        }
    }

    /// When it lapses, if it is detached.
    pub(crate) fn lapses(&self) -> Option<Time> {
        self.lapse.at()
    }

    /// Whether nothing of it is going on.
    pub(super) fn is_idle(&self) -> bool {
        self.conn.is_none() && self.jobs == 0 && self.unanswered == 0
    }

    // Watched jobs.

    /// Shows a job from now on.
    pub(crate) fn watch(&mut self, job: JobId, accepted: &Accepted, role: Role) {
        let head = self.job_head(accepted).into();
        self.watches.add(job, role, head);
    }

    /// Shows a job no longer.
    pub(crate) fn unwatch(&mut self, job: JobId) {
        self.watches.remove(job);
        self.blocked.remove(&job);
    }

    pub(crate) fn role(&self, job: JobId) -> Option<Role> {
        self.watches.role(job)
    }

    pub(crate) fn set_role(&mut self, job: JobId, role: Role) {
        self.watches.set_role(job, role);
    }

    /// The watched jobs with their roles.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (JobId, Role)> {
        self.watches.iter()
    }

    pub(crate) fn watched_len(&self) -> usize {
        self.watches.len()
    }

    /// Watched jobs that are not its own.
    pub(crate) fn watched_of_others(&self) -> usize {
        self.watches.iter().filter(|(_, role)| *role != Role::Owner).count()
    }

    /// The watched jobs whose events are shown as they come.
    pub(crate) fn watched_live(&self) -> impl Iterator<Item = JobId> {
        self.watches.live()
    }

    /// Whether the events of a job are shown as they come.
    pub(crate) fn is_shown_live(&self, job: JobId) -> bool {
        self.watches.is_live(job)
    }

    /// Keeps a `job.accepted` that precedes the job's first event on every new connection.
    pub(crate) fn announce(&mut self, job: JobId, announcement: Option<Box<Announcement>>) {
        self.watches.announce(job, announcement);
    }

    pub(crate) fn take_announcement(&mut self, job: JobId) -> Option<Box<Announcement>> {
        self.watches.take_announcement(job)
    }

    /// The head of frames about a watched job.
    pub(crate) fn watch_head(&self, job: JobId) -> Option<Arc<str>> {
        self.watches.head(job)
    }

    /// Shows a job's history from position `at`; returns whether the job is watched.
    pub(crate) fn replay_from(&mut self, job: JobId, at: u64, after: u64, not_before: Time) -> bool {
        self.watches.replay_from(job, at, after, not_before)
    }

    /// The first job whose history can be shown now, and the next position of it: only while few events wait.
    pub(crate) fn next_replay(&self, now: Time, window: usize) -> Option<(JobId, u64)> {
        if self.conn.is_some() && self.log.unwritten().0 >= window {
            return None;
        }
        self.watches.next_replay(now)
    }

    /// The history of a job was shown up to a position.
    pub(crate) fn advance_replay(&mut self, job: JobId, at: u64) {
        self.watches.advance(job, at);
    }

    /// The journal is asked for the next events of a history; returns the number after which they count.
    pub(crate) fn ask_history(&mut self, job: JobId) -> Option<u64> {
        self.watches.ask(job)
    }

    /// The journal has answered; returns the next position, and the number after which events count.
    pub(crate) fn history_answered(&mut self, job: JobId) -> Option<(u64, u64)> {
        self.watches.answered(job)
    }

    /// The history of a job was shown to its end.
    pub(crate) fn caught_up(&mut self, job: JobId) {
        self.watches.caught_up(job);
    }

    /// A `job.subscribed` was sent: the events behind it follow at this time.
    pub(crate) fn start_replays(&mut self, at: Time) {
        self.watches.start_at(at);
    }

    // Jobs and submits of its own.

    /// Jobs of this session that have not ended.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs
    }

    pub(crate) fn job_begins(&mut self) {
        self.jobs += 1;
    }

    pub(crate) fn job_ends(&mut self) {
        self.jobs = self.jobs.saturating_sub(1);
    }

    /// Submits that the host has not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered
    }

    pub(crate) fn await_answer(&mut self) {
        self.unanswered += 1;
    }

    pub(crate) fn submit_answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// Remembers the id of a submit, so that its repetition is answered with the same job.
    pub(crate) fn remember_submit(&mut self, id: &str, job: JobId, ulid: JobUlid, limits: &Limits) {
        if self.submitted(id).is_some() {
            return;
        }
        self.submits.push_back(Sent { id: id.into(), job, ulid });
        if self.submits.len() > limits.submit_ids {
            self.submits.pop_front();
        }
    }

    /// The job of a submit that was sent before.
    pub(crate) fn submitted(&self, id: &str) -> Option<JobId> {
        self.submits.iter().find(|sent| *sent.id == *id).map(|sent| sent.job)
    }

    /// Forgets the submits of a job that never came to be.
    pub(crate) fn forget_submits(&mut self, job: JobUlid) {
        self.submits.retain(|sent| sent.ulid != job);
    }

    // The event log.

    /// Numbers an entry.
    pub(crate) fn number(&mut self, entry: Entry, limits: &Limits) -> u64 {
        self.log.push(entry, self.conn.is_some(), limits.log_events, limits.log_bytes)
    }

    /// The last number that was given.
    pub(crate) fn last_seq(&self) -> u64 {
        self.log.next() - 1
    }

    /// The number of the first event in memory.
    pub(crate) fn first_seq(&self) -> u64 {
        self.log.base()
    }

    /// The number of the last event that was given to its connection.
    pub(crate) fn sent_seq(&self) -> u64 {
        self.log.sent()
    }

    /// Whether a client that has all events up to `last` can go on from there (§6.3).
    pub(crate) fn can_resume(&self, last: u64) -> Result<(), ResumeError> {
        self.log.resume(last)
    }

    /// Takes what comes next on its connection, if `credit` allows so many bytes. `accepted` says whether an announcement
    /// may go now; one that has gone on this connection, or is not wanted in this form, is passed over.
    pub(crate) fn next_numbered(&mut self, credit: impl Fn(usize) -> bool, hold: bool) -> Numbered {
        let (epoch, python, fetching, replaying) =
            (self.epoch, self.python, self.fetching, self.watches.are_replaying());
        let Some((seq, entry)) = self.log.peek() else {
            return match self.log.missing() {
                Some(_) if fetching => Numbered::Nothing,
                Some(_) => Numbered::Missing,
                None if replaying => Numbered::Replay,
                None => Numbered::Nothing,
            };
        };
        if let Some(announcement) = entry.accepted.as_deref().filter(|a| a.epoch != epoch && !python) {
            if hold && announcement.request_id.is_none() {
                return Numbered::Nothing;
            }
            return Numbered::Announcement(announcement.clone().into());
        }
        if !credit(entry.frame_len()) {
            return Numbered::NoCredit;
        }
        // Payloads were made from text.
        let Some((frame, after)) = entry.frame(seq) else { return Numbered::Nothing };
        self.log.advance();
        Numbered::Event(frame, seq, after)
    }

    /// The announcement of the next event was sent on this connection.
    pub(crate) fn announced(&mut self) {
        let epoch = self.epoch;
        if let Some(announcement) = self.log.peek().and_then(|(_, entry)| entry.accepted.as_mut()) {
            announcement.epoch = epoch;
        }
    }

    /// The driver has written the events up to `seq`.
    pub(crate) fn written(&mut self, seq: u64) {
        self.log.wrote(seq);
    }

    /// The client has processed the events up to `seq` (§6.5); claims that go back, or beyond what was sent, are ignored.
    pub(crate) fn acknowledge(&mut self, seq: u64, limits: &Limits) {
        self.log.ack(seq, limits.back_pressure);
    }

    /// The acknowledgement that has to be recorded, if it is `stride` events beyond the last one that was.
    pub(crate) fn record_ack(&mut self, stride: u64) -> Option<u64> {
        let acked = self.log.acked()?;
        if self.recorded_ack.is_some_and(|recorded| acked < recorded.saturating_add(stride)) {
            return None;
        }
        self.recorded_ack = Some(acked);
        Some(acked)
    }

    /// Restores a recorded acknowledgement.
    pub(crate) fn restore_ack(&mut self, seq: u64) {
        self.log.restore_ack(seq);
        self.recorded_ack = Some(seq);
    }

    /// Restores a recorded entry; returns whether its number is new.
    pub(crate) fn restore_entry(&mut self, seq: u64, entry: Entry, limits: &Limits) -> bool {
        self.log.restore(seq, entry, limits.log_events, limits.log_bytes)
    }

    /// Events that are not acknowledged, if its client has fallen so far behind that it has to be said (§6.5).
    pub(crate) fn back_pressure(&mut self, limits: &Limits) -> Option<u64> {
        if self.log.back_pressure(limits.back_pressure) { Some(self.log.lag().unwrap_or(0)) } else { None }
    }

    /// The events that have to be read back from the journal: their numbers are between the two. It is asked for them.
    pub(crate) fn fetch(&mut self) -> Option<(u64, u64)> {
        let missing = self.log.missing()?;
        self.fetching = true;
        Some(missing)
    }

    /// The journal has answered a question of the connection of this epoch. Returns the connection, and the number after
    /// which events are missing, unless an acknowledgement has made them needless.
    pub(crate) fn fetched(&mut self, epoch: u32) -> Option<(ConnId, Option<u64>)> {
        let conn = self.conn.filter(|_| self.epoch == epoch)?;
        self.fetching = false;
        Some((conn, self.log.missing().map(|(after, _)| after)))
    }

    /// Adds events that were read back from the journal.
    pub(crate) fn fill(&mut self, past: VecDeque<Entry>) {
        self.log.fill(past);
    }

    /// Whether so many events may be appended without pushing out any that were not written.
    pub(crate) fn has_room(&self, events: usize, bytes: usize, limits: &Limits) -> bool {
        let (unwritten, unwritten_bytes) = self.log.unwritten();
        self.conn.is_none()
            || unwritten == 0
            || (unwritten + events <= self.emit_room(limits)
                && unwritten_bytes.saturating_add(bytes) <= limits.log_bytes)
    }

    /// Events the log may hold unwritten before an agent waits: every watched job keeps room for its first and last.
    fn emit_room(&self, limits: &Limits) -> usize {
        limits.log_events.saturating_sub(2 * self.watches.len()).max(1)
    }

    /// Notes that a job's agent waits for room in the log.
    pub(crate) fn block(&mut self, job: JobId) {
        self.blocked.insert(job);
    }

    /// The jobs whose agents may go on. An eighth of the log has to be free before they wake, so that they do not wake for
    /// every frame.
    pub(crate) fn unblock(&mut self, limits: &Limits) -> BTreeSet<JobId> {
        if self.blocked.is_empty() {
            return BTreeSet::new();
        }
        let room = self.emit_room(limits);
        let (events, bytes) = self.log.unwritten();
        let ready = self.conn.is_none()
            || (events + (room / 8).max(1) <= room && bytes.saturating_add(limits.log_bytes / 8) <= limits.log_bytes);
        if ready { core::mem::take(&mut self.blocked) } else { BTreeSet::new() }
    }

    pub(crate) fn held(&self) -> usize {
        let submits: usize = self.submits.iter().map(|sent| sent.id.len() + 48).sum();
        self.log.bytes_held() + submits + self.watches.len() * 256 + 512
    }
}
