use tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    handshake::machine::TryParse,
};

/// Finds the HTTP head at the beginning of what was received.
///
/// tungstenite's own handshake refuses a head that comes in small pieces, or together with the first frame.
pub(crate) struct Head {
    limit: usize,
    /// How many bytes are known not to complete it.
    seen: usize,
}

/// Why there is no head to come.
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

    /// The head and its length in bytes; `None` if it is not complete. The answer does not depend on how the bytes were
    /// cut into pieces: lines are parsed only once whole, and only those within the limit.
    pub(crate) fn find<T: TryParse>(&mut self, received: &[u8]) -> Result<Option<(usize, T)>, HeadError> {
        // A TLS greeting, a port scan: what begins so is no HTTP and may never have a line's end.
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
