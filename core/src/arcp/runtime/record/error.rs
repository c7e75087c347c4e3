//! Why a record cannot be read.

use alloc::string::String;

use super::Record;

/// Why bytes are not a record that this version reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It was written by another version, whose records this one cannot read.
    #[error("the record has the version {0}, and this program reads version {version}", version = Record::VERSION)]
    Version(u64),
    /// Its kind was added later under the same version. It can be skipped.
    #[error("the record is of the unknown kind {0:?}")]
    Unknown(String),
    /// It is cut off or overwritten, or was never a record.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}
