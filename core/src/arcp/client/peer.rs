//! The runtime that a client speaks to, as its welcome shows it (`core/docs/arcp.md`, "The client").
//!
//! The deployed runtimes differ in what they read and in what they promise. Each has a row of switches here, and a
//! welcome that fits none of them is answered in every form at once.

use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::{is_ulid, is_uuid7};
use crate::arcp::wire::reply::read::{self, has_timestamp};
use crate::arcp::wire::request::write::HelloForm;
use crate::json::Text;

/// What a client relies on of a runtime.
#[expect(clippy::struct_excessive_bools, reason = "a row of switches that do not depend on each other")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// The form of the next hello.
    pub(super) hello: HelloForm,
    /// Whether every answer names its request. Otherwise an answer that names none belongs to the oldest request.
    pub(super) names_requests: bool,
    /// Whether a `job.error` of an unknown job can refuse a submit.
    pub(super) refuses_by_job_error: bool,
    /// Whether the live events of a job go on after a resume. Otherwise the client subscribes to its jobs again.
    pub(super) streams_after_resume: bool,
    /// Whether every job has a terminal message in every session that follows it. Otherwise the client asks about jobs
    /// that are silent.
    pub(super) ends_every_job: bool,
}

impl Peer {
    /// A runtime that is not known yet, or fits no other row.
    pub(super) const UNKNOWN: Peer = Peer {
        hello: HelloForm::All,
        names_requests: false,
        refuses_by_job_error: true,
        streams_after_resume: true,
        ends_every_job: false,
    };

    /// Nuncio's runtime, which echoes the feature of this client.
    const NUNCIO: Peer = Peer {
        hello: HelloForm::Member,
        names_requests: true,
        refuses_by_job_error: false,
        streams_after_resume: true,
        ends_every_job: true,
    };

    /// The TypeScript SDK: `msg_` ids.
    const TYPESCRIPT: Peer = Peer { hello: HelloForm::Member, ..Peer::UNKNOWN };

    /// The C# SDK: a `timestamp` on every envelope.
    const CSHARP: Peer = Peer { hello: HelloForm::TopLevel, refuses_by_job_error: false, ..Peer::UNKNOWN };

    /// The Go SDK: UUIDs of version 7 as ids.
    const GO: Peer = Peer { hello: HelloForm::Member, refuses_by_job_error: false, ..Peer::UNKNOWN };

    /// The Python SDK: the session's id in the payload.
    const PYTHON: Peer = Peer { hello: HelloForm::Member, refuses_by_job_error: false, ..Peer::UNKNOWN };

    /// The Java SDK: ULIDs as ids, and sorted features.
    const JAVA: Peer = Peer { hello: HelloForm::TopLevel, refuses_by_job_error: false, ..Peer::UNKNOWN };

    /// The Ruby SDK: `runtime_name` in the place of `runtime`.
    const RUBY: Peer = Peer {
        hello: HelloForm::Token,
        names_requests: true,
        refuses_by_job_error: false,
        streams_after_resume: false,
        ends_every_job: false,
    };

    /// The F# SDK: an answer has the envelope id of its request.
    const FSHARP: Peer =
        Peer { hello: HelloForm::Message, names_requests: true, refuses_by_job_error: false, ..Peer::UNKNOWN };

    /// Recognises a runtime by its welcome. `text` is the whole frame, and `answers_by_id` tells whether it has the
    /// envelope id of the hello.
    pub(super) fn recognise(
        text: &str,
        envelope: &Envelope<'_>,
        welcome: &read::Welcome<'_>,
        answers_by_id: bool,
    ) -> Peer {
        let id = envelope.id.as_ref().map_or("", Text::as_str);
        if welcome.features().has(Feature::AcceptedReplay) {
            Peer::NUNCIO
        } else if answers_by_id {
            Peer::FSHARP
        } else if welcome.is_flat() {
            Peer::RUBY
        } else if has_timestamp(text) {
            Peer::CSHARP
        } else if id.strip_prefix("msg_").is_some_and(is_ulid) {
            Peer::TYPESCRIPT
        } else if is_uuid7(id) {
            Peer::GO
        } else if is_ulid(id) && welcome.session_id.as_str().is_some() {
            Peer::PYTHON
        } else if is_ulid(id) && welcome.has_sorted_features() {
            Peer::JAVA
        } else {
            Peer::UNKNOWN
        }
    }
}
