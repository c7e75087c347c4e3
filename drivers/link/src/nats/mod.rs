//! The [NATS protocol] without IO (feature `cap`): a [`NatsLink`] is one connection to a server, a [`NatsServerLink`] one
//! from a client.
//!
//! The rest of this page is about the [`NatsLink`]. Bytes go in and events come out; commands go in and bytes come out.
//!
//! ```text
//!  socket --receive--> Framer --frames--> NatsLink --poll_event--> driver
//!  socket <--take_output-- Output <------- NatsLink <--commands---- driver
//!
//!  state:  Waiting --INFO--> Greeted --login--> Connecting --PONG--> Ready
//!          any state --fault, end of the stream, silence, close--> Closed
//! ```
//!
//! After [`NatsEvent::Info`] the driver starts TLS if either side requires it, and calls [`NatsLink::login`]. After
//! [`NatsEvent::Ready`] it subscribes and publishes. It calls [`NatsLink::handle_timeout`] at the time that
//! [`NatsLink::poll_timeout`] returns, and after every input it polls the events and writes the output. After
//! [`NatsEvent::Closed`] it makes another connection with another link.
//!
//! ```
//! use std::time::Duration;
//! use nuncio_core::time::Time;
//! use nuncio_link::nats::{NatsConfig, NatsEvent, NatsLink};
//!
//! let now = Time(0);
//! let mut link = NatsLink::new(NatsConfig::default(), now);
//! link.receive(now, b"INFO {\"server_id\":\"S\",\"version\":\"2.10.26\",\"max_payload\":1048576,\"headers\":true}\r\n");
//! assert!(matches!(link.poll_event(), Some(NatsEvent::Info(info)) if info.max_payload == 1_048_576));
//! link.login(now)?;
//! link.receive(now, b"PONG\r\n");
//! assert_eq!(link.poll_event(), Some(NatsEvent::Ready));
//!
//! let mut bytes = Vec::new();
//! link.take_output(&mut bytes);
//! assert!(bytes.starts_with(b"CONNECT {") && bytes.ends_with(b"PING\r\n"));
//! link.subscribe(7, "job.echo", Some("job.echo"))?;
//! link.publish("job.echo", None, b"hello")?;
//! bytes.clear();
//! link.take_output(&mut bytes);
//! assert_eq!(bytes, b"SUB job.echo job.echo 7\r\nPUB job.echo 5\r\nhello\r\n");
//!
//! link.receive(now, b"MSG job.echo 7 5\r\nhello\r\n");
//! assert!(matches!(link.poll_event(), Some(NatsEvent::Message(message)) if message.payload == "hello"));
//! # Ok::<(), nuncio_link::nats::NatsRefused>(())
//! ```
//!
//! # Guarantees
//!
//! - Any bytes are accepted. What breaks the protocol ends the link with a [`NatsFault`]; what only another client can have
//!   caused, such as a subject that is not UTF-8, concerns that message alone ([`NatsEvent::Unreadable`]).
//! - Subjects, queue groups and payloads are checked, so no text of an application can become a command.
//! - Memory is bounded in both directions: by [`NatsConfig::max_line`] and [`NatsConfig::max_payload`] plus the bytes of one
//!   [`NatsLink::receive`], and by [`NatsConfig::max_output`]. A length that the server claims reserves nothing.
//!
//! [NATS protocol]: https://docs.nats.io/reference/reference-protocols/nats-protocol

mod config;
mod connect;
mod event;
mod framer;
mod info;
mod lines;
mod link;
mod server;
mod state;
mod subject;

pub use config::{NatsConfig, NatsCredentials};
pub use event::{FlushId, NatsClosed, NatsEvent, NatsFault, NatsMessage, NatsRefused};
pub use info::NatsInfo;
pub use link::NatsLink;
pub use server::{NatsClientFault, NatsServerClosed, NatsServerConfig, NatsServerEvent, NatsServerLink};
pub use subject::{InvalidSubject, check_filter, check_group, check_subject};
