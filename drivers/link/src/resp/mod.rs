//! [RESP2], the protocol of Redis, without IO (feature `cap`): a [`RespLink`] is one connection to a server, a
//! [`RespServerLink`] one from a client.
//!
//! To a [`RespLink`], requests go in and bytes come out; bytes go in and one reply per request
//! comes out, in the order of the requests.
//!
//! ```
//! use nuncio_link::resp::{RespConfig, RespLink, RespReply, RespRequest};
//!
//! let mut link = RespLink::new(RespConfig::default());
//! link.request(&RespRequest::Set { key: "res:1", value: b"42", ttl: None }, 0)?;
//! link.request(&RespRequest::Get("res:1"), 1024)?;
//! let mut bytes = Vec::new();
//! link.take_output(&mut bytes);
//! assert!(bytes.starts_with(b"*3\r\n$3\r\nSET\r\n$5\r\nres:1\r\n$2\r\n42\r\n"));
//!
//! link.receive(b"+OK\r\n$2\r\n4");
//! assert_eq!(link.poll_reply()?, Some(RespReply::Simple("OK".to_owned())));
//! assert_eq!(link.poll_reply()?, None);
//! link.receive(b"2\r\n");
//! assert_eq!(link.poll_reply()?, Some(RespReply::Bulk("42".into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`RespServerLink`] speaks RESP3 to clients that ask for it with `HELLO`, as far as its replies differ.
//!
//! # Guarantees
//!
//! - Any bytes are accepted; what breaks the protocol is a [`RespFault`], after which nothing more is read.
//! - A value that is larger than its request allows is skipped while it is read, and reported with its size
//!   ([`RespReply::TooLarge`]). A length that the server claims reserves nothing.
//! - Memory is bounded by the size that a request allows and the limits of [`RespConfig`], plus the bytes of one
//!   [`RespLink::receive`].
//!
//! [RESP2]: https://redis.io/docs/latest/develop/reference/protocol-spec/

mod config;
mod decoder;
mod link;
mod reply;
mod request;
mod server;

pub use config::RespConfig;
pub use link::RespLink;
pub use reply::{RespFault, RespRefused, RespReply};
pub use request::RespRequest;
pub use server::{RespClientFault, RespCommand, RespServerConfig, RespServerLink};
