//! Our runtime on the tokio driver, with the interop agents.

use std::process::Command;

use nuncio_tests::peers::{Server, example};

#[path = "python_client.rs"]
mod python_client;
#[path = "raw/mod.rs"]
mod raw;

/// Starts the server on a free port.
fn serve(flags: &[&str]) -> Server {
    let mut command = Command::new(example("interop_agents"));
    command.args(["--port", "0"]).args(flags);
    Server::start(command)
}
