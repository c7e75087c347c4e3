//! Who may connect.

use std::str::FromStr;

use clap::Args;
use nuncio_tokio::StaticTokens;
use serde::{Deserialize, Deserializer};

/// Who is let in.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[command(next_help_heading = "Security")]
pub(crate) struct Security {
    /// A bearer token and whose it is; may be repeated, and `NUNCIO_TOKENS` may hold several with commas between
    #[arg(
        long = "token",
        value_name = "TOKEN=PRINCIPAL",
        env = "NUNCIO_TOKENS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    #[serde(rename = "token")]
    tokens: Vec<Token>,
}

impl Security {
    /// This, and for the rest the other.
    pub(crate) fn or(self, other: Security) -> Security {
        Security { tokens: if self.tokens.is_empty() { other.tokens } else { self.tokens } }
    }

    /// Whether nobody would be let in.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn verifier(&self) -> StaticTokens {
        self.tokens.iter().fold(StaticTokens::new(), |tokens, token| tokens.with(&token.secret, &token.principal))
    }

    /// In a few words, without a secret.
    pub(crate) fn summary(&self) -> String {
        let mut principals: Vec<&str> = self.tokens.iter().map(|token| &*token.principal).collect();
        principals.sort_unstable();
        principals.dedup();
        format!("tokens of {}", principals.join(", "))
    }
}

#[derive(Clone)]
struct Token {
    secret: String,
    principal: String,
}

impl FromStr for Token {
    type Err = &'static str;

    /// A token may hold `=`, as base64 does; a principal may not.
    fn from_str(text: &str) -> Result<Token, &'static str> {
        let (secret, principal) = text.rsplit_once('=').ok_or("write it as TOKEN=PRINCIPAL")?;
        if secret.is_empty() || principal.is_empty() {
            return Err("neither the token nor the principal may be empty");
        }
        Ok(Token { secret: secret.to_owned(), principal: principal.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Token, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("principal", &self.principal).finish_non_exhaustive()
    }
}
