//! The one canonical form of paths and names, and the list of what has none. URLs: `url.rs`.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Namespace, url};

/// Why a target or a pattern has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// The text is too long.
    #[error("it is longer than {max} bytes")]
    TooLong {
        /// The most bytes it may have.
        max: usize,
    },
    /// A path does not begin with `/`.
    #[error("the path is not absolute")]
    RelativePath,
    /// A path contains NUL.
    #[error("the path contains a nul character")]
    Nul,
    /// A path leads above the root.
    #[error("the path leads above the root")]
    AboveRoot,
    /// A path pattern has an empty segment, a `.` or `..` segment, or a trailing `/`.
    #[error("a path pattern has no empty, `.` or `..` segment and no trailing slash")]
    UnresolvedPattern,
    /// A name has a `..` segment, or a URL pattern has one that would remove a segment with a `*`.
    #[error("a `..` segment is not allowed here")]
    ParentSegment,
    /// A URL has no scheme followed by `://`.
    #[error("the URL is not absolute: it has no scheme followed by `://`")]
    NoScheme,
    /// A URL has a control character, a space, a non-ASCII character or a backslash.
    #[error("the URL has a control character, a space, a non-ASCII character or a backslash")]
    ForbiddenCharacter,
    /// A URL has a user or password.
    #[error("the URL has user information")]
    UserInfo,
    /// A URL has a fragment.
    #[error("the URL has a fragment")]
    Fragment,
    /// A URL's host is missing or malformed.
    #[error("the host of the URL is missing or malformed")]
    Host,
    /// A URL's port is no number up to 65535.
    #[error("the port of the URL is malformed")]
    Port,
    /// A URL pattern has a default port or a trailing dot after a host that ends in `*`.
    #[error("a default port or a trailing dot after a host that ends in `*` cannot be left out without widening it")]
    WidenedHost,
    /// A URL has a `%` that two hexadecimal digits do not follow.
    #[error("the URL has a malformed percent escape")]
    Escape,
    /// A URL's path has an escaped `/` or `\`.
    #[error("the path of the URL has an escaped slash or backslash")]
    EscapedSeparator,
}

/// The canonical form of a target.
pub(super) fn target(namespace: &Namespace, text: &str) -> Result<String, CanonicalError> {
    if text.is_empty() {
        return Err(CanonicalError::Empty);
    }
    match namespace {
        Namespace::FsRead | Namespace::FsWrite => resolve_path(text),
        Namespace::NetFetch => url::target(text),
        Namespace::ToolCall
        | Namespace::AgentDelegate
        | Namespace::CostBudget
        | Namespace::ModelUse
        | Namespace::Vendor(_) => name(text),
    }
}

/// The canonical form of a pattern.
pub(super) fn pattern(namespace: &Namespace, text: &str) -> Result<String, CanonicalError> {
    if text.is_empty() {
        return Err(CanonicalError::Empty);
    }
    match namespace {
        Namespace::FsRead | Namespace::FsWrite => path_pattern(text),
        Namespace::NetFetch => url::pattern(text),
        Namespace::ToolCall
        | Namespace::AgentDelegate
        | Namespace::CostBudget
        | Namespace::ModelUse
        | Namespace::Vendor(_) => name(text),
    }
}

fn resolve_path(text: &str) -> Result<String, CanonicalError> {
    let path = absolute(text)?;
    let mut resolved = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                resolved.pop().ok_or(CanonicalError::AboveRoot)?;
            }
            name => resolved.push(name),
        }
    }
    Ok(["/", &resolved.join("/")].concat())
}

fn path_pattern(text: &str) -> Result<String, CanonicalError> {
    // For paths, `**/a` and `/**/a` are one pattern.
    let rooted = if text == "**" || text.starts_with("**/") { ["/", text].concat() } else { text.into() };
    let path = absolute(&rooted)?;
    if !path.is_empty() && path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(CanonicalError::UnresolvedPattern);
    }
    Ok(rooted)
}

/// What follows the root of a path.
fn absolute(text: &str) -> Result<&str, CanonicalError> {
    if text.contains('\0') {
        return Err(CanonicalError::Nul);
    }
    text.strip_prefix('/').ok_or(CanonicalError::RelativePath)
}

fn name(text: &str) -> Result<String, CanonicalError> {
    if text.split('/').any(|segment| segment == "..") {
        return Err(CanonicalError::ParentSegment);
    }
    Ok(text.into())
}
