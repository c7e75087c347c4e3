//! Our runtime on the smol driver, with the interop agents and four shards.

use std::process::Command;

use nuncio_tests::peers::{Server, example};

#[path = "python_client.rs"]
mod python_client;
#[path = "raw/mod.rs"]
mod raw;

/// Starts the server on a free port.
fn serve(flags: &[&str]) -> Server {
    let mut command = Command::new(example("interop_agents"));
    // Who may watch the jobs of others needs them to be in one shard.
    let shards = if flags.contains(&"--open-policy") { "1" } else { "4" };
    command.args(["--port", "0", "--driver", "smol", "--shards", shards]).args(flags);
    Server::start(command)
}
