//! Saved runtimes: the URL and the token of each, under a name (`nuncio context`).
//!
//! They are in `$XDG_CONFIG_HOME/nuncio/contexts.json` (default `~/.config/nuncio`; on Windows `%APPDATA%\nuncio`), which its
//! owner alone may read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use nuncio_tokio::arcp::Secret;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::private;

const FILE: &str = "contexts.json";

/// The saved runtimes.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Contexts {
    /// The name of the one that is used if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A saved runtime.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Context {
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(url: String, token: Option<&Secret>, token_file: Option<PathBuf>) -> Context {
        Context { url, token: token.map(|token| token.expose().to_owned()), token_file }
    }

    pub(crate) fn token(&self) -> Option<Secret> {
        self.token.as_deref().map(Secret::new)
    }
}

impl Contexts {
    /// Reads the file. Without one there are no contexts.
    pub(crate) fn read() -> Result<Contexts, Error> {
        let Ok(path) = path() else { return Ok(Contexts::default()) };
        let unusable =
            |what: String| Error::Usage(format!("the saved contexts in {} cannot be used: {what}", path.display()));
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| unusable(format!("{error}; delete the file and add them again"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contexts::default()),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// Writes the file in place of the last one.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let write = || {
            let path = path()?;
            let folder = path.parent().map(PathBuf::from).unwrap_or_default();
            private::create_folder(&folder)?;
            // A temporary file is readable by its owner only, and keeps that mode under its new name.
            let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&folder)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| Error::Write("the saved contexts".to_owned(), error))
    }

    /// Returns the context of a name, or the current one.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<Option<&Context>, Error> {
        let Some(name) = name.or(self.current.as_deref()) else { return Ok(None) };
        self.contexts.get(name).map(Some).ok_or_else(|| self.unknown(name))
    }

    /// Says how a context can help a command that has no token.
    pub(crate) fn advice(&self) -> &'static str {
        if self.current.is_none() && !self.contexts.is_empty() {
            "choose a saved runtime with `nuncio context use NAME`, because none is in use: `nuncio context list` shows them"
        } else {
            "save one with `nuncio context add`"
        }
    }

    pub(crate) fn unknown(&self, name: &str) -> Error {
        let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
        let known = if names.is_empty() { "none is saved".to_owned() } else { format!("saved: {}", names.join(", ")) };
        Error::Usage(format!("there is no context {name:?}; {known}; `nuncio context add NAME --url URL` adds one"))
    }
}

fn path() -> io::Result<PathBuf> {
    let variable = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
    Ok(private::folder(variable, ".config")?.join(FILE))
}
