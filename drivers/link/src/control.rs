/// The maximum length of a control frame's payload in bytes (RFC 6455 §5.5).
const MAX_CONTROL: u8 = 125;

/// The only close code that is registered with IANA and that tungstenite refuses: a gateway got an invalid response.
const BAD_GATEWAY: u16 = 1014;

/// Reads the headers of received frames before tungstenite does, which waits for the whole payload of a control frame that is
/// too long, and refuses a close code that is registered.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Bytes of the present frame that are still to be handed over.
    rest: u64,
}

/// What the received bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// So many bytes that tungstenite may read, at least one.
    Pass(usize),
    /// A control frame whose header announces more than 125 bytes.
    TooLong,
    /// A close frame with the code 1014, its reason, and the bytes that it takes.
    Close { code: u16, reason: String, length: usize },
    /// The beginning of a header or of a close frame.
    Incomplete,
}

impl Control {
    /// Looks at bytes that were received and not handed over. `masked` says whether the peer masks its frames.
    pub(crate) fn next(&self, received: &[u8], masked: bool) -> Next {
        if self.rest > 0 && !received.is_empty() {
            return Next::Pass(received.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX)));
        }
        let &[first, second, ..] = received else { return Next::Incomplete };
        let is_control = first & 0x08 != 0;
        if is_control && second & 0x7f > MAX_CONTROL {
            return Next::TooLong;
        }
        let Some((header, payload)) = lengths(received) else { return Next::Incomplete };
        if first == 0x88 && (second & 0x80 != 0) == masked {
            let length = header + usize::from(second & 0x7f);
            let Some(frame) = received.get(..length) else { return Next::Incomplete };
            if let Some((code, reason)) = registered(&frame[..header], &frame[header..], masked) {
                return Next::Close { code, reason, length };
            }
        }
        let all = (header as u64).saturating_add(payload);
        Next::Pass(received.len().min(usize::try_from(all).unwrap_or(usize::MAX)))
    }

    /// Notes that the first `count` of the bytes, which [`next`](Self::next) has let pass, were handed over.
    pub(crate) fn passed(&mut self, received: &[u8], count: usize) {
        if self.rest == 0 {
            let (header, payload) = lengths(received).unwrap_or_default();
            self.rest = (header as u64).saturating_add(payload);
        }
        self.rest = self.rest.saturating_sub(count as u64);
    }
}

/// The lengths of the header and the payload of the frame that the bytes begin with, once its header is complete.
fn lengths(received: &[u8]) -> Option<(usize, u64)> {
    let &second = received.get(1)?;
    let (extended, payload) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes(*received.get(2..)?.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*received.get(2..)?.first_chunk()?)),
        short => (0, u64::from(short)),
    };
    let header = 2 + extended + if second & 0x80 == 0 { 0 } else { 4 };
    (received.len() >= header).then_some((header, payload))
}

/// Reads a close frame, if it has the code that tungstenite does not know and a reason that is UTF-8.
fn registered(header: &[u8], payload: &[u8], masked: bool) -> Option<(u16, String)> {
    let mask = if masked { *header.last_chunk::<4>()? } else { [0; 4] };
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let (code, reason) = payload.split_first_chunk()?;
    let code = u16::from_be_bytes(*code);
    let reason = std::str::from_utf8(reason).ok()?;
    (code == BAD_GATEWAY).then(|| (code, reason.to_owned()))
}

/// Returns whether a close frame may have this code.
pub(crate) fn is_registered(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
