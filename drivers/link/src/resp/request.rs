use std::time::Duration;

/// A request. It has no `Debug` form, since it may hold a password.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespRequest<'a> {
    /// `AUTH`: logs in, as the default user if none is named.
    Auth {
        /// The user.
        user: Option<&'a str>,
        /// The password.
        password: &'a str,
    },
    /// `SELECT`: uses the database with this number.
    Select(u32),
    /// `PING`.
    Ping,
    /// `GET`: reads a value.
    Get(&'a str),
    /// `STRLEN`: reads the size of a value.
    Length(&'a str),
    /// `SET`: stores a value, for some time or for ever.
    Set {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a [u8],
        /// How long the value is kept. It is rounded up to milliseconds, of which there is at least one.
        ttl: Option<Duration>,
    },
    /// `DEL`: removes a value.
    Delete(&'a str),
}

impl RespRequest<'_> {
    /// Appends the bytes of the request.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match *self {
            RespRequest::Auth { user: None, password } => write(into, &[b"AUTH", password.as_bytes()]),
            RespRequest::Auth { user: Some(user), password } => {
                write(into, &[b"AUTH", user.as_bytes(), password.as_bytes()]);
            }
            RespRequest::Select(database) => write(into, &[b"SELECT", database.to_string().as_bytes()]),
            RespRequest::Ping => write(into, &[b"PING"]),
            RespRequest::Get(key) => write(into, &[b"GET", key.as_bytes()]),
            RespRequest::Length(key) => write(into, &[b"STRLEN", key.as_bytes()]),
            RespRequest::Set { key, value, ttl: None } => write(into, &[b"SET", key.as_bytes(), value]),
            RespRequest::Set { key, value, ttl: Some(ttl) } => {
                write(into, &[b"SET", key.as_bytes(), value, b"PX", millis(ttl).to_string().as_bytes()]);
            }
            RespRequest::Delete(key) => write(into, &[b"DEL", key.as_bytes()]),
        }
    }
}

/// Redis refuses a time of zero, and one that overflows a signed number with the time of day added to it.
fn millis(ttl: Duration) -> u64 {
    const MOST: u128 = i64::MAX as u128 / 2;
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000).clamp(1, MOST)).unwrap_or(u64::MAX / 4)
}

/// Writes an array of values.
fn write(into: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = |kind: u8, length: usize, into: &mut Vec<u8>| {
        into.push(kind);
        into.extend_from_slice(length.to_string().as_bytes());
        into.extend_from_slice(b"\r\n");
    };
    length(b'*', parts.len(), into);
    for part in parts {
        length(b'$', part.len(), into);
        into.extend_from_slice(part);
        into.extend_from_slice(b"\r\n");
    }
}
