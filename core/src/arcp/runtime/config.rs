//! The settings of a runtime: features, policy, intervals and limits.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::arcp::runtime::policy::{Policy, SamePrincipal};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::feature::Features;
use crate::lease::Lease;

/// The settings of a [`Runtime`](crate::arcp::Runtime): what it offers, its intervals, its limits and its policy.
///
/// ```
/// use core::time::Duration;
///
/// use nuncio_core::arcp::Config;
///
/// let config = Config::default().with(|config| {
///     config.resume_window = Duration::from_mins(1);
///     config.limits.jobs_per_session = 20;
/// });
/// assert_eq!(config.limits.jobs_per_session, 20);
/// ```
#[derive(Clone)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Config {
    /// `runtime.name` of the welcome. Default: `nuncio`.
    pub name: String,
    /// `runtime.version` of the welcome. Default: the version of this crate.
    pub version: String,
    /// The features on offer (§6.2). Default: all. `provisioned_credentials` also needs [`Config::provisioner`].
    pub features: Features,
    /// Whether the host mints credentials (§9.8). Default: no, and the feature is never offered.
    pub provisioner: bool,
    /// The dialect of every session whose dialect is not named otherwise (ours). With `None` it is recognised from the
    /// first hello, and is [`Dialect::SPEC`] for an unknown client. Default: `None`.
    pub dialect: Option<Dialect>,
    /// The dialects of the sessions of some principals, by principal; they take precedence over [`Config::dialect`] (ours).
    /// Default: none.
    pub dialects: BTreeMap<String, Dialect>,
    /// Who may see and watch whose jobs (§6.6, §7.6). Default: [`SamePrincipal`].
    pub policy: Arc<dyn Policy>,
    /// Principals that may list, watch and cancel every job, and read the state of the runtime; they see no credentials (ours).
    /// Default: none.
    pub operators: BTreeSet<String>,
    /// Principals that may list and watch every job and answer its questions (ours). Default: none.
    pub approvers: BTreeSet<String>,
    /// The operations that people have to approve before a job does them (ours), as the patterns of a lease. What they
    /// match needs the lease of the job as well. A budget among them has no effect. Default: none.
    pub ask_first: Lease,
    /// Whether the principal that has submitted a job may approve its operations (ours), as the policy and
    /// [`Config::approvers`] say. If not, others have to, whatever they say of that principal; it still answers the questions of
    /// its agents. Default: yes.
    pub self_approval: bool,
    /// How long people have to approve an operation (ours). Default: 1 hour.
    pub approval_timeout: Duration,
    /// Whether a `session.resume` without `auth` is accepted: the resume token then proves the principal. Default: no.
    pub resume_by_token: bool,
    /// What the host stores beyond the life of the process. Default: [`Journaling::Off`].
    pub journal: Journaling,
    /// How many runtimes the host runs beside each other, this one included, each with the sessions of other principals:
    /// [`shard_of`](crate::arcp::shard_of) says of which (ours). With more than one, the host answers [`Event::Locate`], and lends
    /// the slots of agents. Default: 1.
    ///
    /// [`Event::Locate`]: crate::arcp::Event::Locate
    pub shards: u32,
    /// Whether a job whose lease does not name `model.use` may use any model (§9.7). Default: no.
    pub models_without_lease: bool,

    /// The interval between signs of life (§6.4), in whole seconds and at least one. Default: 30 s.
    pub heartbeat_interval: Duration,
    /// How long a session without a connection stays resumable (§6.3), in whole seconds and at least one.
    /// Default: 10 minutes.
    pub resume_window: Duration,
    /// The time a new connection has for its hello. Default: 10 s.
    pub hello_timeout: Duration,
    /// The time the host has to answer [`Event::Authenticate`](crate::arcp::Event::Authenticate). Default: 10 s.
    pub auth_timeout: Duration,
    /// The time the host has to answer [`Event::Submitted`](crate::arcp::Event::Submitted). Default: 30 s.
    pub submit_timeout: Duration,
    /// The time the host has to answer [`Event::Replay`](crate::arcp::Event::Replay). Default: 10 s.
    pub replay_timeout: Duration,
    /// The time the host has to answer [`Event::Status`](crate::arcp::Event::Status) (ours). Default: 10 s.
    pub status_timeout: Duration,
    /// The time the other runtimes of the host have to answer [`Event::Relay`](crate::arcp::Event::Relay) (ours). Default: 10 s.
    pub relay_timeout: Duration,
    /// The time a cancelled agent has to end by itself (§7.4). Default: 30 s.
    pub cancel_grace: Duration,
    /// How long a job may outlive its lease (§14). Default: 1 s.
    pub expiry_grace: Duration,
    /// How long a closing connection may take to write the frames that are queued for it. Default: 2 s.
    pub linger: Duration,
    /// How long a connection may write no frame while some are outstanding. It is then closed, because a peer that
    /// never reads would otherwise block its agents without end. Default: 60 s.
    pub stall_timeout: Duration,
    /// How long an ended job is kept for listings, subscriptions and idempotent retries. Default: 24 h.
    pub job_retention: Duration,
    /// How long an idempotency key is remembered (§7.2). Default: 24 h.
    pub idempotency_window: Duration,

    /// The bounds of everything that the runtime holds and accepts.
    pub limits: Limits,
}

