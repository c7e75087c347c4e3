//! Bytes to frames and back, for both sides, without IO.
//!
//! A [`Link`] stands between a socket and a Nuncio machine. It is one of
//! - a **WebSocket server**: [`Link::server`] reads the HTTP request, checks method, [host](HostPolicy),
//!   [origin](OriginPolicy) and path, and answers 101 or a [`Refusal`]; [`Link::server_upgraded`] begins after a 101 that
//!   somebody else has sent;
//! - a **WebSocket client**: [`Link::client`] writes the request and checks the response; [`Link::client_upgraded`]
//!   begins after it;
//! - **lines**: [`Link::lines`], newline-delimited JSON over stdio (§4).
//!
//! # Driving it
//!
//! A reader and a writer share the link behind a mutex. The reader, while [`Link::wants_input`]: reads from the socket,
//! gives the bytes to [`Link::receive`] (and the end of the stream to [`Link::receive_end`]), and polls
//! [`Link::poll_event`] until it says `None`. It may stop in between, when the core does not want to read on: what was
//! received waits inside. Where `wants_input` then stays false, it waits until the writer has written something, and
//! polls again.
//!
//! The writer takes all of the output at once with [`Link::take_output`], writes it, and reports the frames as sent to
//! the core.
//!
//! After [`LinkEvent::Closed`] the output is to be written, then the socket dropped. (Better: shut its writing half
//! down and read, for a second at most, until the peer has closed, or the system may discard what the peer has not read
//! yet.) The clock is the driver's: a deadline until [`Link::is_open`], then [`Link::refuse`] on a server and
//! [`Link::close`] on a client; a deadline from `close` to `Closed`.
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
//! # What it promises
//!
//! - The events do not depend on how the input is cut into pieces.
//! - Text comes in, and binary that holds UTF-8 (core/docs/arcp.md §4); text goes out. Pings are answered.
//! - After the first fault of the peer nothing more is read, and the close code (1002, 1007, 1009) is in the output.
//! - Memory is bounded in both directions. Input: one message within [`LinkOptions::max_message`], plus the bytes of one
//!   [`Link::receive`]; a length that only a header claims is refused beyond the limit and reserved, untouched, within
//!   it. Output: 16 KiB of pongs, beyond which nothing is read until they are consumed; frames are bounded by who sends
//!   them (the core's credit).
//!
//! # The log
//!
//! `tungstenite` writes whole frames to the `log` target `tungstenite` at level trace, **bearer and resume tokens
//! included**. A driver or program that installs a logger must cap that target at `debug` or less, whatever level it
//! runs at itself. The request of [`Link::client`] is not logged.
//!
//! Keys and masks come from the thread's random generator, which needs an operating system: links are not deterministic
//! bit by bit, which is why the simulator works on frames.

#![forbid(unsafe_code)]

mod buffer;
mod client;
mod event;
mod head;
mod link;
mod options;
mod policy;
mod refusal;
mod server;
mod socket;

pub use client::{ClientOptions, InvalidHeader, InvalidUrl};
pub use event::{Cause, Closed, LinkEvent, Request, code};
pub use link::Link;
pub use options::LinkOptions;
pub use policy::{AllowedHost, AllowedOrigin, HostPolicy, InvalidPolicy, OriginPolicy};
pub use refusal::Refusal;
pub use server::ServerOptions;
pub use tungstenite::Utf8Bytes;
/// The types of [`ServerOptions::upgrade`] and [`Refusal::response`].
pub use tungstenite::http;
