use tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    handshake::machine::TryParse,
};

/// Finds the HTTP head at the beginning of the received bytes.
///
/// tungstenite's own handshake fails if the head arrives in small pieces, or together with the first frame.
pub(crate) struct Head {
    limit: usize,
    /// The number of bytes that were searched and do not complete the head.
    seen: usize,
}

/// Why the received bytes cannot become a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    Malformed,
    TooLong,
    WrongMethod,
    OldVersion,
}

impl Head {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, seen: 0 }
    }

    /// Returns the head and its length in bytes, or `None` if it is not complete. The result does not depend on how the
    /// bytes were split: only complete lines within the limit are parsed.
    pub(crate) fn find<T: TryParse>(&mut self, received: &[u8]) -> Result<Option<(usize, T)>, HeadError> {
        // Other first bytes, as of a TLS client or a port scanner, are not HTTP, and a line break may never follow.
        if received.first().is_some_and(|byte| !matches!(byte, b'A'..=b'Z' | b'\r' | b'\n')) {
            return Err(HeadError::Malformed);
        }
        let window = &received[..received.len().min(self.limit)];
        let fresh = &window[self.seen.min(window.len())..];
        if let Some(newline) = fresh.iter().rposition(|&byte| byte == b'\n') {
            let lines = &window[..=self.seen + newline];
            if let Some(found) = T::try_parse(lines).map_err(|error| HeadError::of(&error))? {
                return Ok(Some(found));
            }
        }
        self.seen = window.len();
        if self.seen == self.limit { Err(HeadError::TooLong) } else { Ok(None) }
    }
}

impl HeadError {
    fn of(error: &Error) -> Self {
        match error {
            Error::Capacity(CapacityError::TooManyHeaders) => Self::TooLong,
            Error::Protocol(ProtocolError::WrongHttpMethod) => Self::WrongMethod,
            Error::Protocol(ProtocolError::WrongHttpVersion) => Self::OldVersion,
            _ => Self::Malformed,
        }
    }
}
