//! The canonical form of POSIX paths and of path patterns.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::CanonicalError;

/// Returns the canonical form of an absolute path: `.`, `..`, `//` and a trailing `/` are resolved.
pub(super) fn target(text: &str) -> Result<String, CanonicalError> {
    let path = strip_root(text)?;
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

/// Returns the canonical form of a path pattern, which must be resolved already.
pub(super) fn pattern(text: &str) -> Result<String, CanonicalError> {
    // For paths, `**/a` and `/**/a` are the same pattern.
    let rooted = if text == "**" || text.starts_with("**/") { ["/", text].concat() } else { text.into() };
    let path = strip_root(&rooted)?;
    if !path.is_empty() && path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(CanonicalError::UnresolvedPattern);
    }
    Ok(rooted)
}

/// Returns what follows the leading `/` of an absolute path.
fn strip_root(text: &str) -> Result<&str, CanonicalError> {
    if text.contains('\0') {
        return Err(CanonicalError::Nul);
    }
    text.strip_prefix('/').ok_or(CanonicalError::RelativePath)
}
