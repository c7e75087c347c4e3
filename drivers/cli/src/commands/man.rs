//! `nuncio man`.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::error::Error;
use crate::exit::Exit;
use crate::output;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  nuncio man ~/.local/share/man/man1 && man nuncio-submit")]
pub(crate) struct Options {
    /// Folder for the pages; it is created if it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes a page for `command` and one for each of its subcommands.
pub(crate) fn run(options: &Options, command: Command) -> Exit {
    let folder = &options.folder;
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    let exit = written.map(|()| Exit::Success);
    output::finish(exit.map_err(|error| Error::Write(folder.display().to_string(), error)))
}
