//! Why a text has no canonical form.

/// Why a target or a pattern has no canonical form.
///
/// The message names only the fault; the errors that contain this one name the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// The text is too long.
    #[error("it is longer than {max} bytes")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A path does not begin with `/`.
    #[error("the path is not absolute")]
    RelativePath,
    /// A path contains NUL.
    #[error("the path contains a NUL character")]
    Nul,
    /// A path leads above the root.
    #[error("the path leads above the root")]
    AboveRoot,
    /// A path pattern has an empty segment, a `.` or `..` segment, or a trailing `/`.
    #[error("a path pattern must not have an empty, `.` or `..` segment, or a trailing slash")]
    UnresolvedPattern,
    /// A name has a `..` segment, or a URL pattern has one that would remove a segment with a `*`.
    #[error("a `..` segment is not allowed here")]
    ParentSegment,
    /// A URL does not begin with a scheme and `://`.
    #[error("the URL is not absolute: it must begin with a scheme and `://`")]
    NoScheme,
    /// A URL has a control character, a space, a non-ASCII character or a backslash.
    #[error("the URL has a control character, a space, a non-ASCII character or a backslash")]
    ForbiddenCharacter,
    /// A URL has a user name or password.
    #[error("the URL has a user name or password")]
    UserInfo,
    /// A URL has a fragment.
    #[error("the URL has a fragment")]
    Fragment,
    /// The host of a URL is missing or malformed.
    #[error("the host of the URL is missing or malformed")]
    Host,
    /// The port of a URL is not a number up to 65535.
    #[error("the port of the URL is not a number up to 65535")]
    Port,
    /// A URL pattern has a default port or a trailing dot after a host that ends in `*`.
    #[error(
        "a host that ends in `*` must not be followed by a dot or the default port: dropping it would widen the pattern"
    )]
    WidenedHost,
    /// A URL has a `%` that two hexadecimal digits do not follow.
    #[error("the URL has a malformed percent escape")]
    Escape,
    /// The path of a URL has an escaped `/` or `\`.
    #[error("the path of the URL has an escaped slash or backslash")]
    EscapedSeparator,
}
