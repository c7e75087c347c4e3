use std::str::FromStr;

use tungstenite::http::{Uri, uri::Authority};

/// Which `Host` headers are accepted.
///
/// The check prevents DNS rebinding: the owner of a web page can make a domain resolve to any address, and so reach a
/// server that relies on its network for protection, but the browser then sends that domain as the `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// Any host. For a server behind a proxy that checks the host, or one that does not rely on its network for
    /// protection.
    Any,
    /// `localhost`, `127.0.0.0/8` and `[::1]`, any port. For a server that listens on loopback.
    Loopback,
    /// Only these hosts.
    List(Vec<AllowedHost>),
}

/// A host of a [`HostPolicy::List`], parsed from text. `agents.example`, `10.0.0.7` and `[fd00::7]` match any port;
/// `agents.example:7777` matches that port only. Case and a final dot are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

/// Which web pages may connect. A request without an `Origin` is always accepted: programs other than browsers send
/// none, and a web page cannot omit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Any page.
    Any,
    /// No page: a request with an `Origin` is refused. The default.
    NoneOnly,
    /// Pages served under the host and port that the request names.
    SameHost,
    /// Only pages of these origins.
    List(Vec<AllowedOrigin>),
}

/// An origin of an [`OriginPolicy::List`]: `https://console.example`, `http://localhost:3000`. It is parsed from text;
/// case and the scheme's default port are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// Which dialects a request may ask for in its query.
#[derive(Clone, Copy, Debug)]
pub struct DialectCheck(fn(&str) -> bool);

impl DialectCheck {
    /// Accepts any text.
    pub const ANY: Self = Self(|_| true);

    /// Accepts the texts for which the function returns true.
    pub const fn new(is_known: fn(&str) -> bool) -> Self {
        Self(is_known)
    }

    pub(crate) fn allows(self, dialect: &str) -> bool {
        (self.0)(dialect)
    }
}

impl PartialEq for DialectCheck {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for DialectCheck {}

/// Why a text is not a host or an origin. It could never match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// It is not an [`AllowedHost`].
    #[error("{0:?} is not a host like `agents.example`, `10.0.0.7:7777` or `[::1]`")]
    Host(String),
    /// It is not an [`AllowedOrigin`].
    #[error("{0:?} is not an origin like `https://console.example`")]
    Origin(String),
}

impl HostPolicy {
    /// Parses a [`HostPolicy::List`].
    pub fn list<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPolicy> {
        hosts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::List)
    }

    pub(crate) fn allows(&self, host: &AllowedHost) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => host.is_loopback(),
            Self::List(allowed) => {
                allowed.iter().any(|one| one.host == host.host && (one.port.is_none() || one.port == host.port))
            }
        }
    }
}

impl OriginPolicy {
    /// Parses an [`OriginPolicy::List`].
    pub fn list<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPolicy> {
        origins.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::List)
    }

    pub(crate) fn allows(&self, origin: Option<&str>, host: &AllowedHost) -> bool {
        let Some(origin) = origin else { return true };
        // `null`, the origin of a sandboxed page, does not parse.
        let parsed = origin.parse::<AllowedOrigin>().ok();
        match self {
            Self::Any => true,
            Self::NoneOnly => false,
            Self::SameHost => parsed.is_some_and(|origin| {
                origin.host == host.host && origin.port == host.port.or(default_port(&origin.scheme))
            }),
            Self::List(allowed) => parsed.is_some_and(|origin| allowed.contains(&origin)),
        }
    }
}

impl AllowedHost {
    /// The `Host` of a request, or of a URL.
    pub(crate) fn of(authority: &Authority) -> Option<Self> {
        let named = authority.as_str();
        let host = bare(authority.host());
        let port = match named.strip_prefix(authority.host())? {
            "" | ":" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        (!host.is_empty()).then_some(Self { host, port })
    }

    fn is_loopback(&self) -> bool {
        let unbracketed = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || unbracketed.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }
}

impl FromStr for AllowedHost {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let authority: Option<Authority> = text.parse().ok();
        authority.as_ref().and_then(Self::of).ok_or_else(|| InvalidPolicy::Host(text.to_owned()))
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let parse = || {
            let uri: Uri = text.parse().ok()?;
            let scheme = uri.scheme_str()?.to_ascii_lowercase();
            let host = AllowedHost::of(uri.authority()?)?;
            let port = host.port.or(default_port(&scheme));
            let bare = uri.path_and_query().is_none_or(|path| path == "/") && !text.ends_with('/');
            bare.then_some(Self { scheme, host: host.host, port })
        };
        parse().ok_or_else(|| InvalidPolicy::Origin(text.to_owned()))
    }
}

pub(crate) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

fn bare(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}
