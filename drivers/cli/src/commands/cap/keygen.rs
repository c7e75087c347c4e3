//! `nuncio cap keygen`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use nuncio_core::cap::ComponentId;
use nuncio_tokio::cap::{RingSigner, write_public_key};

use super::keys::{PRIVATE, PUBLIC};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::eprint_line;

const AFTER_HELP: &str = "\
Example:
  nuncio cap keygen worker-1 --dir keys

Writes the private key to keys/worker-1.key.pem, which only its owner can
read, and the public key to keys/worker-1.pub.pem. Give the public key to
every component that has to accept packets of this one. Keep the private key
where the component runs. Keys are on the curve P-256, in the PEM forms of
PKCS #8 and SubjectPublicKeyInfo, which the Python SDK reads too.

To change a key, make a new one in another directory, and append its public
key to the file of the old one on every machine. Then use the new private key.
Remove the old public key when no packet that it signed is under way.

Exit codes:
  0  the keys are written
  2  invalid usage, or a key of this component already exists
  7  a file cannot be written";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Id of the component, as the sender of its packets
    #[arg(value_name = "ID", value_parser = super::keys::component_id)]
    id: ComponentId,
    /// Directory to write to. It is created if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<Exit, Error> {
    let made = make(&options.id, &options.dir)?;
    eprint_line(&format!("wrote {} and {}", made.private.display(), made.public.display()));
    Ok(Exit::Success)
}

/// The key pair of a component, in two files.
pub(crate) struct Made {
    pub(crate) signer: RingSigner,
    private: PathBuf,
    public: PathBuf,
}

/// Makes a key pair in a directory, which is made if it is not there.
pub(crate) fn make(id: &ComponentId, dir: &Path) -> Result<Made, Error> {
    let (signer, secret) = RingSigner::generate().map_err(|error| Error::System(io::Error::other(error)))?;
    fs::create_dir_all(dir).map_err(|error| Error::Write(dir.display().to_string(), error))?;
    let (private, public) = (dir.join(format!("{id}{PRIVATE}")), dir.join(format!("{id}{PUBLIC}")));
    if public.exists() {
        return Err(exists(&public));
    }
    write_new(&private, &secret, true)?;
    write_new(&public, &write_public_key(&signer.public_key()), false)?;
    Ok(Made { signer, private, public })
}

fn exists(path: &Path) -> Error {
    Error::Usage(format!(
        "{} already exists, and a key is never overwritten; choose another id or --dir",
        path.display()
    ))
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, text: &str, is_secret: bool) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = is_secret;
    match options.open(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(Error::Write(path.display().to_string(), error)),
        Ok(()) => Ok(()),
    }
}
