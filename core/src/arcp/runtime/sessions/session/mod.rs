//! One session: its principal, connection, tokens and submits. `events.rs` has its event log, `watching.rs` the jobs that it
//! watches, and `elsewhere.rs` those of other runtimes.

mod elsewhere;
pub(crate) mod events;
mod submits;
mod watching;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;

use subtle::ConstantTimeEq as _;

use self::submits::Submits;
use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{ConnId, JobKey, SessionKey};
use crate::arcp::runtime::memory::{Charge, Holder, Holding};
use crate::arcp::runtime::sessions::elsewhere::Elsewhere;
use crate::arcp::runtime::sessions::log::{Entry, Log};
use crate::arcp::runtime::sessions::state::SessionState;
use crate::arcp::runtime::sessions::watches::Watches;
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::Accepted;
use crate::arcp::wire::reply::Form;
use crate::digest::Digest;
use crate::time::Time;

/// The facts that a session is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) id: SessionUlid,
    pub(crate) principal: Arc<str>,
    pub(crate) features: Features,
    pub(crate) dialect: Dialect,
    pub(crate) stdio: bool,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts beside the state")]
pub(crate) struct Session {
    id: SessionUlid,
    principal: Arc<str>,
    state: SessionState,
    features: Features,
    dialect: Dialect,
    stdio: bool,
    conn: Option<ConnId>,
    /// The number of its connections so far.
    epoch: u32,
    /// The order of the hello that its last connection began with.
    hello: u64,
    /// SHA-256 of the newest resume token.
    newest: Digest,
    /// SHA-256 of the last token that the client has proved to hold.
    proved: Option<Digest>,
    log: Log,
    /// The last event that its client had received when it resumed, if it has ever resumed.
    resumed: Option<u64>,
    /// The last acknowledgement that is on record.
    recorded_ack: Option<u64>,
    /// Whether the journal was asked for its events and has not answered.
    fetching: bool,
    watches: Watches,
    /// Its part in other runtimes, once it has one.
    elsewhere: Option<Box<Elsewhere>>,
    /// Whether it is a session of another runtime.
    guest: bool,
    /// Jobs whose agents wait for space in the log.
    blocked: BTreeSet<JobKey>,
    /// Jobs of this session that have not ended.
    jobs: usize,
    /// Submits that the host has not answered.
    unanswered: usize,
    submits: Submits,
    /// The head of frames that are about no job.
    head: Arc<str>,
    lapse: Deadline,
    /// Whether its client has closed it. It can still be resumed, but is removed first when a limit is reached.
    closed: bool,
    charge: Charge,
    /// The bytes that wait for its connection.
    waiting: usize,
}

impl Session {
    /// A session without a connection.
    pub(super) fn new(opening: Opening, state: SessionState, token: Digest) -> Session {
        Session {
            head: envelope::head(&opening.id, None, None).into(),
            charge: Charge::default(),
            waiting: 0,
            id: opening.id,
            principal: opening.principal,
            state,
            features: opening.features,
            dialect: opening.dialect,
            stdio: opening.stdio,
            conn: None,
            epoch: 0,
            hello: 0,
            newest: token,
            proved: None,
            log: Log::new(),
            resumed: None,
            recorded_ack: None,
            fetching: false,
            watches: Watches::default(),
            elsewhere: None,
            guest: false,
            blocked: BTreeSet::new(),
            jobs: 0,
            unanswered: 0,
            submits: Submits::default(),
            lapse: Deadline::new(Timer::ResumeWindow),
            closed: false,
        }
    }

    /// Marks it as a session of another runtime.
    pub(super) fn into_guest(mut self) -> Session {
        self.guest = true;
        self
    }

