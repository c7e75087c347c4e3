//! The server side of the NATS protocol: one connection from a client.
//!
//! It suffices for the clients of workers, routers and submitters: subscriptions with wildcards and queue groups, requests
//! with an answer if there is no subscriber, and headers. It knows neither logins, TLS, clusters nor `JetStream`. Which
//! messages go to which subscriptions is decided by the driver.

mod config;
mod event;
mod link;
mod parser;

pub use config::NatsServerConfig;
pub use event::{NatsClientFault, NatsServerClosed, NatsServerEvent};
pub use link::NatsServerLink;
