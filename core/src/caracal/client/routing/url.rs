//! The parts of a URL that routing compares.

use alloc::string::{String, ToString as _};

/// Why a URL cannot be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It does not begin with `http://` or `https://`.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// It has a user name or a password.
    #[error("the URL must not have a user name or a password")]
    UserInfo,
    /// Its host or port is malformed.
    #[error("the host or the port of the URL is malformed")]
    Host,
    /// It has a character that is not printable ASCII, a space or a backslash.
    #[error("the URL must be printable ASCII without spaces and backslashes")]
    Character,
    /// Its path has a `.` or `..` segment, or an escaped separator. Another server could read it as another path.
    #[error("the path of the URL must not have dot segments or escaped separators")]
    Traversal,
}

/// A URL, split at its origin, path and query. Its fragment is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// `scheme://host[:port]` in lower case, without the default port.
    origin: String,
    /// The path, which begins with `/`.
    path: String,
    query: Option<String>,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Url, InvalidUrl> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(InvalidUrl::Character);
        }
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let (scheme, default_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => ("http", 80),
            _ if scheme.eq_ignore_ascii_case("https") => ("https", 443),
            _ => return Err(InvalidUrl::Scheme),
        };
        let (hierarchy, query) = match rest.split_once('?') {
            Some((hierarchy, query)) => (hierarchy, Some(query.into())),
            None => (rest, None),
        };
        let (authority, path) = hierarchy.split_at(hierarchy.find('/').unwrap_or(hierarchy.len()));
        let origin = [scheme, "://", &host(authority, default_port)?].concat();
        let path = if path.is_empty() { "/" } else { path };
        Ok(Url { origin, path: path.into(), query })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the host with its port, unless that is the default one.
    pub(super) fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Refuses a path that another server could resolve to another one.
    pub(super) fn check_path(&self) -> Result<(), InvalidUrl> {
        let path = self.path.to_ascii_lowercase();
        if ["%2f", "%5c", "%25"].into_iter().any(|escape| path.contains(escape)) {
            return Err(InvalidUrl::Traversal);
        }
        // Some servers cut the parameters of a segment off before they resolve it.
        let names = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
        let mut names = names.map(|name| name.replace("%2e", "."));
        if names.any(|name| name == "." || name == "..") { Err(InvalidUrl::Traversal) } else { Ok(()) }
    }
}

/// Returns `host[:port]` in lower case, without the default port.
fn host(authority: &str, default_port: u16) -> Result<String, InvalidUrl> {
    if authority.contains('@') {
        return Err(InvalidUrl::UserInfo);
    }
    let end = authority.find(']').map_or(0, |end| end.saturating_add(1));
    let (bracketed, rest) = authority.split_at(end);
    let (name, port) = match rest.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (rest, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let host = match bracketed.strip_prefix('[').and_then(|address| address.strip_suffix(']')) {
        Some(address) if name.is_empty() => {
            let address: core::net::Ipv6Addr = address.parse().map_err(|_| InvalidUrl::Host)?;
            ["[", &address.to_string(), "]"].concat()
        }
        None if bracketed.is_empty() && !name.is_empty() && name.bytes().all(is_name) => name.to_ascii_lowercase(),
        Some(_) | None => return Err(InvalidUrl::Host),
    };
    match port {
        None | Some("") => Ok(host),
        Some(port) => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = port.parse().ok().filter(|_| digits).ok_or(InvalidUrl::Host)?;
            if number == default_port { Ok(host) } else { Ok([&host, ":", &number.to_string()].concat()) }
        }
    }
}
