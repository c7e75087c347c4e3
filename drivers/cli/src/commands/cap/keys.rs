//! Options of identity: the key that signs packets, and the keys of the senders that are believed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use nuncio_core::cap::{ComponentId, Keyring};
use nuncio_tokio::cap::{RingSigner, read_public_key};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::files;

/// What the file of a sender's public keys ends with.
pub(super) const PUBLIC: &str = ".pub.pem";
/// What the file of a component's private key ends with.
pub(super) const PRIVATE: &str = ".key.pem";

/// Whose packets are believed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Keys")]
pub(super) struct Peers {
    /// Directory of the public keys of trusted senders: a file SENDER.pub.pem for each, which `nuncio cap keygen` writes. A
    /// file may hold several keys, one after another, while a sender changes its key
    #[arg(long, value_name = "DIR", env = "NUNCIO_CAP_KEYS", hide_env_values = true)]
    keys: Option<PathBuf>,
}

impl Peers {
    /// Reads the keys, if a directory was given.
    pub(super) fn keyring(&self) -> Result<Option<Keyring>, Error> {
        self.keys.as_deref().map(read_keyring).transpose()
    }
}

/// Whose packets are believed, and how the own ones are signed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Keys")]
pub(super) struct Keys {
    #[command(flatten)]
    peers: Peers,
    /// File of the private key that signs packets, in PEM form [default: ID.key.pem in --keys]
    #[arg(long, value_name = "FILE", env = "NUNCIO_CAP_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// Send packets unsigned and accept every packet. Everyone who can reach the bus can then submit and cancel jobs, and
    /// send results
    #[arg(long, conflicts_with_all = ["keys", "key"])]
    unsigned: bool,
}

/// The keys of a component, as they were read.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Signs packets.
    pub(crate) signer: RingSigner,
    /// Whose packets are believed.
    pub(crate) keys: Keyring,
}

impl Keys {
    /// Reads the keys of a component; `None` with --unsigned.
    pub(super) fn identity(&self, id: &ComponentId) -> Result<Option<Identity>, Error> {
        if self.unsigned {
            return Ok(None);
        }
        let Some(folder) = &self.peers.keys else {
            return Err(Error::Usage(
                "give --keys DIR with the public keys of trusted senders, or --unsigned to trust everyone who can reach \
                 the bus"
                    .to_owned(),
            ));
        };
        read(folder, self.key.as_deref(), id, "--key").map(Some)
    }
}

/// Reads the public keys in a directory, and the private key of a component: from `key`, which the option names, or from the
/// directory.
pub(crate) fn read(folder: &Path, key: Option<&Path>, id: &ComponentId, option: &str) -> Result<Identity, Error> {
    let path = key.map_or_else(|| folder.join(format!("{id}{PRIVATE}")), Path::to_owned);
    Ok(Identity { signer: read_signer(&path, id, option)?, keys: read_keyring(folder)? })
}

/// Returns the keys of one component alone. The id of a key is the id of its component.
pub(super) fn of_one(keys: &Keyring, id: &ComponentId) -> Result<Keyring, String> {
    let mut own = Keyring::default();
    for key in keys.of(id.as_str()) {
        own.add(id.as_str(), *key).map_err(|error| error.to_string())?;
    }
    if own.of(id.as_str()).is_empty() {
        Err(format!("there is no {id}{PUBLIC} in the directory of keys"))
    } else {
        Ok(own)
    }
}

/// Parses the id of a component.
pub(crate) fn component_id(text: &str) -> Result<ComponentId, String> {
    if text.contains(['/', '\\']) {
        return Err("it contains a slash, and files of keys are named after ids".to_owned());
    }
    ComponentId::new(text).map_err(|error| format!("{error}; an id is words of visible ASCII with dots between them"))
}

fn read_signer(path: &Path, id: &ComponentId, option: &str) -> Result<RingSigner, Error> {
    let name = path.display();
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        Error::Usage(format!(
            "cannot read the private key {name}: {error}; make one with `nuncio cap keygen {id} --dir DIR`, or name it \
             with {option} FILE"
        ))
    })?;
    RingSigner::from_pem(&text).map_err(|error| Error::Usage(format!("{name}: {error}")))
}

fn read_keyring(folder: &Path) -> Result<Keyring, Error> {
    let cannot = |error: &dyn std::fmt::Display| {
        Error::Usage(format!("cannot read the directory of keys {}: {error}", folder.display()))
    };
    let mut keys = Keyring::default();
    let mut files = 0;
    for entry in fs::read_dir(folder).map_err(|error| cannot(&format!("{error}{}", files::advice(&error))))? {
        let path = entry.map_err(|error| cannot(&error))?.path();
        let Some(sender) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(PUBLIC)) else { continue };
        let name = path.display();
        let text = fs::read_to_string(&path)
            .map_err(|error| Error::Usage(format!("cannot read {name}: {error}{}", files::advice(&error))))?;
        for block in blocks(&text) {
            let key = read_public_key(block).map_err(|error| Error::Usage(format!("{name}: {error}")))?;
            keys.add(sender, key).map_err(|error| Error::Usage(format!("{name}: {error}")))?;
        }
        if keys.of(sender).is_empty() {
            return Err(Error::Usage(format!("there is no public key in {name}")));
        }
        files += 1;
    }
    if files == 0 {
        return Err(cannot(&format!("it has no file whose name ends with {PUBLIC}, so no sender would be trusted")));
    }
    Ok(keys)
}

/// The PEM blocks of a file.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    const END: &str = "-----END PUBLIC KEY-----";
    text.split_inclusive(END).filter(|block| !block.trim().is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

    use nuncio_tokio::cap::write_public_key;

    use super::*;

    #[test]
    fn a_file_may_hold_the_old_and_the_new_key_of_a_sender() {
        let folder = tempfile::tempdir().unwrap();
        let public = || write_public_key(&RingSigner::generate().unwrap().0.public_key());
        fs::write(folder.path().join("worker-1.pub.pem"), public() + &public()).unwrap();
        fs::write(folder.path().join("client.a.pub.pem"), public()).unwrap();
        fs::write(folder.path().join("notes.txt"), "no key").unwrap();
        let keys = read_keyring(folder.path()).unwrap();
        assert_eq!((keys.of("worker-1").len(), keys.of("client.a").len(), keys.of("notes").len()), (2, 1, 0));
    }

    #[test]
    fn the_keys_of_one_component_are_taken_from_those_of_all() {
        let mut keys = Keyring::default();
        for sender in ["worker-1", "worker-2"] {
            keys.add(sender, RingSigner::generate().unwrap().0.public_key()).unwrap();
        }
        let own = of_one(&keys, &component_id("worker-1").unwrap()).unwrap();
        assert_eq!((own.of("worker-1"), own.of("worker-2").len()), (keys.of("worker-1"), 0));
        let missing = of_one(&keys, &component_id("worker-3").unwrap()).unwrap_err();
        assert_eq!(missing, "there is no worker-3.pub.pem in the directory of keys");
    }

    #[test]
    fn a_directory_that_would_believe_nobody_or_cannot_be_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| read_keyring(path).unwrap_err().to_string();
        assert!(refusal(folder.path()).contains("no sender would be trusted"));
        assert!(refusal(&folder.path().join("missing")).contains("cannot read the directory"));
        let file = folder.path().join("a.pub.pem");
        fs::write(&file, "").unwrap();
        assert!(refusal(folder.path()).contains("there is no public key in"));
        fs::write(&file, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").unwrap();
        assert!(refusal(folder.path()).contains("not the PEM form of a key on P-256"));
    }
}
