//! Tokens that are given by flags, the environment, the configuration file or a file of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nuncio_tokio::arcp::Secret;
use nuncio_tokio::auth::StaticTokens;
use serde::{Deserialize, Deserializer};

use crate::files;

/// Tokens that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum TokenError {
    #[error("--token-file: cannot read {}: {error}{}", path.display(), files::advice(error))]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("--token-file: line {line} of {} is not valid: {error}", path.display())]
    Line { path: PathBuf, line: usize, error: &'static str },
    #[error(
        "one token is given for two principals, {0} and {1}; give each principal a token of its own, because a token says who \
         the client is"
    )]
    Shared(String, String),
}

/// Returns the verifier of tokens, each of which has one principal.
pub(super) fn verifier<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> Result<StaticTokens, TokenError> {
    let mut principals = BTreeMap::new();
    let mut verifier = StaticTokens::new();
    for token in tokens {
        let earlier = principals.insert(token.secret.expose(), &token.principal);
        if let Some(earlier) = earlier.filter(|earlier| **earlier != token.principal) {
            return Err(TokenError::Shared(earlier.clone(), token.principal.clone()));
        }
        verifier = verifier.with(token.secret.expose(), &token.principal);
    }
    Ok(verifier)
}

/// Reads the tokens of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Token>, TokenError> {
    let text = std::fs::read(path).map_err(|error| TokenError::Unreadable { path: path.to_owned(), error })?;
    let wrong = |line, error| TokenError::Line { path: path.to_owned(), line, error };
    let text = str::from_utf8(&text).map_err(|error| {
        let lines = text.get(..error.valid_up_to()).map_or(0, |valid| valid.split(|byte| *byte == b'\n').count());
        wrong(lines, "it is not UTF-8")
    })?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, text)| text.parse().map_err(|error| wrong(line, error))).collect()
}

/// A bearer token and its principal.
#[derive(Clone, Debug)]
pub(super) struct Token {
    secret: Secret,
    pub(super) principal: String,
}

impl FromStr for Token {
    type Err = &'static str;

    /// Splits at the last `=`: a token may contain `=`, as Base64 does, and a principal may not.
    fn from_str(text: &str) -> Result<Token, &'static str> {
        let (secret, principal) = text.rsplit_once('=').ok_or("write it as TOKEN=PRINCIPAL")?;
        if secret.is_empty() || principal.is_empty() {
            return Err("neither the token nor the principal may be empty");
        }
        Ok(Token { secret: Secret::new(secret), principal: principal.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Token, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
