//! The client side of HTTP/1.1, without IO (feature `caracal`).
//!
//! An [`Http1Link`] is one connection to a server. One request at a time goes in and its bytes come out; bytes go in and
//! the response comes out. The types of requests and responses are those of the crate [`http`](crate::http), whose header
//! values cannot contain a line break.
//!
//! ```
//! use bytes::Bytes;
//! use nuncio_link::http::Request;
//! use nuncio_link::http1::{Http1Config, Http1Link};
//!
//! let mut link = Http1Link::new(Http1Config::default());
//! let request = Request::post("http://127.0.0.1:4000/zones/z1/agents").body(Bytes::from("{}"))?;
//! link.request(&request)?;
//! let mut bytes = Vec::new();
//! link.take_output(&mut bytes);
//! assert_eq!(bytes, b"POST /zones/z1/agents HTTP/1.1\r\nhost: 127.0.0.1:4000\r\ncontent-length: 2\r\n\r\n{}");
//!
//! link.receive(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{");
//! assert_eq!(link.poll_response()?.map(|response| response.status()), None);
//! link.receive(b"}");
//! let response = link.poll_response()?.expect("a response");
//! assert_eq!((response.status().as_u16(), &**response.body()), (201, &b"{}"[..]));
//! assert!(link.is_reusable());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//!
//! - Any bytes are accepted; what breaks the protocol is an [`Http1Fault`], after which nothing more is read.
//! - A response with two contradicting lengths, or with a transfer coding other than `chunked`, is a fault, so that no two
//!   readers of the connection can disagree on where it ends.
//! - Redirects are responses like all others; they are not followed.
//! - Memory is bounded by the limits of [`Http1Config`], plus the bytes of one [`Http1Link::receive`]. A length that the
//!   server claims reserves nothing.
//! - Deadlines belong to the driver.
//!
//! # Logging
//!
//! `ureq-proto` writes whole responses to the `log` target `ureq_proto` at level trace, tokens in their bodies included. A
//! program that installs a logger must limit this target to `debug` or less.

mod config;
mod fault;
mod head;
mod link;

pub use config::Http1Config;
pub use fault::{Http1Fault, Http1Refused};
pub use link::Http1Link;
