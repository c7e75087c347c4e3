//! Where a request goes: origins, and the base URLs of services.

use std::fmt;

use nuncio_link::http::Uri;

/// Why a text is not the URL of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// It is not a URL.
    #[error("it is not a URL")]
    Malformed,
    /// It does not begin with `http://` or `https://`.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// It has a user name or a password.
    #[error("it must not have a user name or a password")]
    UserInfo,
    /// Its host or port is missing or malformed.
    #[error("its host or port is missing or malformed")]
    Host,
    /// It has a query or a fragment.
    #[error("it must not have a query or a fragment")]
    Query,
    /// It is `http://` to another host than this one, where production requires TLS.
    #[error("production requires https:// for hosts other than this one")]
    Insecure,
}

/// A scheme, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    /// A name or an IP address, without the brackets of IPv6, in lower case.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    pub(crate) fn of(uri: &Uri) -> Result<Origin, InvalidEndpoint> {
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(InvalidEndpoint::Scheme),
        };
        let authority = uri.authority().ok_or(InvalidEndpoint::Host)?;
        if authority.as_str().contains('@') {
            return Err(InvalidEndpoint::UserInfo);
        }
        let port = match (authority.port_u16(), authority.as_str().rsplit_once(':')) {
            (Some(0), _) => return Err(InvalidEndpoint::Host),
            (Some(port), _) => port,
            // A port that is no number, or too large.
            (None, Some((_, port))) if !port.ends_with(']') => return Err(InvalidEndpoint::Host),
            (None, _) => [80, 443][usize::from(is_tls)],
        };
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(InvalidEndpoint::Host);
        }
        Ok(Origin { is_tls, host: host.to_ascii_lowercase(), port })
    }

    /// Returns whether the host is this one.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { is_tls, host, port } = self;
        let scheme = ["http", "https"][usize::from(*is_tls)];
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

/// The base URL of a service, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    base: String,
    pub(crate) origin: Origin,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Endpoint, InvalidEndpoint> {
        if text.contains(['?', '#']) {
            return Err(InvalidEndpoint::Query);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidEndpoint::Malformed)?;
        let origin = Origin::of(&uri)?;
        Ok(Endpoint { base: text.trim_end_matches('/').to_owned(), origin })
    }

    /// Returns whether the URL ends with a path.
    #[cfg(feature = "jwt")]
    pub(crate) fn ends_with(&self, path: &str) -> bool {
        self.base.ends_with(path)
    }

    /// Returns the URL of a path of the service, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        [&self.base, path].concat()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_its_path_and_loses_its_last_slash() {
        for (base, url, origin) in [
            ("http://localhost:4000", "http://localhost:4000/x", "http://localhost:4000"),
            ("http://localhost:4000/", "http://localhost:4000/x", "http://localhost:4000"),
            ("https://A.example/base/", "https://A.example/base/x", "https://a.example:443"),
            ("http://[::1]", "http://[::1]/x", "http://[::1]:80"),
            ("http://[::1]:81", "http://[::1]:81/x", "http://[::1]:81"),
        ] {
            let endpoint = Endpoint::parse(base).unwrap();
            assert_eq!((endpoint.url("/x").as_str(), endpoint.origin.to_string().as_str()), (url, origin));
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for (text, fault) in [
            ("", InvalidEndpoint::Malformed),
            ("localhost:4000", InvalidEndpoint::Scheme),
            ("/path", InvalidEndpoint::Scheme),
            ("ftp://host", InvalidEndpoint::Scheme),
            ("http://user:secret@host", InvalidEndpoint::UserInfo),
            ("http://host:0", InvalidEndpoint::Host),
            ("http://host:99999", InvalidEndpoint::Host),
            ("http://host/?x", InvalidEndpoint::Query),
            ("http://host/#x", InvalidEndpoint::Query),
        ] {
            assert_eq!(Endpoint::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_host() {
        let is_loopback = |text: &str| Endpoint::parse(text).unwrap().origin.is_loopback();
        assert!(is_loopback("http://localhost:1") && is_loopback("http://127.0.0.2") && is_loopback("http://[::1]"));
        assert!(!is_loopback("http://localhost.example") && !is_loopback("http://10.0.0.1"));
    }
}
