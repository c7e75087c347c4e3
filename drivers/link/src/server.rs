use std::sync::Arc;

use tungstenite::{
    Error,
    error::ProtocolError,
    handshake::server::{Request as HttpRequest, create_response, write_response},
    http::{
        HeaderMap, HeaderValue, Response,
        header::{self, HeaderName},
        uri::Authority,
    },
};

use crate::{
    event::Request,
    forwarded::Forwarded,
    head::Head,
    options::LinkOptions,
    policy::{AllowedHost, DialectCheck, HostPolicy, OriginPolicy},
    refusal::Refusal,
};

/// Which upgrade requests a server accepts. One value, behind an [`Arc`], serves all connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// The exact path of the endpoint. Of a query, only the parameter `dialect` is read. Default: `/arcp` (core/docs/arcp.md §4).
    pub path: String,
    /// Which `Host` headers are accepted. There is no default, because it depends on where the server listens.
    pub hosts: HostPolicy,
    /// Which web pages may connect. Default: none.
    pub origins: OriginPolicy,
    /// Which dialects a request may ask for in its query. Default: any.
    pub dialects: DialectCheck,
    /// The maximum size of the request's head in bytes, including the final empty line. Default: 16 KiB.
    pub max_head: usize,
    /// The options of the connection after the upgrade.
    pub link: LinkOptions,
}

impl ServerOptions {
    /// Returns the default options with this policy on hosts.
    pub fn new(hosts: HostPolicy) -> Self {
        Self {
            path: "/arcp".to_owned(),
            hosts,
            origins: OriginPolicy::NoneOnly,
            dialects: DialectCheck::ANY,
            max_head: 16 * 1024,
            link: LinkOptions::default(),
        }
    }
}

/// An upgrade that waits for the client's request.
pub(crate) struct Upgrade {
    pub(crate) options: Arc<ServerOptions>,
    head: Head,
}

/// A request that was accepted, and the length of its head.
pub(crate) struct Accepted {
    pub(crate) request: Request,
    pub(crate) head: usize,
}

impl Upgrade {
    pub(crate) fn new(options: Arc<ServerOptions>) -> Self {
        let head = Head::new(options.max_head);
        Self { options, head }
    }

    /// Reads the request once it is complete, and appends the response to `out`.
    pub(crate) fn poll(&mut self, received: &[u8], out: &mut Vec<u8>) -> Result<Option<Accepted>, Refusal> {
        let answered = self.answer(received, out);
        if let Err(refusal) = &answered {
            refusal.write(out);
        }
        answered
    }

    fn answer(&mut self, received: &[u8], out: &mut Vec<u8>) -> Result<Option<Accepted>, Refusal> {
        let Some((head, http)) = self.head.find::<HttpRequest>(received)? else {
            return Ok(None);
        };
        let (request, response) = self.options.answer(&http, Some(&self.options.path))?;
        write_response(out, &response).map_err(|_| Refusal::Malformed)?;
        Ok(Some(Accepted { request, head }))
    }
}

impl ServerOptions {
    /// Checks an upgrade request that a web framework has read, and returns the response to send. A [`Refusal`] has [a
    /// response](Refusal::response) of its own. The path is not checked, because the framework has routed the request.
    pub fn upgrade(&self, http: &HttpRequest) -> Result<(Request, Response<()>), Refusal> {
        self.answer(http, None)
    }

    fn answer(&self, http: &HttpRequest, path: Option<&str>) -> Result<(Request, Response<()>), Refusal> {
        let request = self.check(http, path)?;
        let mut response = create_response(http).map_err(|error| refusal_of(&error))?;
        if let Some(subprotocol) = &request.subprotocol {
            let value = HeaderValue::from_str(subprotocol).map_err(|_| Refusal::Malformed)?;
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        Ok((request, response))
    }

    fn check(&self, http: &HttpRequest, path: Option<&str>) -> Result<Request, Refusal> {
        let named: Authority = single(http.headers(), &header::HOST)?
            .ok_or(Refusal::Malformed)?
            .parse()
            .map_err(|_| Refusal::Malformed)?;
        // RFC 9112 §3.2.2: the host of an absolute target takes precedence over the header.
        let named = http.uri().authority().unwrap_or(&named);
        let host = AllowedHost::of(named).ok_or(Refusal::Malformed)?;
        let origin = single(http.headers(), &header::ORIGIN)?;
        let target = http.uri().path_and_query().ok_or(Refusal::Path)?;

        if !self.hosts.allows(&host) {
            return Err(Refusal::Host);
        }
        if !self.origins.allows(origin, &host) {
            return Err(Refusal::Origin);
        }
        if path.is_some_and(|path| target.path() != path) {
            return Err(Refusal::Path);
        }
        if has_body(http.headers()) {
            return Err(Refusal::Body);
        }
        let request = Request {
            target: target.to_string(),
            host: named.to_string(),
            origin: origin.map(str::to_owned),
            subprotocol: subprotocol(http.headers()),
            forwarded: Forwarded::of(http.headers()),
        };
        if request.dialect().is_some_and(|dialect| !self.dialects.allows(dialect)) {
            return Err(Refusal::Dialect);
        }
        Ok(request)
    }
}

/// Returns the value of a header that may occur once. Several values, or one that is not visible ASCII, are malformed.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map_err(|_| Refusal::Malformed)).transpose()?;
    if values.next().is_some() { Err(Refusal::Malformed) } else { Ok(value) }
}

/// Returns whether a body follows the head (RFC 9112 §6.3).
fn has_body(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    headers.contains_key(header::TRANSFER_ENCODING) || lengths.into_iter().any(|length| length != "0")
}

/// Returns the subprotocol to choose. Clients that offer one may fail if none is chosen, and clients fail if one is
/// chosen that they did not offer.
fn subprotocol(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .find(|offered| offered.starts_with("arcp"))
        .map(str::to_owned)
}

fn refusal_of(error: &Error) -> Refusal {
    match error {
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            // RFC 9110 §7.8: `Upgrade` in an HTTP/1.0 request is to be ignored.
            | ProtocolError::WrongHttpVersion,
        ) => Refusal::NoUpgrade,
        Error::Protocol(ProtocolError::WrongHttpMethod) => Refusal::Method,
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => Refusal::Version,
        _ => Refusal::Malformed,
    }
}
