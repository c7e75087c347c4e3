//! The NATS connection: captures of real servers, hostile servers, commands, deadlines, comparison with another
//! implementation, and the side of the server.

mod captures;
mod commands;
mod deadlines;
mod hostile;
mod oracle;
mod server;
mod support;
