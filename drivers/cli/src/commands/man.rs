//! `nuncio man`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

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
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let written = std::fs::create_dir_all(folder).and_then(|()| write_pages(command, folder));
    let exit = written.map(|()| Exit::Success);
    output::finish(exit.map_err(|error| Error::Write(folder.display().to_string(), error)))
}

fn write_pages(command: Command, folder: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).cloned() {
        write_pages(subcommand, folder)?;
    }
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render(&mut page)?;
    std::fs::write(folder.join(man.get_filename()), verbatim_notes(&String::from_utf8_lossy(&page)))
}

/// Keeps the lines of the text after the options as they are; they would be filled like a paragraph otherwise.
fn verbatim_notes(page: &str) -> String {
    match page.split_once(".SH EXTRA\n") {
        Some((options, notes)) => {
            let notes = notes.replacen(".SH VERSION", ".in\n.fi\n.SH VERSION", 1);
            format!("{options}.SH NOTES\n.nf\n.in 0\n{notes}")
        }
        None => page.to_owned(),
    }
}
