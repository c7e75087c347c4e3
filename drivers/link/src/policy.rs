use std::str::FromStr;

use tungstenite::http::{Uri, uri::Authority};

/// Which `Host` a request may name.
///
/// A web page can point a name of its own at any address (DNS rebinding) and so reach a server that trusts its network;
/// what it cannot do is send a `Host` other than that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// Any. For a server behind a proxy that checks, or one that trusts no network.
    Any,
    /// `localhost`, `127.0.0.0/8` and `[::1]`, any port. For a server that listens on loopback.
    Loopback,
    /// These names only.
    List(Vec<AllowedHost>),
}

/// A host of a [`HostPolicy::List`]: `agents.example`, `10.0.0.7`, `[fd00::7]` with any port, `agents.example:7777`
/// with that port only. Parsed from its text; case and a final dot do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

/// Which web pages may connect. Programs other than browsers send no `Origin` and are always let through: nothing a page
/// does can leave it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Any page.
    Any,
    /// No page: a request with an `Origin` is refused. The default.
    NoneOnly,
    /// Pages served under the host and port that the request names.
    SameHost,
    /// Pages of these origins only.
    List(Vec<AllowedOrigin>),
}

/// An origin of an [`OriginPolicy::List`]: `https://console.example`, `http://localhost:3000`. Parsed from its text; case
/// and the scheme's default port do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// A text that is no host or no origin, and so could never match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// See [`AllowedHost`].
    #[error("{0:?} is not a host like `agents.example`, `10.0.0.7:7777` or `[::1]`")]
    Host(String),
    /// See [`AllowedOrigin`].
    #[error("{0:?} is not an origin like `https://console.example`")]
    Origin(String),
}

impl HostPolicy {
    /// A [`HostPolicy::List`] of texts.
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
    /// An [`OriginPolicy::List`] of texts.
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
