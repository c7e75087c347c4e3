use nuncio_core::arcp::Via;
use tungstenite::Utf8Bytes;

use crate::forwarded::Forwarded;

/// An event of a [`Link`](crate::Link): one `Open`, then any number of frames, then one `Closed`, then nothing. A link
/// that does not open has only a `Closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Frames can be sent and received from now on. A server that has read the upgrade request itself returns the
    /// request; otherwise the value is `None`.
    Open(Option<Request>),
    /// One message: text, or binary that is UTF-8 (core/docs/arcp.md §4). It shares memory with other frames, so a
    /// caller that keeps it for long should copy it.
    Frame(Utf8Bytes),
    /// The link has ended. The driver writes what is left in [`Link::output`](crate::Link::output) (a close frame or an
    /// HTTP refusal) and then drops the connection.
    Closed(Closed),
}

/// The HTTP request that opened a connection. All values come from the client and are not authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query, as sent.
    pub target: String,
    /// The host and the optional port of the request: those of an absolute target, otherwise those of the `Host`
    /// header.
    pub host: String,
    /// The `Origin` header: the web page that sent the request. Programs other than browsers usually send none.
    pub origin: Option<String>,
    /// The negotiated subprotocol: the first offered one that begins with `arcp`. No deployed SDK offers one.
    pub subprotocol: Option<String>,
    /// What the headers of proxies say; `None` without such a header. See [`via`](Request::via).
    pub forwarded: Option<Forwarded>,
}

impl Request {
    /// Returns the first `dialect` of the query, as sent (core/docs/arcp.md, "Dialects").
    pub fn dialect(&self) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("dialect="))
    }

    /// Returns who could listen to the connection, which is `own` according to its socket.
    ///
    /// A request that has come by a proxy is [`Via::Tls`] if the proxy says so and is believed, and otherwise
    /// [`Via::Plain`]. A proxy is believed on this machine, and everywhere with `behind_proxy`, which also says that there is
    /// always one: a request that names none is then [`Via::Plain`].
    ///
    /// ```
    /// use nuncio_core::arcp::Via;
    /// use nuncio_link::{Forwarded, Request};
    ///
    /// let request = |forwarded| Request {
    ///     target: "/arcp".to_owned(),
    ///     host: "agents.example".to_owned(),
    ///     origin: None,
    ///     subprotocol: None,
    ///     forwarded,
    /// };
    /// assert_eq!(request(None).via(Via::Loopback, false), Via::Loopback);
    /// assert_eq!(request(Some(Forwarded::Unknown)).via(Via::Loopback, false), Via::Plain);
    /// assert_eq!(request(Some(Forwarded::Tls)).via(Via::Loopback, false), Via::Tls);
    /// assert_eq!(request(Some(Forwarded::Tls)).via(Via::Plain, false), Via::Plain);
    /// assert_eq!(request(Some(Forwarded::Tls)).via(Via::Plain, true), Via::Tls);
    /// assert_eq!(request(None).via(Via::Loopback, true), Via::Plain);
    /// ```
    pub fn via(&self, own: Via, behind_proxy: bool) -> Via {
        match self.forwarded {
            Some(Forwarded::Tls) if behind_proxy || own != Via::Plain => Via::Tls,
            None if !behind_proxy => own,
            Some(_) | None => Via::Plain,
        }
    }
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Who or what ended it.
    pub cause: Cause,
    /// The WebSocket close code ([RFC 6455 §7.4]); see [`code`]. If there was no close frame, the code that describes
    /// the end best.
    ///
    /// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
    pub code: u16,
    /// The reason that goes with the code: the peer's text after [`Cause::Peer`], otherwise a text of this side.
    pub reason: String,
}

/// Who or what ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent a close frame, or ended its lines.
    Peer,
    /// The driver called [`Link::close`](crate::Link::close); code and reason are the ones given there.
    Us,
    /// The peer violated the protocol: 1002, 1007 or 1009. On an open WebSocket the code was sent to it.
    Fault,
    /// The HTTP upgrade was refused, by this link (server) or to it (client).
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The server of a client answered with an alert of TLS, so it expects TLS at this port.
    Tls,
    /// The connection ended without a goodbye.
    Lost,
}

/// The close codes that a link itself sends or reports ([RFC 6455 §7.4.1]).
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
    /// The peer violated a policy of this side.
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
