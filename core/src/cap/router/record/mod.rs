//! The records of a router: the values of [`RouterOutput::Store`](super::output::RouterOutput::Store), and their bytes.
//!
//! A store needs only the latest record of each kind for each job and worker, and none that a later record replaces;
//! see [`RouterRecord::replaces`]. A key-value file therefore has one value for each job and kind.
//!
//! Records contain the packets of requests and results as they were sent. The environment in a request may contain
//! secrets.

mod body;
mod session;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) use self::body::{Body, FollowerBody};
use crate::cap::wire::codec::error::DecodeError;
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::codec::write::MapOrder;

/// One fact about one job, or about the trust session of one worker, that a restarted router has to know.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterRecord(pub(super) Box<Body>);

/// What a record says about its job or worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// It was accepted: its request, and where it stands.
    Accepted,
    /// Where it stands now.
    Moved,
    /// It has ended: its result.
    Ended,
    /// It is no longer remembered.
    Forgotten,
    /// A worker has a trust session.
    Trusted,
    /// The trust session of a worker has ended.
    Distrusted,
}

/// Why bytes are not a record that this version reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterRecordError {
    /// It was written by another version, whose records this one cannot read.
    #[error("the record has the version {0}, and this program reads version {version}", version = RouterRecord::VERSION)]
    Version(u64),
    /// It is cut off or overwritten, or was never a record.
    #[error("the record is damaged: {0}")]
    Damaged(#[from] DecodeError),
    /// A field is missing, or has a value that no record has.
    #[error("the field {0} of the record is missing, or has a value that no record has")]
    Field(&'static str),
}

impl RecordKind {
    const ALL: [RecordKind; 6] = [
        RecordKind::Accepted,
        RecordKind::Moved,
        RecordKind::Ended,
        RecordKind::Forgotten,
        RecordKind::Trusted,
        RecordKind::Distrusted,
    ];

    /// Whether a record of this kind is about a worker, and its id is that of the worker.
    pub const fn is_of_worker(self) -> bool {
        matches!(self, RecordKind::Trusted | RecordKind::Distrusted)
    }

    /// Whether a record of this kind says only that earlier ones are not needed, so that a store keeps none of it.
    pub const fn is_removal(self) -> bool {
        matches!(self, RecordKind::Forgotten | RecordKind::Distrusted)
    }

    const fn number(self) -> i32 {
        match self {
            RecordKind::Accepted => 1,
            RecordKind::Moved => 2,
            RecordKind::Ended => 3,
            RecordKind::Forgotten => 4,
            RecordKind::Trusted => 5,
            RecordKind::Distrusted => 6,
        }
    }
}

impl RouterRecord {
    /// The version of the records that this program writes and reads.
    pub const VERSION: u64 = 1;

    pub(super) fn new(kind: RecordKind, job_id: &str, body: Body) -> RouterRecord {
        RouterRecord(Box::new(Body {
            version: RouterRecord::VERSION,
            kind: kind.number(),
            job_id: job_id.into(),
            ..body
        }))
    }

    /// Returns the id of the job, which its submitter chose, or of the worker; see [`RecordKind::is_of_worker`].
    pub fn job_id(&self) -> &str {
        &self.0.job_id
    }

    /// Returns what the record says about its job.
    pub fn kind(&self) -> RecordKind {
        let kind = RecordKind::ALL.into_iter().find(|kind| kind.number() == self.0.kind);
        // A record is made with a kind or decoded, which checks its kind.
        kind.unwrap_or(RecordKind::Forgotten)
    }

    /// Returns whether this record makes an earlier record of the same id superfluous, so that a store may drop it. A
    /// record whose kind is a [removal](RecordKind::is_removal) is superfluous itself as soon as those are dropped. Jobs and
    /// workers have nothing to do with each other, even if their ids are the same.
    pub fn replaces(&self, earlier: RecordKind) -> bool {
        match self.kind() {
            RecordKind::Accepted => false,
            RecordKind::Moved => earlier == RecordKind::Moved,
            RecordKind::Ended | RecordKind::Forgotten => !earlier.is_of_worker(),
            RecordKind::Trusted | RecordKind::Distrusted => earlier.is_of_worker(),
        }
    }

    /// Returns the bytes of the record.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode(MapOrder::Lexicographic)
    }

    /// Reads a record, which is total on any bytes.
    pub fn decode(bytes: &[u8]) -> Result<RouterRecord, RouterRecordError> {
        let limits = DecodeLimits::default().with(|limits| limits.bytes = usize::MAX);
        let body = Body::decode(bytes, &limits)?;
        if body.version != RouterRecord::VERSION {
            let is_none = body.version == 0;
            return Err(if is_none {
                RouterRecordError::Field("version")
            } else {
                RouterRecordError::Version(body.version)
            });
        }
        if body.job_id.is_empty() {
            return Err(RouterRecordError::Field("job_id"));
        }
        if !RecordKind::ALL.iter().any(|kind| kind.number() == body.kind) {
            return Err(RouterRecordError::Field("kind"));
        }
        Ok(RouterRecord(Box::new(body)))
    }
}

/// Why a router cannot go on from its records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record {number} of {job_id:?} cannot be used: {reason}")]
pub struct RestoreError {
    /// The number of the record.
    pub number: u64,
    /// The id of its job or worker.
    pub job_id: String,
    /// What is wrong with it.
    pub reason: RouterRecordError,
}
