//! The canonical form of targets and patterns, by namespace.

mod error;
mod path;
mod url;

use alloc::string::String;

pub use self::error::CanonicalError;
use super::namespace::Namespace;

/// Returns the canonical form of the target of an operation.
pub(super) fn target(namespace: &Namespace, text: &str) -> Result<String, CanonicalError> {
    if text.is_empty() {
        return Err(CanonicalError::Empty);
    }
    match namespace {
        Namespace::FsRead | Namespace::FsWrite => path::target(text),
        Namespace::NetFetch => url::target(text),
        Namespace::ToolCall
        | Namespace::AgentDelegate
        | Namespace::CostBudget
        | Namespace::ModelUse
        | Namespace::Vendor(_) => name(text),
    }
}

/// Returns the canonical form of a pattern.
pub(super) fn pattern(namespace: &Namespace, text: &str) -> Result<String, CanonicalError> {
    if text.is_empty() {
        return Err(CanonicalError::Empty);
    }
    match namespace {
        Namespace::FsRead | Namespace::FsWrite => path::pattern(text),
        Namespace::NetFetch => url::pattern(text),
        Namespace::ToolCall
        | Namespace::AgentDelegate
        | Namespace::CostBudget
        | Namespace::ModelUse
        | Namespace::Vendor(_) => name(text),
    }
}

/// Returns a name as it is, unless it has a `..` segment.
fn name(text: &str) -> Result<String, CanonicalError> {
    if text.split('/').any(|segment| segment == "..") {
        return Err(CanonicalError::ParentSegment);
    }
    Ok(text.into())
}
