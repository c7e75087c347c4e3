//! WebSocket close codes of ARCP that are ours. The others are those of RFC 6455 §7.4.1 (core/docs/arcp.md §4).

/// Another connection has resumed the session. The client of this one is not to resume it again by itself, because it
/// would take the session from the other one.
pub const REPLACED: u16 = 4409;

/// Too many tokens from the address of the client were refused within a minute.
pub const TOO_MANY_LOGINS: u16 = 4429;
