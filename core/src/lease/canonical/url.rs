//! The canonical form of URLs and of URL patterns.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::error::CanonicalError;

/// Returns the canonical form of a URL.
pub(super) fn target(text: &str) -> Result<String, CanonicalError> {
    canonicalise(text, Kind::Target)
}

/// Returns the canonical form of a URL pattern.
pub(super) fn pattern(text: &str) -> Result<String, CanonicalError> {
    if text == "**" { Ok(text.into()) } else { canonicalise(text, Kind::Pattern) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Target,
    Pattern,
}

impl Kind {
    /// Returns whether this part of a text contains a wildcard.
    fn is_wild(self, part: &str) -> bool {
        self == Kind::Pattern && part.contains('*')
    }
}

fn canonicalise(text: &str, kind: Kind) -> Result<String, CanonicalError> {
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err(CanonicalError::ForbiddenCharacter);
    }
    if text.contains('#') {
        return Err(CanonicalError::Fragment);
    }
    let (scheme, rest) = text.split_once("://").ok_or(CanonicalError::NoScheme)?;
    let scheme = canonical_scheme(scheme, kind)?;
    let (hierarchy, query) = match rest.split_once('?') {
        Some((hierarchy, query)) => (hierarchy, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match hierarchy.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (hierarchy, None),
    };
    let mut out = scheme;
    let default_port = default_port(&out);
    out.push_str("://");
    match (authority, path, query) {
        // A `**` for the whole authority: there is no host to check. Alone, it also covers every path.
        ("**", None, None) if kind == Kind::Pattern => {
            out.push_str(authority);
            return Ok(out);
        }
        ("**", Some(_), _) if kind == Kind::Pattern => out.push_str(authority),
        // The `**` of `https://**?q` is part of a longer segment and means `*`; it must not become a segment by itself.
        ("**", None, Some(_)) if kind == Kind::Pattern => out.push('*'),
        (_, _, _) => push_authority(&mut out, authority, default_port, kind)?,
    }
    push_path(&mut out, path.unwrap_or_default(), kind)?;
    if let Some(query) = query {
        out.push('?');
        out.push_str(&decode_unreserved(query)?.replace('/', "%2f"));
    }
    Ok(out)
}

fn canonical_scheme(scheme: &str, kind: Kind) -> Result<String, CanonicalError> {
    let wildcard = |char| kind == Kind::Pattern && char == '*';
    let first = |char: char| char.is_ascii_alphabetic() || wildcard(char);
    let other = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.') || wildcard(char);
    if scheme.starts_with(first) && scheme.chars().all(other) {
        Ok(scheme.to_ascii_lowercase())
    } else {
        Err(CanonicalError::NoScheme)
    }
}

/// Returns the default port of a scheme. The schemes that have one also require a host.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

fn push_authority(
    out: &mut String,
    authority: &str,
    default_port: Option<u16>,
    kind: Kind,
) -> Result<(), CanonicalError> {
    if authority.contains('@') {
        return Err(CanonicalError::UserInfo);
    }
    let authority = decode_unreserved(authority)?.to_ascii_lowercase();
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']').ok_or(CanonicalError::Host)?;
        (canonical_address(address, kind)?, port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (canonical_name(host, kind)?.into(), port)
    };
    if host.is_empty() && (default_port.is_some() || !port.is_empty()) {
        return Err(CanonicalError::Host);
    }
    out.push_str(&host);
    let port = match port {
        "" => return Ok(()),
        given => given.strip_prefix(':').ok_or(CanonicalError::Host)?,
    };
    if kind.is_wild(port) {
        if !port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*') {
            return Err(CanonicalError::Port);
        }
        out.push(':');
        out.push_str(port);
        return Ok(());
    }
    match canonical_port(port)? {
        kept @ Some(number) if kept != default_port => {
            out.push(':');
            out.push_str(&number.to_string());
        }
        _ if kind == Kind::Pattern && host.ends_with('*') => {
            return Err(CanonicalError::WidenedHost);
        }
        _ => {}
    }
    Ok(())
}

/// Parses a port without wildcards; an empty one, which means the default, is `None`.
fn canonical_port(port: &str) -> Result<Option<u16>, CanonicalError> {
    if port.is_empty() {
        return Ok(None);
    }
    // `u16::from_str` would accept a leading `+`.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CanonicalError::Port);
    }
    port.parse().map(Some).map_err(|_| CanonicalError::Port)
}

fn canonical_address(address: &str, kind: Kind) -> Result<String, CanonicalError> {
    let canonical = if kind.is_wild(address) {
        let plausible = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'*');
        if !address.bytes().all(plausible) {
            return Err(CanonicalError::Host);
        }
        address.to_string()
    } else {
        address.parse::<Ipv6Addr>().map_err(|_| CanonicalError::Host)?.to_string()
    };
    Ok(["[", &canonical, "]"].concat())
}

fn canonical_name(host: &str, kind: Kind) -> Result<&str, CanonicalError> {
    let name = match host.strip_suffix('.') {
        Some(name) if kind == Kind::Pattern && name.ends_with('*') => {
            return Err(CanonicalError::WidenedHost);
        }
        Some("") => return Err(CanonicalError::Host),
        Some(name) => name,
        None => host,
    };
    let allowed = |byte: u8| is_unreserved(byte) || (byte == b'*' && kind == Kind::Pattern);
    if name.ends_with('.') || !name.bytes().all(allowed) {
        return Err(CanonicalError::Host);
    }
    Ok(name)
}

/// Appends the canonical form of a path, which is given without its leading `/`.
fn push_path(out: &mut String, path: &str, kind: Kind) -> Result<(), CanonicalError> {
    let path = decode_unreserved(path)?;
    if path.contains("%2f") || path.contains("%5c") {
        return Err(CanonicalError::EscapedSeparator);
    }
    let mut resolved: Vec<&str> = Vec::new();
    // A path that ends in a dot segment names a directory and keeps its trailing slash.
    let mut ends_in_dots = false;
    for segment in path.split('/') {
        ends_in_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => match resolved.pop() {
                Some(removed) if kind.is_wild(removed) => {
                    return Err(CanonicalError::ParentSegment);
                }
                Some(_) | None => {}
            },
            name => resolved.push(name),
        }
    }
    if ends_in_dots {
        resolved.push("");
    }
    out.push('/');
    out.push_str(&resolved.join("/"));
    Ok(())
}

/// Decodes the escapes of unreserved characters and writes all other escapes in lower case.
fn decode_unreserved(text: &str) -> Result<String, CanonicalError> {
    let mut parts = text.split('%');
    let mut out = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(CanonicalError::Escape)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(CanonicalError::Escape);
        }
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if is_unreserved(byte) => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push_str(&digits.to_ascii_lowercase());
            }
        }
        out.push_str(rest);
    }
    Ok(out)
}

/// Returns whether a byte is an unreserved character (RFC 3986 §2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
