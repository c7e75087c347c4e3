//! CAP, the Cordum Agent Protocol: signed packets on a message bus.
//!
//! ```text
//! client/      the machine that submits jobs and awaits their results
//! router/      the machine that sends jobs to workers and sees that each ends
//! worker/      the machine that takes job requests and publishes results
//! trust/       how a worker and a scheduler come to trust each other
//! signature/   who has sent a packet
//! wire/        the packets as types, with their reading, writing and validation
//! ```
//!
//! A reference such as spec/14 names a text in the folder `spec/` of the repository cordum-io/cap. Rules that are
//! marked "ours" are not in these texts.

pub(crate) mod client;
pub(crate) mod router;
pub(crate) mod signature;
pub(crate) mod trust;
pub(crate) mod wire;
pub(crate) mod worker;

pub use client::Client;
pub use client::config::{ClientConfig, ClientLimits, ClientProduction};
pub use client::output::{ClientEvent, ClientJob, ClientOutput, ClientRefused, ClientTimer};
pub use router::Router;
pub use router::config::{Dispatch, LostWorker, Policy, RouterConfig, RouterLimits, RouterProduction, RouterTrust};
pub use router::decision::{Constraints, Decision};
pub use router::job::state::RouterJobState;
pub use router::output::{Delivery, RefusedByRouter, RouterEvent, RouterJob, RouterOutput, RouterRefused, RouterTimer};
pub use router::record::{RecordKind, RestoreError, RouterRecord, RouterRecordError};
pub use router::view::{RouterJobView, RouterWorkerView};
pub use signature::generic::{Authentication, Reading, Sealed, open, seal};
pub use signature::host::{Signer, SignerFailed, Verifier};
pub use signature::key::{InvalidKey, Keyring, PublicKey};
#[cfg(feature = "p256")]
pub use signature::p256::{P256Signer, P256Verifier};
pub use signature::production::{
    Expected, Freshness, InvalidFreshness, Opened, PROFILE_ALGORITHM, PROFILE_VERSION, open_production, seal_production,
};
pub use signature::profile::{Peers, Production};
pub use signature::rejection::{NotAdmitted, ProfileFault, Rejection, Unsignable};
pub use signature::replay::{Admission, ReplayWindow};
pub use signature::trust::{open_trust, seal_trust};
pub use trust::authority::config::{AuthorityConfig, AuthorityLimits, Enrollment};
pub use trust::authority::output::{AuthorityEvent, AuthorityRefused};
pub use trust::authority::{TrustAuthority, TrustedWorker};
pub use trust::session::TrustSession;
pub use trust::session::output::{NotAwaited, TrustFailure, TrustOutput, TrustRequest};
pub use trust::session::state::TrustState;
pub use trust::settings::{InvalidTrust, TrustMode, TrustNames, TrustPace, TrustSettings};
pub use wire::alert::{AlertSeverity, SystemAlert};
pub use wire::codec::error::DecodeError;
pub use wire::codec::limits::DecodeLimits;
pub use wire::codec::map::PrivateMap;
pub use wire::codec::unknown::UnknownFields;
pub use wire::codec::write::MapOrder;
pub use wire::common::{DispatchIdentity, IdentityBinding, ResourceRef, SignatureMetadata};
pub use wire::handshake::{ComponentRole, Handshake};
pub use wire::heartbeat::Heartbeat;
pub use wire::job::{
    ActorType, Budget, Compensation, ContextHints, ErrorCode, JobCancel, JobMetadata, JobPriority, JobProgress,
    JobRequest, JobResult, JobStatus,
};
pub use wire::known::{ListValue, NullValue, Struct, Timestamp, Value, ValueKind};
pub use wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
pub use wire::pointer::{InvalidPointer, Pointer, Scheme};
pub use wire::raw::MalformedPacket;
pub use wire::subject::{ComponentId, InvalidSubject, Subject, Topic};
pub use wire::trust::{
    WorkerHandshakeAuthenticate, WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest,
    WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose, WorkerHandshakeRejectionReason, WorkerHandshakeResult,
};
pub use wire::validate::rule::{InvalidPacket, Problem};
pub use wire::validate::{Acceptance, validate};
pub use worker::config::{ResultRef, WorkerConfig, WorkerLimits, WorkerTrust};
pub use worker::job::state::WorkerJobState;
pub use worker::output::{
    Attempt, FailureKind, Fetched, JobFailure, JobOutput, Load, Progress, RefusedPacket, WorkerEvent, WorkerJob,
    WorkerOutput, WorkerRefused, WorkerTimer,
};
pub use worker::{Worker, WorkerJobView};

/// The messages of the policy services, which travel over gRPC and not on the bus.
pub mod policy {
    pub use super::wire::policy::*;
    pub use super::wire::safety::*;
}

pub use crate::secret::Secret;
