//! The requests of a session, and how they describe its worker.

use crate::cap::wire::handshake::{ComponentRole, Handshake};
use crate::cap::wire::packet::PROTOCOL_VERSION;
use crate::cap::wire::subject::ComponentId;
use crate::cap::wire::trust::{WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest};

/// What a reply is awaited for.
#[derive(Clone, Debug)]
pub(super) enum Exchange {
    /// A challenge was asked for.
    Asked(WorkerHandshakeChallengeRequest),
    /// The challenge was answered.
    Answered(WorkerHandshakeChallenge),
}

/// Fills in what the trust handshake requires of a capability.
pub(super) fn capability(capability: Handshake, worker: &ComponentId, sdk_version: &str) -> Handshake {
    Handshake {
        component_id: worker.as_str().into(),
        role: ComponentRole::WORKER,
        supported_versions: alloc::vec![PROTOCOL_VERSION],
        sdk_version: sdk_version.into(),
        ..capability
    }
}
