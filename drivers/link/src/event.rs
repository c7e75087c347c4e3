use tungstenite::Utf8Bytes;

/// What a [`Link`](crate::Link) tells its driver: one `Open`, then frames, then one `Closed`, then nothing. A link that
/// never opened begins with its `Closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Frames may go both ways from now on. Holds what the client asked for where this link read it: on the server side
    /// of an upgrade of its own; elsewhere `None`.
    Open(Option<Request>),
    /// One message: text, or binary that holds UTF-8 (core/docs/arcp.md §4). It shares memory with its neighbours; a
    /// caller that keeps it for long should copy it.
    Frame(Utf8Bytes),
    /// The end. What [`Link::output`](crate::Link::output) still holds (a close frame, an HTTP refusal) is to be
    /// written, then the connection dropped.
    Closed(Closed),
}

/// The HTTP request that opened a connection. Everything in it is the client's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query, as sent.
    pub target: String,
    /// Host and, if given, port that the client thinks it is talking to.
    pub host: String,
    /// The page the request comes from; programs other than browsers send none.
    pub origin: Option<String>,
    /// The subprotocol that was offered and agreed to: the first that begins with `arcp`. No deployed SDK offers one.
    pub subprotocol: Option<String>,
}

/// Why and how a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Who or what ended it.
    pub cause: Cause,
    /// The WebSocket close code ([RFC 6455 §7.4]); see [`code`]. Where no close frame was sent or received, the code
    /// that describes the end best.
    ///
    /// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
    pub code: u16,
    /// The reason that goes with the code; after [`Cause::Peer`] the peer's words, otherwise ours.
    pub reason: String,
}

/// Who or what ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent a close frame, or ended its lines.
    Peer,
    /// The driver called [`Link::close`](crate::Link::close); code and reason are the ones given there.
    Us,
    /// The peer broke a rule; the code says which (1002, 1007, 1009), and was sent to it.
    Fault,
    /// The HTTP upgrade was refused, by this link (server) or to it (client).
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The connection ended without a goodbye.
    Lost,
}

/// The close codes that links send or report of themselves ([RFC 6455 §7.4.1]).
///
/// [RFC 6455 §7.4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
pub mod code {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The peer broke the WebSocket protocol.
    pub const PROTOCOL: u16 = 1002;
    /// The peer's close frame held no code. Never sent.
    pub const NO_STATUS: u16 = 1005;
    /// There was no close frame. Never sent.
    pub const ABNORMAL: u16 = 1006;
    /// A message was not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// A rule of this side's was broken.
    pub const POLICY: u16 = 1008;
    /// A message was longer than the limit.
    pub const TOO_BIG: u16 = 1009;
}

impl Closed {
    pub(crate) fn new(cause: Cause, code: u16, reason: impl Into<String>) -> Self {
        Self { cause, code, reason: reason.into() }
    }

    pub(crate) fn lost(reason: &str) -> Self {
        Self::new(Cause::Lost, code::ABNORMAL, reason)
    }
}
