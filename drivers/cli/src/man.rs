//! `nuncio completions` and `nuncio man`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::verdict::{Trouble, Verdict};

/// What `nuncio completions` takes.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  nuncio completions bash > ~/.local/share/bash-completion/completions/nuncio")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// What `nuncio man` takes.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  nuncio man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder the pages go to; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Completions {
    /// Prints the script.
    pub(crate) fn run(&self, mut command: Command) -> Result<Verdict, Trouble> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "nuncio", &mut script);
        let mut out = io::stdout().lock();
        let written = out.write_all(&script).and_then(|()| out.flush());
        written.map_err(|error| Trouble::Output("stdout".to_owned(), error))?;
        Ok(Verdict::Success)
    }
}

impl Man {
    /// Writes a page for the command and one for each of its parts.
    pub(crate) fn run(&self, command: Command) -> Result<Verdict, Trouble> {
        let written =
            std::fs::create_dir_all(&self.folder).and_then(|()| clap_mangen::generate_to(command, &self.folder));
        written.map_err(|error| Trouble::Output(self.folder.display().to_string(), error))?;
        Ok(Verdict::Success)
    }
}
