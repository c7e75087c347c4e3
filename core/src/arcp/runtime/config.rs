//! Every limit, interval and policy of a runtime.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::arcp::wire::feature::Features;

/// What a [`Runtime`](crate::arcp::Runtime) is made with. Every limit is refused with a wire error and never grown past.
#[derive(Clone)]
pub struct Config {
    /// `runtime.name` of the welcome.
    pub name: String,
    /// `runtime.version` of the welcome.
    pub version: String,
    /// The features on offer (§6.2). `provisioned_credentials` is offered only if [`Config::provisioner`] is set, too.
    pub features: Features,
    /// Whether the host mints credentials (§9.8); without, the feature is never offered.
    pub provisioner: bool,
    /// How the sessions of the deployed Python client are spoken to (ours).
    pub compat: Compat,
    /// Who may see and watch whose jobs (§6.6, §7.6).
    pub policy: Arc<dyn Policy>,
    /// Whether `session.resume` without `auth` is enough: the token proves the session's principal. Default: no.
    pub resume_by_token: bool,
    /// What the host keeps beyond the process. Default: nothing.
    pub journal: Journal,
    /// Whether a lease without `model.use` lets its job use any model (§9.7). Default: no.
    pub models_without_lease: bool,

    /// Seconds between signs of life (§6.4). Default 30.
    pub heartbeat_interval_secs: u32,
    /// Seconds a session without a connection stays resumable (§6.3). Default 600.
    pub resume_window_secs: u32,
    /// Microseconds from open to hello. Default 10 s.
    pub hello_timeout: u64,
    /// Microseconds the host has to answer [`Event::Authenticate`](crate::arcp::Event::Authenticate). Default 10 s.
    pub auth_timeout: u64,
    /// Microseconds the host has to answer [`Event::Submitted`](crate::arcp::Event::Submitted). Default 30 s.
    pub submit_timeout: u64,
    /// Microseconds the host has to answer [`Event::Replay`](crate::arcp::Event::Replay). Default 10 s.
    pub replay_timeout: u64,
    /// Microseconds a cancelled agent has to end (§7.4). Default 30 s.
    pub cancel_grace: u64,
    /// Microseconds a job may outlive its lease (§14). Default 1 s.
    pub expiry_grace: u64,
    /// Microseconds a closing connection has to take what is queued for it. Default 2 s.
    pub linger: u64,
    /// Microseconds without a single frame written, while some are outstanding, after which a connection is closed.
    /// Default 60 s. Without it a peer that never reads would hold its agents for ever.
    pub stall_timeout: u64,

    /// Bytes of the largest frame, in and out. Default 1 MiB.
    pub frame_bytes: usize,
    /// Bytes of the largest outgoing frame on [`Via::Stdio`](crate::arcp::Via::Stdio). Default 60 KiB, as Python reads at most 64.
    pub stdio_frame_bytes: usize,
    /// Connections. Default 10 000.
    pub connections: usize,
    /// Connections that have not been welcomed yet. Default 1 000.
    pub ungreeted: usize,
    /// Sessions, with and without a connection. Default 10 000.
    pub sessions: usize,
    /// Sessions of one principal (§14). Default 1 000.
    pub sessions_per_principal: usize,
    /// Jobs that have not ended. Default 100 000.
    pub jobs: usize,
    /// Jobs of one session that have not ended. Default 1 000.
    pub jobs_per_session: usize,
    /// Depth of delegation below a submitted job (§10). Default 8.
    pub delegation_depth: u32,
    /// Names of delegations that one job remembers, which have to be different (§10). Default 10 000.
    pub delegations_per_job: usize,
    /// Jobs of others that one session is shown: subscriptions (§7.6), and repeats of their submits (§7.2). Default 1 000.
    pub subscriptions: usize,
    /// Events kept for a session (§6.5). Default 10 000.
    pub log_events: usize,
    /// Payload bytes of the events kept for a session. Default 16 MiB.
    pub log_bytes: usize,
    /// Events kept of a job for its subscribers. Default 10 000.
    pub history_events: usize,
    /// Payload bytes of the events kept of a job. Default 16 MiB.
    pub history_bytes: usize,
    /// Ended jobs kept for listing, subscribing and idempotent retries. Default 10 000.
    pub retained_jobs: usize,
    /// Bytes held by ended jobs. Default 64 MiB.
    pub retained_bytes: usize,
    /// Seconds an ended job is kept. Default 24 h.
    pub retention_secs: u64,
    /// Idempotency records. Default 100 000.
    pub idempotency_records: usize,
    /// Bytes held by idempotency records of jobs that are no longer kept. Default 64 MiB.
    pub idempotency_bytes: usize,
    /// Seconds an idempotency record is kept. Default 24 h.
    pub idempotency_secs: u64,
    /// Ids of submits remembered in a session. Default 256; beyond a thousand a restart may forget them.
    pub submit_ids: usize,
    /// The longest page of `session.jobs` (§6.6). Default 1 000; 100 where the request says nothing.
    pub list_page: usize,
    /// Frames given to a connection and not yet reported as sent. Default 64.
    pub send_window: usize,
    /// Bytes given to a connection and not yet reported as sent; one frame is always allowed. Default 256 KiB.
    pub send_window_bytes: usize,
    /// Replies waiting for a connection before it is no longer read from. Default 64.
    pub reply_frames: usize,
    /// Bytes of replies waiting for a connection before it is no longer read from. Default 1 MiB.
    pub reply_bytes: usize,
    /// Malformed frames a welcomed connection may send in one minute before it is closed. Default 100.
    pub bad_frames: u32,
    /// Unacknowledged events of a session that has acked, above which it is told of back-pressure (§6.5). Default 1 000.
    pub back_pressure: u64,
    /// Steps spent on one lease comparison (§9.4). Default 1 000 000.
    pub pattern_work: u64,
    /// Decoded bytes of one result chunk (§8.4, §14). Default 1 MiB.
    pub chunk_bytes: usize,
    /// Decoded bytes of one streamed result. Default 256 MiB.
    pub result_bytes: u64,
    /// Decoded bytes per chunk of the result writer. Default 64 KiB.
    pub writer_chunk_bytes: usize,
    /// The same on stdio and towards `python-1.1` sessions. Default 48 KiB.
    pub small_writer_chunk_bytes: usize,
    /// Credentials of one job. Default 16.
    pub credentials_per_job: usize,
    /// Credentials waiting to be revoked; beyond, submits that need credentials are refused. Default 10 000.
    pub revocations: usize,
    /// Questions to the journal that are not answered yet, beyond which no resume or subscription may ask another.
    /// Default 1 000.
    pub replays: usize,
    /// Stores not yet reported as durable, from which on agents wait; from twice as many on, and at least a thousand, no
    /// new work is taken as if by [`Runtime::pause`](crate::arcp::Runtime::pause). Only with a journal. Default 16 384.
    pub store_window: u64,
}

