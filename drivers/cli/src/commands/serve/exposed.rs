//! Ports that other machines reach without encryption or a password.

use std::net::SocketAddr;

use super::addresses::Addresses;
use super::settings::Settings;

/// Returns a warning for each port that is open to other machines and protects less than they may expect.
pub(super) fn warnings(settings: &Settings, addresses: &Addresses) -> Vec<String> {
    let is_plain = !settings.security.has_tls() && !settings.behind_proxy;
    let ports = [
        (
            is_plain && is_public(&addresses.listen),
            "other machines can connect without TLS, so tokens and jobs cross the network unencrypted; give --tls-cert and \
             --tls-key, or use a proxy with TLS",
        ),
        (is_public(&addresses.metrics), "other machines can read the metrics, which no password protects"),
        (
            is_plain && is_public(&addresses.console),
            "other machines can open the console without TLS, so tokens cross the network unencrypted; give --tls-cert and \
             --tls-key, or use a proxy with TLS",
        ),
    ];
    ports
        .into_iter()
        .filter(|(is_exposed, _)| *is_exposed)
        .map(|(_, text)| format!("nuncio: warning: {text}"))
        .collect()
}

fn is_public(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| !address.ip().to_canonical().is_loopback())
}