/// The limits of a [`Runtime`](crate::arcp::Runtime). A request that would exceed a limit is refused with a wire error
/// that names the limit. The memory of the runtime is bounded by the sum of the limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the largest frame, in and out. Default: 1 MiB.
    pub frame_bytes: usize,
    /// Bytes of the largest outgoing frame on [`Via::Stdio`](crate::arcp::Via::Stdio). Default: 60 KiB, since the Python
    /// SDK reads at most 64 KiB.
    pub stdio_frame_bytes: usize,
    /// Bytes that sessions, jobs and connections hold in all: inputs, results, logs, histories and frames. Beyond it ended jobs
    /// are dropped, those that hold more than their share keep fewer events in memory, their submits are refused, and
    /// connections that many frames wait for are closed. Default: 1 GiB.
    pub bytes: usize,
    /// Bytes that the sessions, jobs and connections of one principal hold. Default: 512 MiB.
    pub bytes_per_principal: usize,
    /// Bytes of the records of the sessions and jobs of one principal that a journal has to keep, estimated. Events count for
    /// [`Config::job_retention`] and at most twice as long. Beyond it the ended jobs of the principal are dropped; without one,
    /// submits, subscriptions with a history and the events of its jobs are refused. Only with a journal. Default: 4 GiB.
    pub journal_bytes_per_principal: u64,
    /// Connections. Default: 10 000.
    pub connections: usize,
    /// Connections that were not welcomed yet. Another one displaces the oldest of them. Default: 1 000.
    pub ungreeted: usize,
    /// Connections of one address that were not welcomed yet: an IPv4 address, or the first 64 bits of an IPv6 address.
    /// Another one displaces the oldest of them. Default: 250.
    pub ungreeted_per_address: usize,
    /// Bytes of the largest frame before the welcome, in which the host may hold it incomplete. Default: 64 KiB.
    pub hello_bytes: usize,
    /// Bytes of incomplete frames that the host holds of all connections that were not welcomed yet. More displace the
    /// oldest of them. Default: 16 MiB.
    pub ungreeted_bytes: usize,
    /// Sessions, with and without a connection. Default: 10 000.
    pub sessions: usize,
    /// Sessions of one principal (§14). Default: 1 000.
    pub sessions_per_principal: usize,
    /// Jobs that have not ended. The last tenth is for principals that have less than a hundredth. Default: 100 000.
    pub jobs: usize,
    /// Jobs of one principal that have not ended. Default: 50 000.
    pub jobs_per_principal: usize,
    /// Bytes of the inputs and extensions of the jobs that have not ended. The last tenth is for principals that have less
    /// than a hundredth, if that is enough for a frame. Default: 1 GiB.
    pub input_bytes: usize,
    /// Bytes of the inputs and extensions of the jobs of one principal that have not ended. Default: 512 MiB.
    pub input_bytes_per_principal: usize,
    /// Bytes of the note that an agent leaves with its job. Default: 4 KiB.
    pub note_bytes: usize,
    /// Jobs of one session that have not ended. Default: 1 000.
    pub jobs_per_session: usize,
    /// Levels of delegation below a submitted job (§10). Default: 8.
    pub delegation_depth: u32,
    /// Delegations of one job; their names have to differ (§10). Default: 10 000.
    pub delegations_per_job: usize,
    /// Amounts that one job has reserved and not settled (§9.6, ours). Default: 1 000.
    pub reservations_per_job: usize,
    /// Questions that one job has asked, answered or not, in all its runs (ours). Default: 1 000.
    pub questions_per_job: usize,
    /// Questions of one job that are open (ours). Default: 100.
    pub open_questions_per_job: usize,
    /// Questions of the jobs of one principal that are open (ours). Default: 10 000.
    pub open_questions_per_principal: usize,
    /// Bytes of a question: its prompt, its key, its choices or schema, and its default (ours). Default: 32 KiB.
    pub question_bytes: usize,
    /// Bytes of an answer: its value and its note (ours). Default: 16 KiB.
    pub answer_bytes: usize,
    /// Jobs of other sessions that one session watches: by subscription (§7.6) or by repeating their submit (§7.2).
    /// Default: 1 000.
    pub subscriptions: usize,
    /// Jobs of other sessions that the sessions of one principal watch. Default: 10 000.
    pub subscriptions_per_principal: usize,
    /// Submits of one principal in a second, after as many at once; repeated ones do not count. Default: no limit.
    pub submits_per_second: Option<u32>,
    /// Refused tokens of one address in a minute, after as many at once; its connections are then refused. Default: no limit.
    pub failed_logins_per_minute: Option<u32>,
    /// Events kept for a session (§6.5). Default: 10 000.
    pub log_events: usize,
    /// Payload bytes of the events kept for a session. Default: 16 MiB.
    pub log_bytes: usize,
    /// Events kept of a job for its subscribers. Default: 10 000.
    pub history_events: usize,
    /// Payload bytes of the events kept of a job. Default: 16 MiB.
    pub history_bytes: usize,
    /// Ended jobs kept for listings, subscriptions and idempotent retries. Default: 10 000.
    pub retained_jobs: usize,
    /// Bytes held by ended jobs. Default: 64 MiB.
    pub retained_bytes: usize,
    /// Ended jobs of one principal that are kept. Beyond a limit the principal that has most gives way. Default: 10 000.
    pub retained_jobs_per_principal: usize,
    /// Bytes held by the ended jobs of one principal. Default: 64 MiB.
    pub retained_bytes_per_principal: usize,
    /// Idempotency records. Default: 100 000.
    pub idempotency_records: usize,
    /// Bytes held by idempotency records whose job is no longer kept. Default: 64 MiB.
    pub idempotency_bytes: usize,
    /// Idempotency records of one principal. Beyond a limit the principal that has most gives way. Default: 100 000.
    pub idempotency_records_per_principal: usize,
    /// Bytes held by the idempotency records of one principal whose job is no longer kept. Default: 64 MiB.
    pub idempotency_bytes_per_principal: usize,
    /// Submit ids remembered in a session. Default: 1024, more than a session may have unanswered submits.
    pub submit_ids: usize,
    /// Rows of the longest page of `session.jobs` (§6.6). Default: 1 000; a request that names no limit gets 100.
    pub list_page: usize,
    /// Frames given to a connection and not yet reported as sent. Default: 64.
    pub send_window: usize,
    /// Bytes given to a connection and not yet reported as sent; one frame is always allowed. Default: 256 KiB.
    pub send_window_bytes: usize,
    /// Replies that wait for a connection before it is no longer read from. Default: 64.
    pub reply_frames: usize,
    /// Bytes of replies that wait for a connection before it is no longer read from. Default: 1 MiB.
    pub reply_bytes: usize,
    /// Malformed frames that a welcomed connection may send within a minute before it is closed. Default: 100.
    pub bad_frames: u32,
    /// Unacknowledged events of a session that acknowledges, above which it receives a back-pressure event (§6.5).
    /// Default: 1 000.
    pub back_pressure: u64,
    /// Steps spent on one comparison of a lease with an operation (§9.3) or with another lease (§9.4), which is not
    /// interrupted. A step is worth some twenty nanoseconds. Default: 25 000.
    pub pattern_work: u64,
    /// Units of work after which a turn is over: a host lets others have the machine, and a listing, a history, a large
    /// result or the end of a large family that is not finished goes on later. A unit is a step of a comparison of leases, or some tens of nanoseconds of other work. Default:
    /// 50 000.
    pub turn_work: u64,
    /// Decoded bytes of one result chunk (§8.4, §14). Default: 1 MiB.
    pub chunk_bytes: usize,
    /// Decoded bytes of one streamed result. Default: 256 MiB.
    pub result_bytes: u64,
    /// Decoded bytes per chunk of the result writer. Default: 64 KiB.
    pub writer_chunk_bytes: usize,
    /// Decoded bytes per chunk of the result writer on stdio and in dialects that want small chunks. Default: 48 KiB.
    pub small_writer_chunk_bytes: usize,
    /// Credentials of one job. Default: 16.
    pub credentials_per_job: usize,
    /// Credentials waiting to be revoked, beyond which submits that need credentials are refused. Default: 10 000.
    pub revocations: usize,
    /// Unanswered [`Event::Replay`](crate::arcp::Event::Replay)s, beyond which a resume or subscription that needs another
    /// one is refused. Default: 1 000.
    pub replays: usize,
    /// Unanswered [`Event::Status`](crate::arcp::Event::Status)es, beyond which another request of an operator is refused
    /// (ours). Default: 100.
    pub status_requests: usize,
    /// Stores not yet reported as durable, beyond which agents wait. From twice as many on, and at least 1 024, the runtime
    /// takes no new work, as after [`Runtime::pause`](crate::arcp::Runtime::pause). Only with a journal. Default: 16 384.
    pub store_window: u64,
}

