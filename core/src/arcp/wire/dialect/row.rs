//! The table of dialects.

use super::fingerprint::{Fingerprint, IdForm};

/// Microseconds that the Python SDK needs after a `job.subscribed` until it takes the frames of the subscription.
const PYTHON_SUBSCRIPTION_DELAY: u64 = 50_000;

/// One row of the table: how to recognise an SDK, and where its frames differ from the specification's.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with its rule; none is a state")]
pub(crate) struct Row {
    pub(super) name: &'static str,
    pub(super) other_names: &'static [&'static str],
    /// Whether a hello is one of this SDK. The rows are asked in the order of the table.
    pub(super) recognises: fn(Fingerprint) -> bool,
    /// `budget` is `{currency: "currency:amount"}` in place of numbers.
    pub(crate) budget_as_text: bool,
    /// Cancelled and timed-out jobs end by `job.result {final_status, completed_at}`.
    pub(crate) ends_by_result: bool,
    /// Microseconds from a `job.subscribed` to the first frame of its subscription.
    pub(crate) subscription_delay: Option<u64>,
    /// The chunks of streamed results are small.
    pub(crate) small_chunks: bool,
    /// An inline `result` is repeated as `output`.
    pub(crate) output: bool,
    /// `request_id` is repeated as `reply_to`.
    pub(crate) reply_to: bool,
    /// A reply has the envelope id of its request.
    pub(crate) reply_has_request_id: bool,
    /// `job_id` stands in the payload of terminals too.
    pub(crate) job_id_in_terminals: bool,
    /// `lease` is left out of `job.accepted`, `job.subscribed` and `delegate`.
    pub(crate) hides_leases: bool,
    /// A `lease_request` lists what it asks for as `capabilities`.
    pub(crate) lease_capabilities: bool,
    /// How a submit is refused.
    pub(crate) refused_submit: RefusedSubmit,
    /// The refusal of a hello, a list or a subscription is followed by an unnumbered `job.error`.
    pub(crate) refusals_end_by_job_error: bool,
    /// A refused cancel is not answered.
    pub(crate) silent_cancel: bool,
    /// The client binds replies to its requests in the order in which they arrive.
    pub(crate) binds_by_arrival: bool,
}

/// How a submit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedSubmit {
    /// By `session.error`.
    Error,
    /// By `session.error`, then an unnumbered `job.error` with the envelope id of the submit.
    ErrorThenJobError,
    /// By an unnumbered `job.error` of a job that never was.
    JobError,
    /// By `session.error` if nothing else is going on in the session. Otherwise the client would fail everything that is,
    /// so the submit is accepted, and the job fails at once.
    AcceptedAndFailed,
}

/// `spec`: the form of the specification, which every other row changes as its SDK needs.
pub(super) static SPEC: Row = PLAIN;

const PLAIN: Row = Row {
    name: "spec",
    other_names: &[],
    recognises: |_| false,
    budget_as_text: false,
    ends_by_result: false,
    subscription_delay: None,
    small_chunks: false,
    output: false,
    reply_to: false,
    reply_has_request_id: false,
    job_id_in_terminals: false,
    hides_leases: false,
    lease_capabilities: false,
    refused_submit: RefusedSubmit::Error,
    refusals_end_by_job_error: false,
    silent_cancel: false,
    binds_by_arrival: false,
};

pub(super) static NUNCIO: Row =
    Row { name: "nuncio", recognises: |hello| hello.id == IdForm::Ulid && hello.accepted_replay, ..PLAIN };

pub(super) static PYTHON: Row = Row {
    name: "python-1.1",
    recognises: |hello| hello.empty_agents,
    budget_as_text: true,
    ends_by_result: true,
    subscription_delay: Some(PYTHON_SUBSCRIPTION_DELAY),
    small_chunks: true,
    refused_submit: RefusedSubmit::AcceptedAndFailed,
    silent_cancel: true,
    ..PLAIN
};

pub(super) static TYPESCRIPT: Row = Row {
    name: "typescript-2.0",
    other_names: &["ts-2.0"],
    recognises: |hello| hello.id == IdForm::PrefixedUlid && !hello.timestamp,
    refused_submit: RefusedSubmit::JobError,
    silent_cancel: true,
    binds_by_arrival: true,
    ..PLAIN
};

pub(super) static CSHARP: Row = Row {
    name: "csharp-1.0",
    recognises: |hello| hello.id == IdForm::PrefixedUlid && hello.timestamp,
    refused_submit: RefusedSubmit::AcceptedAndFailed,
    silent_cancel: true,
    binds_by_arrival: true,
    ..PLAIN
};

pub(super) static GO: Row = Row {
    name: "go-1.1",
    recognises: |hello| hello.id == IdForm::Uuid7 && hello.client,
    output: true,
    binds_by_arrival: true,
    ..PLAIN
};

pub(super) static RUBY: Row = Row {
    name: "ruby-1.0",
    recognises: |hello| hello.id == IdForm::Uuid7 && hello.client_name && !hello.client,
    reply_to: true,
    job_id_in_terminals: true,
    hides_leases: true,
    lease_capabilities: true,
    ..PLAIN
};

pub(super) static JAVA: Row = Row {
    name: "java-1.0",
    other_names: &["fsharp-1.0"],
    recognises: |hello| hello.id == IdForm::Ulid && hello.sorted_features && !hello.agents,
    reply_has_request_id: true,
    refused_submit: RefusedSubmit::ErrorThenJobError,
    refusals_end_by_job_error: true,
    binds_by_arrival: true,
    ..PLAIN
};

/// All rows, in the order in which they are asked whether a hello is theirs.
pub(super) static ROWS: [&Row; 8] = [&SPEC, &PYTHON, &NUNCIO, &TYPESCRIPT, &CSHARP, &GO, &RUBY, &JAVA];
