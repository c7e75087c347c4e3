//! `nuncio completions`.

use std::io::{self, Write as _};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::Error;
use crate::exit::Exit;
use crate::output;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  nuncio completions bash > ~/.local/share/bash-completion/completions/nuncio")]
pub(crate) struct Options {
    /// Shell that will load the script
    shell: Shell,
}

/// Prints the completion script of `command`.
pub(crate) fn run(options: &Options, mut command: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "nuncio", &mut script);
    let mut out = io::stdout().lock();
    let printed = out.write_all(&script).and_then(|()| out.flush());
    output::finish(printed.map(|()| Exit::Success).map_err(Error::stdout))
}
