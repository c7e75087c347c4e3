//! The production profile of one participant (2.17, spec/19): how it seals packets, and which packets it admits.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::generic::Sealed;
use super::host::{Signer, Verifier};
use super::key::Keyring;
use super::production::{Freshness, open_known, production_metadata, seal_production};
use super::rejection::{NotAdmitted, Rejection, Unsignable};
use super::replay::{Admission, ReplayWindow};
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::common::IdentityBinding;
use crate::cap::wire::packet::BusPacket;
use crate::cap::wire::subject::Subject;
use crate::random::Random;
use crate::time::Time;

/// How packets of the production profile are sent and admitted (2.17, spec/19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Production {
    /// For how long packets are valid, and how far clocks may differ.
    pub freshness: Freshness,
    /// Packets that are remembered, so that none is admitted twice: until they have expired, and after that until their
    /// place is needed. While this many packets have not expired, further packets are refused. Default: 100 000.
    pub replays: usize,
}

impl Default for Production {
    fn default() -> Production {
        Production { freshness: Freshness::default(), replays: 100_000 }
    }
}

/// Senders whose packets of the production profile are admitted: each with its tenant, and its keys by key id.
///
/// ```
/// use nuncio_core::cap::{Keyring, Peers, PublicKey};
///
/// # let key = PublicKey::from_sec1(&[4; 65])?;
/// let mut keys = Keyring::default();
/// keys.add("key-1", key)?;
/// let mut peers = Peers::default();
/// peers.add("client-1", "tenant-1", keys);
/// # Ok::<(), nuncio_core::cap::InvalidKey>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Peers(BTreeMap<String, (String, Keyring)>);

impl Peers {
    /// Adds a sender, in place of an earlier one with the same name.
    pub fn add(&mut self, sender: impl Into<String>, tenant_id: impl Into<String>, keys: Keyring) {
        self.0.insert(sender.into(), (tenant_id.into(), keys));
    }

    /// Returns the tenant and the keys of a sender.
    pub fn of(&self, sender: &str) -> Option<(&str, &Keyring)> {
        self.0.get(sender).map(|(tenant, keys)| (tenant.as_str(), keys))
    }
}

/// With which key a participant seals packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) signer: &'a dyn Signer,
    pub(crate) map_order: MapOrder,
}

/// The packets of the production profile that one participant admits and seals.
#[derive(Clone, Debug)]
pub(crate) struct ProductionPackets {
    freshness: Freshness,
    replays: ReplayWindow,
}

impl ProductionPackets {
    pub(crate) fn new(terms: Production) -> ProductionPackets {
        ProductionPackets { freshness: terms.freshness, replays: ReplayWindow::new(terms.replays) }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.replays.bytes_held()
    }

    /// Opens a packet that was received on a subject, from a sender whose tenant and keys `peer` returns. What else has to
    /// hold is checked before the packet is remembered. Returns `None` for one that came before, which has no effect. `wall` is
    /// what the wall clock shows now.
    pub(crate) fn open<'a, E: From<Rejection> + From<NotAdmitted>>(
        &mut self,
        subject: &Subject,
        bytes: &[u8],
        wall: Time,
        verifier: &dyn Verifier,
        peer: impl FnOnce(&str) -> Option<(&'a str, &'a Keyring)>,
        check: impl FnOnce(&BusPacket) -> Result<(), E>,
    ) -> Result<Option<BusPacket>, E> {
        let audience = alloc::format!("{subject}");
        let opened = open_known(bytes, &audience, self.freshness, wall, verifier, peer)?;
        check(&opened.packet)?;
        match self.replays.admit(wall, &opened)? {
            Admission::First => Ok(Some(opened.packet)),
            Admission::Duplicate => Ok(None),
        }
    }

    /// Seals a packet for a subject and an identity. It expires by what the wall clock shows now.
    pub(crate) fn seal(
        &self,
        mut packet: BusPacket,
        subject: &Subject,
        identity: IdentityBinding,
        seal: Seal<'_>,
        random: &mut Random,
        wall: Time,
    ) -> Result<Sealed, Unsignable> {
        packet.identity = Some(identity);
        let expires_at = wall.plus(self.freshness.sealed());
        let audience = alloc::format!("{subject}");
        packet.signature_metadata = Some(production_metadata(random.random_u128(), audience, seal.key_id, expires_at));
        let bytes = seal_production(packet, seal.map_order, seal.signer)?;
        Ok(Sealed { bytes, has_prefix_pair: false })
    }
}
