//! Converts bytes to frames and frames to bytes, for servers and clients, without IO.
//!
//! A [`Link`] is the layer between a socket and a Nuncio machine. There are three kinds:
//! - a **WebSocket server**: [`Link::server`] reads the HTTP request, checks method, [host](HostPolicy),
//!   [origin](OriginPolicy) and path, and answers 101 or a [`Refusal`]; [`Link::server_upgraded`] starts after a 101
//!   that a web framework has sent;
//! - a **WebSocket client**: [`Link::client`] writes the request and checks the response; [`Link::client_upgraded`]
//!   starts after a response that other code has checked;
//! - **lines**: [`Link::lines`] is newline-delimited JSON over stdio (§4).
//!
//! Other connections of a client have modules of their own: `nats`, `resp` (feature `cap`) and `http1` (feature
//! `caracal`).
//!
//! # Driving it
//!
//! A reader and a writer share the link behind a mutex. While [`Link::wants_input`] is true, the reader reads from the
//! socket, passes the bytes to [`Link::receive`] (and the end of the stream to [`Link::receive_end`]), and calls
//! [`Link::poll_event`] until it returns `None`. It may stop polling while the core reads no further frames: the link
//! keeps the rest. If `wants_input` is false after the last event, the reader waits until the writer has written
//! something, and polls again.
//!
//! The writer takes all output at once with [`Link::take_output`], writes it, and reports the frames to the core as
//! sent.
//!
//! After [`LinkEvent::Closed`] the driver writes the remaining output and drops the socket. It should first shut down
//! the writing half and read for up to a second until the peer has closed: if a socket is closed with unread input, the
//! system may discard output that the peer has not read yet. Deadlines belong to the driver. One runs until
//! [`Link::is_open`]; when it passes, a server calls [`Link::refuse`] and a client calls [`Link::close`]. The other
//! runs from `close` to `Closed`.
//!
//! ```
//! use std::sync::Arc;
//! use nuncio_link::{Cause, ClientOptions, HostPolicy, Link, LinkEvent, ServerOptions, code};
//!
//! /// What a driver does with two sockets.
//! fn carry(from: &mut Link, to: &mut Link) {
//!     let mut bytes = Vec::new();
//!     from.take_output(&mut bytes);
//!     to.receive(&bytes);
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ClientOptions::new("ws://127.0.0.1:7777/arcp")?;
//! let mut client = Link::client(&options);
//! let mut server = Link::server(Arc::new(ServerOptions::new(HostPolicy::Loopback)));
//!
//! carry(&mut client, &mut server); // the request
//! let Some(LinkEvent::Open(Some(request))) = server.poll_event() else { panic!("{server:?}") };
//! assert_eq!(request.target, "/arcp");
//! assert_eq!(request.host, "127.0.0.1:7777");
//!
//! // Many frames leave in one write.
//! assert!(server.send(br#"{"type":"session.ping"}"#));
//! assert!(server.send(br#"{"type":"session.error"}"#));
//! carry(&mut server, &mut client); // the response, and both frames
//! assert_eq!(client.poll_event(), Some(LinkEvent::Open(None)));
//! for expected in [r#"{"type":"session.ping"}"#, r#"{"type":"session.error"}"#] {
//!     let Some(LinkEvent::Frame(text)) = client.poll_event() else { panic!("{client:?}") };
//!     assert_eq!(text.as_str(), expected);
//! }
//! assert_eq!(client.poll_event(), None);
//! assert!(client.wants_input());
//!
//! client.close(code::NORMAL, "done");
//! carry(&mut client, &mut server);
//! let Some(LinkEvent::Closed(closed)) = server.poll_event() else { panic!("{server:?}") };
//! assert_eq!((closed.cause, closed.code, closed.reason.as_str()), (Cause::Peer, 1000, "done"));
//!
//! carry(&mut server, &mut client); // the close frame's answer
//! let Some(LinkEvent::Closed(closed)) = client.poll_event() else { panic!("{client:?}") };
//! assert_eq!(closed.cause, Cause::Us);
//! assert!(client.is_finished() && server.is_finished());
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - The events do not depend on how the input is split.
//! - Text messages and UTF-8 binary messages are received (core/docs/arcp.md §4); text messages are sent. Pings are
//!   answered.
//! - After the first fault of the peer nothing more is read, and the close code (1002, 1007, 1009) is in the output.
//! - Memory is bounded in both directions. Input: one message of up to [`LinkOptions::max_message`] bytes, plus the
//!   bytes of one [`Link::receive`]. A frame header that claims more is refused; up to the limit, the claimed length is
//!   reserved. Output: 16 KiB of pongs, beyond which nothing is read until they are written. The number of queued
//!   frames is bounded by their sender, with the core's credit.
//!
//! # Logging
//!
//! `tungstenite` writes whole frames to the `log` target `tungstenite` at level trace, **bearer and resume tokens
//! included**. A program that installs a logger must limit this target to `debug` or less, whatever its own level is.
//! The request of [`Link::client`] is not logged.
//!
//! WebSocket keys and masks come from the thread's random generator, so the bytes of a link are not reproducible. The
//! simulator therefore works on frames.

#![forbid(unsafe_code)]

mod buffer;
mod client;
mod control;
mod event;
mod forwarded;
mod head;
#[cfg(feature = "caracal")]
pub mod http1;
mod link;
#[cfg(feature = "cap")]
pub mod nats;
mod options;
mod policy;
mod refusal;
#[cfg(feature = "cap")]
pub mod resp;
mod server;
mod socket;
mod tls;

pub use client::{ClientOptions, InvalidHeader, InvalidUrl};
pub use event::{Cause, Closed, LinkEvent, Request, code};
pub use forwarded::Forwarded;
pub use link::Link;
pub use options::LinkOptions;
pub use policy::{AllowedHost, AllowedOrigin, DialectCheck, HostPolicy, InvalidPolicy, OriginPolicy};
pub use refusal::Refusal;
pub use server::ServerOptions;
pub use tungstenite::Utf8Bytes;
/// The types of [`ServerOptions::upgrade`] and [`Refusal::response`].
pub use tungstenite::http;
