use tungstenite::{
    handshake::{
        client::{Response, generate_key},
        derive_accept_key,
    },
    http::{
        HeaderMap, StatusCode, Uri,
        header::{self, HeaderName, HeaderValue},
    },
};

use crate::{
    event::{Cause, Closed, code},
    head::{Head, HeadError},
    options::LinkOptions,
    policy::{AllowedHost, default_port},
    tls::is_alert,
};

/// Where a client connects to, and with what request.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The maximum size of the response's head in bytes, including the final empty line. Default: 16 KiB.
    pub max_head: usize,
    /// The options of the connection after the upgrade.
    pub link: LinkOptions,
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    target: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a URL cannot be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// The text is not a URL, or not ASCII.
    #[error("{0:?} is not a URL like `ws://127.0.0.1:7777/arcp`")]
    Syntax(String),
    /// The scheme is neither `ws` nor `wss`.
    #[error("the URL's scheme is {0:?}; only `ws` and `wss` can be connected to")]
    Scheme(String),
    /// The URL contains a user name or a password. They would not be sent, because ARCP authenticates in its hello
    /// (§6.1).
    #[error("the URL holds a user name; authenticate by the token of the session instead")]
    UserInfo,
}

/// Why a header cannot be sent with the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// The name is not a valid HTTP header name.
    #[error("{0:?} is not the name of an HTTP header")]
    Name(String),
    /// The value contains characters that cannot be sent. The error does not show it, because it may be a secret.
    #[error("the value for the HTTP header {0:?} holds characters that cannot be sent")]
    Value(String),
    /// The header is one that the upgrade sets itself, or must not contain.
    #[error("the HTTP header {0:?} belongs to the upgrade and cannot be set")]
    Reserved(String),
}

impl ClientOptions {
    /// Returns the default options for a `ws://` or `wss://` URL. Its path is used unchanged; a fragment is dropped.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let syntax = || InvalidUrl::Syntax(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| syntax())?;
        let scheme = uri.scheme_str().ok_or_else(syntax)?.to_ascii_lowercase();
        let tls = match scheme.as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(InvalidUrl::Scheme(scheme)),
        };
        let authority = uri.authority().ok_or_else(syntax)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        AllowedHost::of(authority).ok_or_else(syntax)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            max_head: 16 * 1024,
            link: LinkOptions::default(),
            tls,
            host: host.to_owned(),
            port: authority.port_u16().or(default_port(&scheme)).ok_or_else(syntax)?,
            authority: authority.to_string(),
            target: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            headers: Vec::new(),
        })
    }

    /// Adds a header to the request, for example `Origin` or one that a proxy requires.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        let name = HeaderName::try_from(name).map_err(|_| InvalidHeader::Name(name.to_owned()))?;
        let reserved =
            [header::HOST, header::CONNECTION, header::UPGRADE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
        if reserved.contains(&name) || name.as_str().starts_with("sec-websocket-") {
            return Err(InvalidHeader::Reserved(name.to_string()));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| InvalidHeader::Value(name.to_string()))?;
        value.set_sensitive(true);
        self.headers.push((name, value));
        Ok(self)
    }

    /// Returns whether the connection must use TLS: the scheme is `wss`.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Returns the host name or address to connect to; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the TCP port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn request(&self, key: &str) -> Vec<u8> {
        let mut request = format!(
            "GET {} HTTP/1.1\r\n\
             Host: {}\r\n\
             Connection: Upgrade\r\n\
             Upgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n",
            self.target, self.authority,
        )
        .into_bytes();
        for (name, value) in &self.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                request.extend_from_slice(part);
            }
        }
        request.extend_from_slice(b"\r\n");
        request
    }
}

/// An upgrade that was requested and waits for the server's response.
pub(crate) struct Awaited {
    pub(crate) link: LinkOptions,
    head: Head,
    accept: String,
}

impl Awaited {
    /// Appends the request to `out`.
    pub(crate) fn new(options: &ClientOptions, out: &mut Vec<u8>) -> Self {
        let key = generate_key();
        out.extend_from_slice(&options.request(&key));
        Self { link: options.link, head: Head::new(options.max_head), accept: derive_accept_key(key.as_bytes()) }
    }

    /// Returns the length of the response's head if the response is complete and upgrades the connection, and `None` if
    /// it is incomplete.
    pub(crate) fn poll(&mut self, received: &[u8]) -> Result<Option<usize>, Closed> {
        match is_alert(received) {
            None => return Ok(None),
            Some(true) => {
                return Err(Closed::new(Cause::Tls, code::PROTOCOL, "the server seems to speak TLS at this port"));
            }
            Some(false) => {}
        }
        let found = self.head.find::<Response>(received).map_err(|error| {
            fault(match error {
                HeadError::TooLong => "the header of the server's answer is too long",
                HeadError::Malformed | HeadError::WrongMethod | HeadError::OldVersion => {
                    "the server's answer is not HTTP/1.1"
                }
            })
        })?;
        let Some((head, response)) = found else {
            return Ok(None);
        };
        self.check(response.status(), response.headers())?;
        Ok(Some(head))
    }

    /// Performs the checks that RFC 6455 §4.1 requires of a client.
    fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Closed> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let cause = Cause::Refused { status: status.as_u16() };
            return Err(Closed::new(cause, code::ABNORMAL, format!("the server answered HTTP {status}")));
        }
        if !has_token(headers, &header::UPGRADE, "websocket") || !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err(fault("the server switched to another protocol than WebSocket"));
        }
        if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != self.accept) {
            return Err(fault("the server's Sec-WebSocket-Accept does not belong to the request"));
        }
        if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS)
            || headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL)
        {
            return Err(fault("the server chose an extension or a subprotocol that was not offered"));
        }
        Ok(())
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn fault(reason: &str) -> Closed {
    Closed::new(Cause::Fault, code::PROTOCOL, reason)
}