impl Limits {
    /// The limit of an incoming frame, by whether its connection was welcomed: its name and its value in bytes.
    pub(crate) fn frame_of(&self, greeted: bool) -> (&'static str, usize) {
        if greeted {
            ("frame_bytes", self.frame_bytes)
        } else if self.hello_bytes < self.frame_bytes {
            ("hello_bytes", self.hello_bytes)
        } else {
            ("frame_bytes", self.frame_bytes)
        }
    }
}

impl Config {
    /// Returns this configuration with some settings changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Config {
        change(&mut self);
        self
    }

    /// Whether a principal may list, watch and cancel every job, and read the state of the runtime.
    pub(crate) fn is_operator(&self, principal: &str) -> bool {
        self.operators.contains(principal)
    }

    /// Whether a principal may list and watch every job and answer its questions.
    pub(crate) fn is_approver(&self, principal: &str) -> bool {
        self.approvers.contains(principal)
    }

    /// The heartbeat interval in whole seconds, as the welcome names it.
    pub(crate) fn heartbeat_secs(&self) -> u64 {
        self.heartbeat_interval.as_secs().max(1)
    }

    /// The resume window in whole seconds, as the welcome names it.
    pub(crate) fn resume_window_secs(&self) -> u64 {
        self.resume_window.as_secs().max(1)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: String::from("nuncio"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            features: Features::ALL,
            provisioner: false,
            dialect: None,
            dialects: BTreeMap::new(),
            policy: Arc::new(SamePrincipal),
            operators: BTreeSet::new(),
            approvers: BTreeSet::new(),
            ask_first: Lease::default(),
            self_approval: true,
            approval_timeout: Duration::from_hours(1),
            resume_by_token: false,
            journal: Journaling::Off,
            shards: 1,
            models_without_lease: false,
            heartbeat_interval: Duration::from_secs(30),
            resume_window: Duration::from_mins(10),
            hello_timeout: Duration::from_secs(10),
            auth_timeout: Duration::from_secs(10),
            submit_timeout: Duration::from_secs(30),
            replay_timeout: Duration::from_secs(10),
            status_timeout: Duration::from_secs(10),
            relay_timeout: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(30),
            expiry_grace: Duration::from_secs(1),
            linger: Duration::from_secs(2),
            stall_timeout: Duration::from_mins(1),
            job_retention: Duration::from_hours(24),
            idempotency_window: Duration::from_hours(24),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes: 1 << 20,
            stdio_frame_bytes: 60 << 10,
            bytes: 1 << 30,
            bytes_per_principal: 512 << 20,
            journal_bytes_per_principal: 4 << 30,
            connections: 10_000,
            ungreeted: 1_000,
            ungreeted_per_address: 250,
            hello_bytes: 64 << 10,
            ungreeted_bytes: 16 << 20,
            sessions: 10_000,
            sessions_per_principal: 1_000,
            jobs: 100_000,
            jobs_per_principal: 50_000,
            input_bytes: 1 << 30,
            input_bytes_per_principal: 512 << 20,
            note_bytes: 4 << 10,
            jobs_per_session: 1_000,
            delegation_depth: 8,
            delegations_per_job: 10_000,
            reservations_per_job: 1_000,
            questions_per_job: 1_000,
            open_questions_per_job: 100,
            open_questions_per_principal: 10_000,
            question_bytes: 32 << 10,
            answer_bytes: 16 << 10,
            subscriptions: 1_000,
            subscriptions_per_principal: 10_000,
            submits_per_second: None,
            failed_logins_per_minute: None,
            log_events: 10_000,
            log_bytes: 16 << 20,
            history_events: 10_000,
            history_bytes: 16 << 20,
            retained_jobs: 10_000,
            retained_bytes: 64 << 20,
            retained_jobs_per_principal: 10_000,
            retained_bytes_per_principal: 64 << 20,
            idempotency_records: 100_000,
            idempotency_bytes: 64 << 20,
            idempotency_records_per_principal: 100_000,
            idempotency_bytes_per_principal: 64 << 20,
            submit_ids: 1_024,
            list_page: 1_000,
            send_window: 64,
            send_window_bytes: 256 << 10,
            reply_frames: 64,
            reply_bytes: 1 << 20,
            bad_frames: 100,
            back_pressure: 1_000,
            pattern_work: Lease::WORK,
            turn_work: 50_000,
            chunk_bytes: 1 << 20,
            result_bytes: 256 << 20,
            writer_chunk_bytes: 64 << 10,
            small_writer_chunk_bytes: 48 << 10,
            credentials_per_job: 16,
            revocations: 10_000,
            replays: 1_000,
            status_requests: 100,
            store_window: 16_384,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

/// What the host of a runtime stores beyond the life of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Journaling {
    /// Nothing. [`Output::Store`](crate::arcp::Output::Store) still names credentials, so that a host can revoke them.
    #[default]
    Off,
    /// Everything that [`Runtime::restore`](crate::arcp::Runtime::restore) needs. The host reports what is durable with
    /// [`Runtime::handle_stored`](crate::arcp::Runtime::handle_stored).
    Kept,
    /// As [`Journaling::Kept`], and the journal can be read while the runtime runs: the host answers
    /// [`Event::Replay`](crate::arcp::Event::Replay), so that sessions and jobs reach back beyond what is in memory.
    Readable,
}

impl Journaling {
    /// Returns whether records are stored.
    pub const fn is_kept(self) -> bool {
        matches!(self, Journaling::Kept | Journaling::Readable)
    }
}
