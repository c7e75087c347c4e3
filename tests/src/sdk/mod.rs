//! The clients of the deployed SDKs, played against a runtime: the frames that each sends are the recorded ones, with
//! other ids and payloads, and what comes back is bound to requests and jobs by the SDK's own rules.
//!
//! ```text
//! mod.rs     the SDKs, and where each reads what      player.rs   one client of one SDK in a World
//! frames.rs  frames as the SDK writes them            script.rs   one run, the same for every SDK
//! ```
//!
//! A player panics where its SDK would hang, lose its reader, or take the wrong job.

#![expect(clippy::missing_panics_doc, reason = "everything here panics when a client would break")]

mod frames;
mod player;
mod script;

use nuncio_core::arcp::Dialect;

pub use self::player::{Answer, End, Player, Stream};
pub use self::script::{Seen, run};

/// How a client finds the request that a frame answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The oldest request of its kind.
    Order,
    /// `request_id`, or else the oldest.
    RequestIdOrOrder,
    /// `request_id`.
    RequestId,
    /// `reply_to`.
    ReplyTo,
    /// The envelope id, which is that of the request.
    EnvelopeId,
}

/// What a client does with a `session.error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It fails every open handle and request.
    FailsAll,
    /// It fails the request that it answers.
    FailsRequest(By),
    /// It ignores it.
    Ignores,
}

/// What a client does with a `job.error` that has no `event_seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnJobError {
    /// One of an unknown job fails the oldest submit.
    FailsOldestSubmit,
    /// It fails the request whose envelope id it has.
    FailsRequest,
    /// It ignores one of an unknown job, or without a job.
    Ignores,
    /// It cannot read one without a `job_id` in the payload.
    Dies,
}

/// One SDK, as a client.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about an SDK")]
pub struct Sdk {
    /// The name, and the beginning of its fixture's.
    pub name: &'static str,
    /// The dialect that its hello has to be recognised as.
    pub dialect: Dialect,
    fixture: &'static str,
    /// How a `job.accepted` finds its submit.
    pub accepted: By,
    /// How a `session.jobs` finds its request.
    pub listed: By,
    /// What a `session.error` does.
    pub on_error: OnError,
    /// What an unnumbered `job.error` does.
    pub on_job_error: OnJobError,
    /// The member that an inline result is read from.
    result: &'static str,
    /// Whether it needs the `job_id` in the payload of terminals.
    job_in_payload: bool,
    /// Whether it takes chunks of one encoding only.
    one_encoding: bool,
    /// Whether a body without all its members ends the reader.
    complete_bodies: bool,
    /// Whether a cancelled job has to end by `job.result`.
    ends_by_result: bool,
    /// Whether it fails if agents are plain names.
    agent_objects: bool,
}

/// A client that reads the specification's form.
const PLAIN: Sdk = Sdk {
    name: "spec",
    dialect: Dialect::SPEC,
    fixture: include_str!("../../data/spec-client.jsonl"),
    accepted: By::RequestId,
    listed: By::RequestId,
    on_error: OnError::FailsRequest(By::RequestId),
    on_job_error: OnJobError::Ignores,
    result: "result",
    job_in_payload: false,
    one_encoding: false,
    complete_bodies: false,
    ends_by_result: false,
    agent_objects: false,
};

/// Every SDK, the first of which reads the specification's form.
pub static SDKS: [Sdk; 8] = [
    PLAIN,
    Sdk {
        name: "py",
        dialect: Dialect::PYTHON,
        fixture: include_str!("../../data/py-client.jsonl"),
        accepted: By::RequestIdOrOrder,
        listed: By::Order,
        on_error: OnError::FailsAll,
        ends_by_result: true,
        ..PLAIN
    },
    Sdk {
        name: "ts",
        dialect: Dialect::TYPESCRIPT,
        fixture: include_str!("../../data/ts-client.jsonl"),
        accepted: By::Order,
        listed: By::Order,
        on_error: OnError::FailsAll,
        on_job_error: OnJobError::FailsOldestSubmit,
        ..PLAIN
    },
    Sdk {
        name: "go",
        dialect: Dialect::GO,
        fixture: include_str!("../../data/go-client.jsonl"),
        accepted: By::Order,
        result: "output",
        one_encoding: true,
        agent_objects: true,
        ..PLAIN
    },
    Sdk {
        name: "java",
        dialect: Dialect::JAVA,
        fixture: include_str!("../../data/java-client.jsonl"),
        accepted: By::Order,
        listed: By::Order,
        on_error: OnError::Ignores,
        on_job_error: OnJobError::FailsRequest,
        one_encoding: true,
        agent_objects: true,
        ..PLAIN
    },
    Sdk {
        name: "csharp",
        dialect: Dialect::CSHARP,
        fixture: include_str!("../../data/csharp-client.jsonl"),
        accepted: By::Order,
        listed: By::Order,
        on_error: OnError::FailsAll,
        agent_objects: true,
        ..PLAIN
    },
    Sdk {
        name: "ruby",
        dialect: Dialect::RUBY,
        fixture: include_str!("../../data/ruby-client.jsonl"),
        accepted: By::ReplyTo,
        listed: By::ReplyTo,
        on_error: OnError::FailsRequest(By::ReplyTo),
        on_job_error: OnJobError::Dies,
        job_in_payload: true,
        complete_bodies: true,
        agent_objects: true,
        ..PLAIN
    },
    Sdk {
        name: "fsharp",
        dialect: Dialect::JAVA,
        fixture: include_str!("../../data/fsharp-client.jsonl"),
        accepted: By::EnvelopeId,
        listed: By::EnvelopeId,
        on_error: OnError::FailsRequest(By::EnvelopeId),
        on_job_error: OnJobError::FailsRequest,
        complete_bodies: true,
        ..PLAIN
    },
];

impl Sdk {
    /// Returns the frames that the SDK was recorded to send, one in a line.
    pub fn lines(&self) -> impl Iterator<Item = &'static str> {
        self.fixture.lines()
    }

    /// Returns whether a refusal by `session.error` harms nothing but its request.
    pub fn survives_errors(&self) -> bool {
        self.on_error != OnError::FailsAll
    }
}
