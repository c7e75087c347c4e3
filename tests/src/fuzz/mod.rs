//! The bodies of the fuzz targets, which libFuzzer and `cargo test` both run.
//!
//! A body accepts any bytes and panics if the property it tests does not hold.
#![expect(clippy::missing_panics_doc, reason = "a body panics to report a failure")]

mod amounts;
mod canonical;
mod cap;
mod caracal;
mod client;
mod envelope;
mod http1;
mod ids;
mod lease;
mod lines;
mod link;
mod nats;
mod resp;
mod restore;
mod round_trip;
mod runtime;
mod simulation;
mod texts;

pub use amounts::amounts;
pub use canonical::canonical;
pub use cap::{cap_client, cap_packet, cap_router, cap_simulation, cap_verify, cap_worker};
pub use caracal::{caracal_answers, caracal_baggage, caracal_coordinator, caracal_headers, caracal_simulation};
pub use client::client_frames;
pub use envelope::envelope;
pub use http1::http1_bytes;
pub use lease::lease_inclusion;
pub use lines::lines;
pub use link::link_bytes;
pub use nats::{nats_bytes, nats_server_bytes};
pub use resp::{resp_bytes, resp_server_bytes};
pub use restore::restore_records;
pub use round_trip::round_trip;
pub use runtime::runtime_frames;
pub use simulation::simulation;
pub use texts::texts;

/// The name of a target, which is also that of its seeds and its program, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 28] = [
    ("amounts", amounts),
    ("canonical", canonical),
    ("cap_client", cap_client),
    ("cap_packet", cap_packet),
    ("cap_router", cap_router),
    ("cap_simulation", cap_simulation),
    ("cap_verify", cap_verify),
    ("cap_worker", cap_worker),
    ("caracal_answers", caracal_answers),
    ("caracal_baggage", caracal_baggage),
    ("caracal_coordinator", caracal_coordinator),
    ("caracal_headers", caracal_headers),
    ("caracal_simulation", caracal_simulation),
    ("client_frames", client_frames),
    ("envelope", envelope),
    ("http1_bytes", http1_bytes),
    ("lease_inclusion", lease_inclusion),
    ("lines", lines),
    ("link_bytes", link_bytes),
    ("nats_bytes", nats_bytes),
    ("nats_server_bytes", nats_server_bytes),
    ("resp_bytes", resp_bytes),
    ("resp_server_bytes", resp_server_bytes),
    ("restore_records", restore_records),
    ("round_trip", round_trip),
    ("runtime_frames", runtime_frames),
    ("simulation", simulation),
    ("texts", texts),
];
