//! Why a record cannot be read.

use alloc::string::String;

use super::Record;

/// Why bytes are not a record that this version reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another version wrote it, whose records this one cannot read.
    #[error("the record has the version {0}, and this program reads version {version}", version = Record::VERSION)]
    Version(u64),
    /// A kind that was added later under the same version: it can be passed over.
    #[error("the record is of the unknown kind {0:?}")]
    Unknown(String),
    /// Cut off, overwritten, or never a record.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}
