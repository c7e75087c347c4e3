//! The runtimes of the deployed SDKs, played against the client: a row of what each does, in a module of its own, and
//! one machine that does it. The forms are those of `core/tests/fixtures/*-runtime.jsonl`.

pub(crate) mod csharp;
pub(crate) mod fsharp;
pub(crate) mod go;
pub(crate) mod java;
pub(crate) mod python;
pub(crate) mod ruby;
pub(crate) mod typescript;

mod play;

pub(crate) use play::Foreign;

/// How an answer names its request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// `job.accepted` and `job.subscribed` do not; lists and refusals have `request_id`.
    RequestIdOfSome,
    /// Lists have `request_id`, and nothing else names its request.
    RequestIdOfLists,
    /// Every answer has `reply_to`.
    ReplyTo,
    /// Every answer has the envelope id of its request.
    EnvelopeId,
}

/// How a request is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `session.error`
    SessionError,
    /// A numbered `job.error`, of a job that never was for a submit; `session.error` for a subscribe.
    NumberedJobError,
    /// A `job.error` without a number that has the envelope id of the request, and the job of a cancel or subscribe.
    JobErrorById,
    /// `session.error` for a submit or list, and `job.error` without a number for a cancel or subscribe.
    JobErrorOfJob,
}

/// Where a resume is read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// `resume{session_id, resume_token, last_event_seq}` of the hello.
    Member,
    /// `resume_token` and `last_event_seq` of the hello.
    TopLevel,
    /// `resume{token, last_event_seq}` of the hello.
    Token,
    /// `session.resume` alone: a hello opens a new session.
    Message,
}

/// What a subscriber to an ended job learns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its status and its events.
    Status,
    /// Its status, events and terminal message.
    Terminal,
    /// `JOB_NOT_FOUND`: ended jobs are forgotten.
    Forgotten,
}

/// What one SDK's runtime does.
#[expect(clippy::struct_excessive_bools, reason = "a row of switches that do not depend on each other")]
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The welcome as it was recorded or derived.
    pub(crate) welcome: fn() -> String,
    pub(crate) naming: Naming,
    pub(crate) refusal: Refusal,
    pub(crate) resume: Resume,
    pub(crate) ended: Ended,
    /// The member of `job.result` that has an inline result.
    pub(crate) result: &'static str,
    /// Whether `job.cancelled` has a number.
    pub(crate) numbers_cancelled: bool,
    /// Whether terminal messages have a number.
    pub(crate) numbers_terminals: bool,
    /// Whether the first event of a job comes before its `job.accepted`.
    pub(crate) is_hasty: bool,
    /// Whether watched jobs have the session and the numbers of their owner.
    pub(crate) shows_owner: bool,
    /// Whether the live events of a job go on after a resume.
    pub(crate) streams_after_resume: bool,
    /// Whether a subscription after a resume brings live events again.
    pub(crate) renews_subscriptions: bool,
    /// Whether envelopes of jobs have a trace id.
    pub(crate) traces: bool,
}

pub(crate) const ROWS: [Row; 7] =
    [csharp::ROW, fsharp::ROW, go::ROW, java::ROW, python::ROW, ruby::ROW, typescript::ROW];

/// Returns the welcome of a fixture that offers most.
pub(crate) fn welcome_of(lines: &str) -> String {
    let is_welcome = |line: &&str| line.contains(r#""type": "session.welcome""#);
    lines.lines().filter(is_welcome).max_by_key(|line| line.len()).expect("the fixture has a welcome").to_owned()
}
