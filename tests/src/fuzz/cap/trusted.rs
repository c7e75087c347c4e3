//! A worker that a router has enrolled, and packets of the production profile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    AuthorityConfig, BusPacket, ComponentId, DecodeLimits, Enrollment, Freshness, Handshake, IdentityBinding, Keyring,
    MapOrder, PROFILE_ALGORITHM, PROFILE_VERSION, Payload, Peers, Production, RouterProduction, RouterTrust,
    SignatureMetadata, Subject, Timestamp, TrustAuthority, TrustMode, TrustNames, TrustOutput, TrustRequest,
    TrustSession, TrustSettings, TrustState, seal_production,
};
use nuncio_core::time::Time;

use crate::cap_sim::signing::{HashSigner, HashVerifier};
use crate::seeded::Draw;
use crate::world::START;

/// The key of the router.
const ROUTER: HashSigner = HashSigner(7);
/// The key of everybody else.
const OTHERS: HashSigner = HashSigner(9);

fn ring(key: HashSigner) -> Keyring {
    let mut keys = Keyring::default();
    keys.add("key", key.public_key()).expect("one key");
    keys
}

/// Returns whether a router asks for sessions, with one worker that is enrolled.
pub(super) fn trust(draw: &mut Draw<'_, '_>) -> RouterTrust {
    let id = ComponentId::new("router").expect("a good id");
    let own = AuthorityConfig::new(id, "key", Arc::new(ROUTER), Arc::new(HashVerifier));
    let own = own.with(|config| config.session_lifetime = Duration::from_secs(30));
    let mut authority = TrustAuthority::new(own, [3; 32], START);
    let (agent_id, tenant_id, keys) = ("agent".into(), "t".into(), ring(OTHERS));
    let enrollment = Enrollment { agent_id, tenant_id, keys, topics: None };
    authority.enroll("worker", enrollment).expect("a good enrollment");
    match draw.below(10) {
        0 | 1 => RouterTrust::Require(Box::new(authority)),
        2..=4 => {
            let freshness = Freshness::new(Duration::from_mins(1), Duration::from_secs(1)).expect("a good lifetime");
            let mut submitters = Peers::default();
            submitters.add("client", "t", ring(OTHERS));
            submitters.add("other", "u", ring(OTHERS));
            let terms = Production { freshness, replays: 8 };
            RouterTrust::Production(Box::new(authority), RouterProduction { terms, submitters })
        }
        _ => RouterTrust::Off,
    }
}

/// The worker's side of its session.
#[derive(Debug)]
pub(super) struct Partner {
    session: TrustSession,
    reply: Option<Bytes>,
    was_trusted: bool,
}

impl Partner {
    pub(super) fn new() -> Partner {
        let names = TrustNames {
            agent_id: "agent".into(),
            tenant_id: "t".into(),
            proof_key_id: "key".into(),
            scheduler_id: "router".into(),
        };
        let settings = TrustSettings::new(names, Arc::new(OTHERS), ring(ROUTER)).expect("good settings");
        let capability = Handshake { ready_topics: vec!["job.a".into()], ..Handshake::default() };
        let (settings, verifier) = (Arc::new(settings), Arc::new(HashVerifier));
        let worker = ComponentId::new("worker").expect("a good id");
        let session = TrustSession::new(TrustMode::Enforce, settings, verifier, worker, capability, [6; 32], START);
        Partner { session, reply: None, was_trusted: false }
    }

    /// Whether the router has ever sent a token.
    pub(super) fn was_trusted(&self) -> bool {
        self.was_trusted
    }

    pub(super) fn begin(&mut self, now: Time) {
        if self.session.state() == TrustState::Idle {
            self.session.connect(now);
        }
        self.session.handle_timeout(now);
    }

    /// Returns the next request of the worker.
    pub(super) fn poll(&mut self) -> Option<(TrustRequest, Subject, Bytes)> {
        std::iter::from_fn(|| self.session.poll_output()).find_map(|output| match output {
            TrustOutput::Request { id, subject, bytes } => Some((id, subject, bytes)),
            _ => None,
        })
    }

    /// Takes in the answer of the router.
    pub(super) fn replied(&mut self, bytes: Bytes) {
        let packet = BusPacket::decode(&bytes, &DecodeLimits::default()).expect("an answer can be decoded");
        if let Some(Payload::WorkerHandshakeResult(result)) = packet.payload {
            self.was_trusted |= result.accepted;
        }
        self.reply = Some(bytes);
    }

    /// Passes the answer on, or that there is none.
    pub(super) fn answer(&mut self, now: Time, id: TrustRequest) {
        let reply = self.reply.take().ok_or_else(|| "no answer".to_owned());
        self.session.replied(now, id, reply).expect("the answer is awaited");
    }

    /// Adds the token to a packet of the worker, and seals it for the production profile.
    pub(super) fn sealed(
        &self,
        mut packet: BusPacket,
        now: Time,
        subject: &Subject,
        is_production: bool,
        draw: &mut Draw<'_, '_>,
    ) -> Vec<u8> {
        if packet.sender_id == "worker" && draw.chance(80) {
            packet.auth_token = self.session.token(now).cloned().unwrap_or_default();
        }
        if !is_production {
            return packet.encode(MapOrder::Lexicographic);
        }
        let tenant_id = draw.one(&["t", "t", "u"]).into();
        let lifetime = draw.one(&[60, 60, 0, 62]);
        let message_id = u8::try_from(draw.below(12)).unwrap_or(0);
        packet.identity = Some(IdentityBinding { tenant_id, ..IdentityBinding::default() });
        packet.signature_metadata = Some(SignatureMetadata {
            profile_version: PROFILE_VERSION.into(),
            algorithm: PROFILE_ALGORITHM.into(),
            message_id: vec![message_id; 16],
            audience: subject.to_string(),
            expires_at: Some(Timestamp::from_time(now.plus_secs(lifetime))),
            key_id: "key".into(),
            ..SignatureMetadata::default()
        });
        let plain = packet.encode(MapOrder::Lexicographic);
        seal_production(packet, MapOrder::Lexicographic, &OTHERS).unwrap_or(plain)
    }
}
