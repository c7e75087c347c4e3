//! The types that a driver brings.

use std::io;
use std::sync::Arc;

use crate::arcp::{BuildError, Client, Server};
use crate::io::{Io, Spawn};

/// A driver's own types, for the builders.
pub trait Driver: 'static {
    /// Its thread for connections.
    type Thread: Io;
    /// Where agents run.
    type Agents;
    /// Its server.
    type Server;
    /// Its client.
    type Client;

    /// Starts a thread with this name.
    fn thread(name: &str) -> io::Result<Arc<Self::Thread>>;
    /// What starts agents, on what was chosen or the driver's default.
    fn agents(chosen: Option<Self::Agents>) -> Result<Spawn, BuildError>;
    /// Its form of a server.
    fn server(server: Server, thread: Arc<Self::Thread>) -> Self::Server;
    /// Its form of a client.
    fn client(client: Client) -> Self::Client;
}
