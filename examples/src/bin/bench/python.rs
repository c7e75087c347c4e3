//! The side of the Python SDK: its own runtime and its own client.

use std::path::Path;
use std::process::Command;

const SERVER: &str = include_str!("peer_server.py");
const CLIENT: &str = include_str!("peer_client.py");

pub(crate) fn server(interpreter: &Path) -> Command {
    script(interpreter, SERVER)
}

pub(crate) fn client(interpreter: &Path) -> Command {
    script(interpreter, CLIENT)
}

fn script(interpreter: &Path, text: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.args(["-c", text]);
    command
}
