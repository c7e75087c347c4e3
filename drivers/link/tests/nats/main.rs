//! The NATS connection: captures of real servers, hostile servers, commands, deadlines, and comparison with another
//! implementation.

mod captures;
mod commands;
mod deadlines;
mod hostile;
mod oracle;
mod support;
