//! The recorded packets.

use serde::Deserialize;

/// A packet of the Python SDK.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fixture {
    /// What it shows. It must be accepted if it begins with `pos_`, rejected with `neg_`.
    pub(crate) name: String,
    /// The subject that it was published on.
    pub(crate) subject: Option<String>,
    /// When it was signed, in seconds since the Unix epoch.
    #[cfg(feature = "p256")]
    pub(crate) signed_at: Option<u64>,
    packet_hex: String,
    unsigned_hex: Option<String>,
    /// The names of the keys that its signature verifies with.
    #[cfg(feature = "p256")]
    #[serde(default)]
    pub(crate) verifies_with: Vec<String>,
}

impl Fixture {
    /// The packet as it was sent.
    pub(crate) fn packet(&self) -> Vec<u8> {
        bytes(&self.packet_hex)
    }

    /// The packet without its signature, as the Python SDK encodes it again; absent if it cannot be decoded.
    pub(crate) fn unsigned(&self) -> Option<Vec<u8>> {
        self.unsigned_hex.as_deref().map(bytes)
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().map(|digit| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn read(lines: &str) -> Vec<Fixture> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Packets made to show one thing each, by the Python SDK 2.10.0.
pub(crate) fn offline() -> Vec<Fixture> {
    read(include_str!("fixtures/offline-210.jsonl"))
}

/// The packet of a name among [`offline`].
pub(crate) fn named(name: &str) -> Fixture {
    offline().into_iter().find(|fixture| fixture.name == name).unwrap_or_else(|| panic!("there is no fixture {name}"))
}

/// The packets of four conversations between the Python SDKs.
pub(crate) fn live() -> Vec<Fixture> {
    [
        include_str!("fixtures/live-210.jsonl"),
        include_str!("fixtures/live-217.jsonl"),
        include_str!("fixtures/live-c210-w217.jsonl"),
        include_str!("fixtures/live-c217-w210.jsonl"),
    ]
    .into_iter()
    .flat_map(read)
    .collect()
}

/// The packets of the conversation in which both sides are of version 2.17.0.
pub(crate) fn live_217() -> Vec<Fixture> {
    read(include_str!("fixtures/live-217.jsonl"))
}

/// Packets of the worker trust handshake, by the Python SDK 2.17.0.
#[cfg(feature = "p256")]
pub(crate) fn trust() -> Vec<Fixture> {
    read(include_str!("fixtures/trust-217.jsonl"))
}

/// Packets of the production profile, by the Python SDK 2.17.0. They expire two minutes after `signed_at`.
#[cfg(feature = "p256")]
pub(crate) fn production(name: &str) -> Fixture {
    let packets = read(include_str!("fixtures/production-217.jsonl"));
    packets.into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// All packets of conversations and examples.
pub(crate) fn all() -> Vec<Fixture> {
    let all = [offline(), live()].concat();
    assert!(all.len() > 130, "only {} packets", all.len());
    all
}
