//! What the headers of proxies say of a request.

use tungstenite::http::HeaderMap;

/// Headers that proxies add. One of them is enough to show that a request has come by a proxy.
const OF_PROXIES: [&str; 13] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "front-end-https",
    "x-real-ip",
    "x-client-ip",
    "cf-connecting-ip",
];

/// What the headers of proxies say of the way of a request to the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Each header that names a protocol names `https` or `wss` for each hop, and there is one.
    Tls,
    /// Some hop is not encrypted, or nothing is said of it.
    Unknown,
}

impl Forwarded {
    /// Reads the headers. `None` means that there are none of a proxy.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Forwarded> {
        if !OF_PROXIES.iter().any(|name| headers.contains_key(*name)) {
            return None;
        }
        let hops = |name: &str| {
            let values = headers.get_all(name).iter();
            values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect::<Vec<_>>()
        };
        let standard = hops("forwarded").into_iter().map(protocol_of);
        let usual = hops("x-forwarded-proto").into_iter();
        let protocols: Vec<&str> = standard.chain(usual).map(str::trim).collect();
        let is_encrypted = |name: &&str| name.eq_ignore_ascii_case("https") || name.eq_ignore_ascii_case("wss");
        let all = !protocols.is_empty() && protocols.iter().all(is_encrypted);
        Some(if all { Forwarded::Tls } else { Forwarded::Unknown })
    }
}

/// Returns the `proto` of one element of a `Forwarded` header (RFC 7239 §5.4); empty if it has none.
fn protocol_of(element: &str) -> &str {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut protocols = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("proto"));
    protocols.next().map(|(_, value)| value.trim().trim_matches('"')).unwrap_or_default()
}