impl Default for Config {
    fn default() -> Config {
        const SECOND: u64 = 1_000_000;
        Config {
            name: String::from("nuncio"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            features: Features::ALL,
            provisioner: false,
            compat: Compat::Auto,
            policy: Arc::new(SamePrincipal),
            resume_by_token: false,
            journal: Journal::None,
            models_without_lease: false,
            heartbeat_interval_secs: 30,
            resume_window_secs: 600,
            hello_timeout: 10 * SECOND,
            auth_timeout: 10 * SECOND,
            submit_timeout: 30 * SECOND,
            replay_timeout: 10 * SECOND,
            cancel_grace: 30 * SECOND,
            expiry_grace: SECOND,
            linger: 2 * SECOND,
            stall_timeout: 60 * SECOND,
            frame_bytes: 1 << 20,
            stdio_frame_bytes: 60 << 10,
            connections: 10_000,
            ungreeted: 1_000,
            sessions: 10_000,
            sessions_per_principal: 1_000,
            jobs: 100_000,
            jobs_per_session: 1_000,
            delegation_depth: 8,
            delegations_per_job: 10_000,
            subscriptions: 1_000,
            log_events: 10_000,
            log_bytes: 16 << 20,
            history_events: 10_000,
            history_bytes: 16 << 20,
            retained_jobs: 10_000,
            retained_bytes: 64 << 20,
            retention_secs: 24 * 3_600,
            idempotency_records: 100_000,
            idempotency_bytes: 64 << 20,
            idempotency_secs: 24 * 3_600,
            submit_ids: 256,
            list_page: 1_000,
            send_window: 64,
            send_window_bytes: 256 << 10,
            reply_frames: 64,
            reply_bytes: 1 << 20,
            bad_frames: 100,
            back_pressure: 1_000,
            pattern_work: 1_000_000,
            chunk_bytes: 1 << 20,
            result_bytes: 256 << 20,
            writer_chunk_bytes: 64 << 10,
            small_writer_chunk_bytes: 48 << 10,
            credentials_per_job: 16,
            revocations: 10_000,
            replays: 1_000,
            store_window: 16_384,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

/// What a host keeps beyond the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Journal {
    /// Nothing but credentials, if it wants: [`Output::Store`](crate::arcp::Output::Store) tells of nothing else.
    #[default]
    None,
    /// Everything that [`Runtime::restore`](crate::arcp::Runtime::restore) needs. The host reports what is durable with
    /// [`Runtime::handle_stored`](crate::arcp::Runtime::handle_stored).
    Kept,
    /// The same, and it can be read while the runtime runs: the host answers [`Event::Replay`](crate::arcp::Event::Replay), so
    /// that sessions and jobs reach back beyond what is in memory.
    Readable,
}

impl Journal {
    /// Whether there is one.
    pub const fn is_kept(self) -> bool {
        matches!(self, Journal::Kept | Journal::Readable)
    }
}

/// Which form of the protocol a session is spoken to in; fixed at its first hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// `python-1.1` for a hello whose capabilities hold `"agents": []`, which only that client sends; else `spec`.
    #[default]
    Auto,
    /// The specification to the letter, for every session.
    Spec,
    /// The form that the Python SDK 1.1.3 survives, for every session.
    Python11,
}

/// What a principal may know of another one's job (§6.6, §7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing, not even that it exists.
    Hidden,
    /// That it exists; it is listed but may not be watched.
    Listed,
    /// It may be listed and watched.
    Observed,
}

/// Who may see and watch whose jobs: a pure function of the two principals and the agent.
///
/// It is asked in the middle of `session.list_jobs` for every job, so it may do no IO; a policy that needs IO decides
/// when the session is admitted.
pub trait Policy: Send + Sync {
    /// What `observer` may know of a job that `owner` submitted to `agent` (`name@version`).
    fn access(&self, observer: &str, owner: &str, agent: &str) -> Access;
}

/// The default of §14: one's own jobs and nobody else's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamePrincipal;

impl Policy for SamePrincipal {
    fn access(&self, observer: &str, owner: &str, _agent: &str) -> Access {
        if observer == owner { Access::Observed } else { Access::Hidden }
    }
}

/// Everybody may list and watch everything; nobody else may cancel.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyPrincipal;

impl Policy for AnyPrincipal {
    fn access(&self, _observer: &str, _owner: &str, _agent: &str) -> Access {
        Access::Observed
    }
}
