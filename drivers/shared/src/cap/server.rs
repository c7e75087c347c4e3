//! The URLs of servers: where a server is, and how to log in.

use std::time::Duration;

use nuncio_core::cap::Secret;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::io::random;

/// Why options cannot be made of a URL or of the environment. The message repeats neither, since both may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// The text is not a URL.
    #[error("the server's address is not a URL, such as nats://HOST:4222 or redis://HOST:6379: {0}")]
    Url(String),
    /// The URL has another scheme.
    #[error("the URL has the scheme {found:?}, and {expected} is needed")]
    Scheme {
        /// The scheme.
        found: String,
        /// What is understood.
        expected: &'static str,
    },
    /// The URL names no host.
    #[error("the URL names no host")]
    Host,
    /// The URL has the port 0.
    #[error("the URL has the port 0, on which nothing can listen")]
    Port,
    /// The user or the password of the URL is not UTF-8 once its percent escapes are decoded.
    #[error("the user or the password of the URL is not UTF-8")]
    Login,
    /// The URL has a path, a query or a fragment that means nothing.
    #[error("the URL has {0}, which means nothing here")]
    Excess(&'static str),
    /// The path of a Redis URL is not the number of a database.
    #[error("the path of the URL is not the number of a database, such as `/0`")]
    Database,
    /// The URLs of one cluster have different users, passwords or tokens.
    #[error("the URLs of the cluster have different users, passwords or tokens; give all of them the same")]
    Logins,
    /// No URL was given.
    #[error("no URL is given")]
    NoServer,
    /// An environment variable is not UTF-8.
    #[error("the environment variable {0} is not UTF-8")]
    NotUnicode(String),
    /// An environment variable is not one of the texts for yes and no.
    #[error("the environment variable {0} is none of 1, true, yes, on, 0, false, no, off")]
    Flag(&'static str),
    /// A value of an environment variable is wrong.
    #[error("the environment variable {variable} cannot be used: {error}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// The fault of its value.
        error: Box<InvalidOptions>,
    },
    /// A client certificate was given without its key, or a key without its certificate.
    #[error("{0} is set and {1} is not; a client certificate needs both")]
    HalfIdentity(&'static str, &'static str),
}

/// The parts of a server's URL.
#[derive(Debug)]
pub(super) struct ServerUrl {
    pub(super) scheme: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// A name or an IP address, without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// What follows the host, without the slash at its start.
    pub(super) path: String,
}

impl ServerUrl {
    pub(super) fn parse(text: &str) -> Result<ServerUrl, InvalidOptions> {
        let url = Url::parse(text).map_err(|error| InvalidOptions::Url(error.to_string()))?;
        if url.query().is_some() {
            return Err(InvalidOptions::Excess("a query"));
        }
        if url.fragment().is_some() {
            return Err(InvalidOptions::Excess("a fragment"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidOptions::Host)?;
        if url.port() == Some(0) {
            return Err(InvalidOptions::Port);
        }
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let user = if url.username().is_empty() { None } else { Some(decoded(url.username())?) };
        Ok(ServerUrl {
            scheme: url.scheme().to_owned(),
            user,
            password: url.password().map(decoded).transpose()?.map(Secret::new),
            host: decoded(host)?,
            port: url.port(),
            path: url.path().strip_prefix('/').unwrap_or(url.path()).to_owned(),
        })
    }
}

fn decoded(text: &str) -> Result<String, InvalidOptions> {
    Ok(percent_decode_str(text).decode_utf8().map_err(|_| InvalidOptions::Login)?.into_owned())
}

/// Reads environment variables; an empty one counts as one that is not set.
pub(super) struct Environment<'a>(&'a dyn Fn(&str) -> Result<Option<String>, InvalidOptions>);

impl Environment<'_> {
    /// The environment of this process.
    pub(super) const PROCESS: Environment<'static> = Environment(&|name| match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(InvalidOptions::NotUnicode(name.to_owned())),
    });

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, InvalidOptions> {
        Ok((self.0)(name)?.filter(|value| !value.is_empty()))
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, InvalidOptions> {
        let Some(value) = self.text(name)? else { return Ok(false) };
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(InvalidOptions::Flag(name)),
        }
    }
}

#[cfg(test)]
impl<'a> Environment<'a> {
    pub(super) fn of(variables: &'a dyn Fn(&str) -> Result<Option<String>, InvalidOptions>) -> Environment<'a> {
        Environment(variables)
    }
}

/// Returns the pause before an attempt to connect: it doubles with every attempt up to `longest`, and is shortened at random
/// by up to a half, so that many clients do not come back at once.
pub(super) fn backoff(first: Duration, longest: Duration, attempt: u32) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest).mul_f64(0.5 + random::fraction() / 2.0)
}