    pub(crate) fn id(&self) -> SessionUlid {
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

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn is_stdio(&self) -> bool {
        self.stdio
    }

    pub(crate) fn form(&self) -> Form {
        Form { features: self.features, dialect: self.dialect }
    }

    pub(crate) fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    /// The number of its connections so far.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether a request of the connection of this epoch is not answered any more. A client that resumes on a new
    /// connection takes an answer for that of its next request, unless it has asked for `job.accepted` again.
    pub(crate) fn has_lost_request(&self, epoch: u32) -> bool {
        epoch != self.epoch && !self.has(Feature::AcceptedReplay)
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

    /// Binds it to a connection, with a new token. The other tokens stay valid until the client proves to hold this
    /// one.
    pub(super) fn bind(&mut self, conn: ConnId, hello: u64, token: Digest) {
        self.hello = hello;
        self.newest = token;
        self.closed = false;
        self.conn = Some(conn);
        self.epoch += 1;
    }

    /// Resumes it after event `last` for a client that holds `token`. `past` has the events that are only in the
    /// journal. Returns the token that is no longer valid, and the connection that is replaced.
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
        self.resumed = Some(last);
        self.log.fill(past);
        self.fetching = false;
        self.lapse.clear(key, timers);
        self.watches.start_all();
        // The token that was used stays valid until the client has proved to hold the next one.
        Some((other.filter(|other| *other != token), self.conn.take()))
    }

    /// Notes that the client has proved to hold the newest token. Returns the one that is no longer valid.
    pub(super) fn prove(&mut self) -> Option<Digest> {
        self.proved.replace(self.newest).filter(|old| *old != self.newest)
    }

    pub(super) fn set_tokens(&mut self, newest: Digest, proved: Option<Digest>) {
        (self.newest, self.proved) = (newest, proved);
    }

    /// Notes that its client has closed it.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Detaches it from its connection, and sets when it lapses. Returns whether it had a connection.
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

    /// Closes it, because the resume window has passed. Returns whether it was detached.
    pub(super) fn lapse(&mut self, key: SessionKey, timers: &mut Timers) -> bool {
        self.lapse.clear(key, timers);
        self.state.lapse()
    }

    /// Restores when it lapses. With `None` its window starts once everything is restored.
    pub(super) fn lapse_at(&mut self, key: SessionKey, at: Option<Time>, closed: bool, timers: &mut Timers) {
        self.closed = closed;
        match at {
            Some(at) => self.lapse.set(at, key, timers),
            None => self.lapse.clear(key, timers),
        }
    }

    /// Returns when it lapses, if it is detached.
    pub(crate) fn lapses(&self) -> Option<Time> {
        self.lapse.at()
    }

    /// Returns whether it has no live jobs and no unanswered submits.
    pub(super) fn is_idle(&self) -> bool {
        self.conn.is_none() && self.jobs == 0 && self.unanswered == 0
    }

    /// Whether anything is going on that its client has a handle of.
    pub(crate) fn is_busy(&self) -> bool {
        self.jobs > 0 || self.unanswered > 0 || self.watched_len() > 0 || self.watched_of_others() > 0
    }

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
    pub(crate) fn remember_submit(&mut self, id: &str, job: JobKey, ulid: JobUlid, limits: &Limits) {
        self.submits.remember(id, job, ulid, limits.submit_ids);
    }

    /// The job of a submit that was sent before.
    pub(crate) fn submitted(&self, id: &str) -> Option<JobKey> {
        self.submits.job(id)
    }

    /// Forgets the submits of a job that was declined.
    pub(crate) fn forget_submits(&mut self, job: JobUlid) {
        self.submits.forget(job);
    }

    /// Sets the bytes that wait for its connection. Returns whether they are others than before.
    pub(super) fn set_waiting(&mut self, bytes: usize) -> bool {
        core::mem::replace(&mut self.waiting, bytes) != bytes
    }

    pub(crate) fn held(&self) -> usize {
        let elsewhere = self.elsewhere.as_ref().map_or(0, |elsewhere| elsewhere.held());
        self.log.bytes_held() + self.submits.bytes_held() + self.watches.len() * 256 + elsewhere + 512
    }
}

impl Holder for Session {
    fn principal(&self) -> &Arc<str> {
        &self.principal
    }

    fn holding(&self) -> Holding {
        Holding { bytes: self.held() + self.waiting, watched: self.watched_of_others(), ..Holding::default() }
    }

    fn charge(&self) -> &Charge {
        &self.charge
    }

    fn charge_mut(&mut self) -> &mut Charge {
        &mut self.charge
    }
}
