//! The records of a router: the values of [`RouterOutput::Store`](super::output::RouterOutput::Store), and their bytes.
//!
//! A store needs only the latest record of each kind of each job, and of those only what no later record replaces; see
//! [`RouterRecord::replaces`]. A file of keys and values therefore keeps one value under each job and kind.
//!
//! Records hold the packets of requests and results as they were sent, which may have secrets in their environment.

mod body;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) use self::body::{Body, FollowerBody};
use crate::cap::wire::codec::error::DecodeError;
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::codec::write::MapOrder;

/// One fact about one job that a restarted router has to know.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterRecord(pub(super) Box<Body>);

/// What a record says about its job.
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
    const ALL: [RecordKind; 4] = [RecordKind::Accepted, RecordKind::Moved, RecordKind::Ended, RecordKind::Forgotten];

    const fn number(self) -> i32 {
        match self {
            RecordKind::Accepted => 1,
            RecordKind::Moved => 2,
            RecordKind::Ended => 3,
            RecordKind::Forgotten => 4,
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

    /// Returns the id of the job, which its submitter chose.
    pub fn job_id(&self) -> &str {
        &self.0.job_id
    }

    /// Returns what the record says about its job.
    pub fn kind(&self) -> RecordKind {
        let kind = RecordKind::ALL.into_iter().find(|kind| kind.number() == self.0.kind);
        // A record is made with a kind or decoded, which checks its kind.
        kind.unwrap_or(RecordKind::Forgotten)
    }

    /// Returns whether this record makes an earlier record of the same job superfluous, so that a store may drop it. A
    /// record of the kind [`RecordKind::Forgotten`] is superfluous itself as soon as all earlier ones are dropped.
    pub fn replaces(&self, earlier: RecordKind) -> bool {
        match self.kind() {
            RecordKind::Accepted => false,
            RecordKind::Moved => earlier == RecordKind::Moved,
            RecordKind::Ended | RecordKind::Forgotten => true,
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
#[error("the record {number} of the job {job_id:?} cannot be used: {reason}")]
pub struct RestoreError {
    /// The number of the record.
    pub number: u64,
    /// The id of its job.
    pub job_id: String,
    /// What is wrong with it.
    pub reason: RouterRecordError,
}
