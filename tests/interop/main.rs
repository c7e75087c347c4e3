//! Interop over real sockets.
//!
//! - [`python_client`]: the unchanged Python client (the pip package, driven by the scripts in `py/`) against our
//!   `interop_agents`, for every feature it has.
//! - [`raw`]: conversations in plain frames, one for each thing the deployed runtimes get wrong (wire.md §9), each showing
//!   that ours gets it right.
//!
//! - [`python_runtime`]: our own client against the same agents on the Python SDK (`py/python_runtime.py`).
//!
//! Not here: that client's stdio transport. `interop_agents` has no stdio; it can be tested against `nuncio serve --stdio`.

mod python_client;
mod python_runtime;
mod raw;

use std::process::Command;

use nuncio_tests::peers::{Server, interop_agents};

/// Our runtime with the interop agents on a free port.
fn serve(flags: &[&str]) -> Server {
    let mut command = Command::new(interop_agents());
    command.args(["--port", "0"]).args(flags);
    Server::start(command)
}
