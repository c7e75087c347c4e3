//! Reads and writes the packets of a worker, in the generic form or in the form of the production profile.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::capability::handshake;
use super::config::{WorkerConfig, WorkerTrust};
use super::output::RefusedPacket;
use crate::cap::signature::generic::{Authentication, Reading, Sealed, open, seal};
use crate::cap::signature::profile::{ProductionPackets, Seal};
use crate::cap::signature::rejection::Unsignable;
use crate::cap::trust::session::TrustSession;
use crate::cap::trust::settings::{TrustMode, TrustSettings};
use crate::cap::wire::common::IdentityBinding;
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::Subject;
use crate::digest::sha256;
use crate::random::Random;
use crate::time::Time;

/// How packets are read and written.
#[derive(Clone, Debug)]
pub(super) enum Profile {
    /// In the generic form.
    Generic(Box<Reading>),
    /// Job packets in the form of the production profile, everything else in the generic form.
    Production { trust: Arc<TrustSettings>, packets: ProductionPackets },
}

impl Profile {
    pub(super) fn new(config: &WorkerConfig) -> Profile {
        // With trust, only the scheduler is believed, whose signature is that of its pinned keys.
        let pinned = |trust: &TrustSettings| {
            let reading = config.reading.clone();
            Reading { authentication: Authentication::Signed(trust.pins().clone()), ..reading }
        };
        match &config.trust {
            WorkerTrust::Off => Profile::Generic(Box::new(config.reading.clone())),
            WorkerTrust::Warn(trust) | WorkerTrust::Enforce(trust) => Profile::Generic(Box::new(pinned(trust))),
            WorkerTrust::Production(trust, terms) => {
                Profile::Production { trust: Arc::clone(trust), packets: ProductionPackets::new(*terms) }
            }
        }
    }

    /// Returns the bytes of the packets that are remembered.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Profile::Generic(_) => 0,
            Profile::Production { packets, .. } => packets.bytes(),
        }
    }

    /// Opens a packet that was received on a subject. Returns `None` for one that came before, which has no effect.
    pub(super) fn open(
        &mut self,
        subject: &Subject,
        bytes: &[u8],
        config: &WorkerConfig,
        wall: Time,
    ) -> Result<Option<BusPacket>, RefusedPacket> {
        match self {
            Profile::Generic(reading) => Ok(Some(open(bytes, reading, &*config.verifier)?)),
            Profile::Production { trust, packets } => {
                let names = trust.names();
                let peer = |sender: &str| {
                    (sender == names.scheduler_id).then_some((names.tenant_id.as_str(), trust.scheduler_keys()))
                };
                let is_assigned = |packet: &BusPacket| {
                    let Some(Payload::JobRequest(request)) = &packet.payload else { return Ok(()) };
                    let assigned = request.dispatch.as_ref().map_or("", |dispatch| &dispatch.assigned_worker_id);
                    let is_own = assigned.is_empty() || assigned == config.id.as_str();
                    if is_own { Ok(()) } else { Err(RefusedPacket::Assigned) }
                };
                packets.open(subject, bytes, wall, &*config.verifier, peer, is_assigned)
            }
        }
    }

    /// Returns the identity that results repeat: the one that was verified.
    pub(super) fn identity(&self, packet: &BusPacket) -> Option<IdentityBinding> {
        match self {
            Profile::Generic(_) => None,
            Profile::Production { .. } => packet.identity.clone(),
        }
    }

    /// Seals a packet for a subject.
    pub(super) fn seal(
        &self,
        packet: BusPacket,
        subject: &Subject,
        config: &WorkerConfig,
        random: &mut Random,
        wall: Time,
    ) -> Result<Sealed, Unsignable> {
        let identity = match &packet.payload {
            Some(Payload::JobResult(result)) => result.identity.clone(),
            Some(Payload::JobProgress(progress)) => progress.identity.clone(),
            _ => None,
        };
        match (self, identity) {
            (Profile::Production { trust, packets }, Some(identity)) => {
                let (key_id, map_order) = (trust.names().proof_key_id.as_str(), config.map_order);
                let key = Seal { key_id, signer: trust.proof(), map_order };
                packets.seal(packet, subject, identity, key, random, wall)
            }
            _ => seal(packet, config.map_order, config.signer.as_deref()),
        }
    }
}

/// Returns the trust session that the settings ask for.
pub(super) fn trust_session(config: &WorkerConfig, seed: [u8; 32], now: Time) -> Option<TrustSession> {
    let (mode, settings) = match &config.trust {
        WorkerTrust::Off => return None,
        WorkerTrust::Warn(settings) => (TrustMode::Warn, settings),
        WorkerTrust::Enforce(settings) | WorkerTrust::Production(settings, _) => (TrustMode::Enforce, settings),
    };
    // The session has randomness of its own.
    let seed = sha256(&[&seed[..], b"trust"].concat());
    let (settings, verifier) = (Arc::clone(settings), Arc::clone(&config.verifier));
    Some(TrustSession::new(mode, settings, verifier, config.id.clone(), handshake(config, true), seed, now))
}
