//! Both sides of a trust session, and packets that are not what they should be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    AuthorityConfig, AuthorityEvent, BusPacket, ComponentId, DecodeLimits, Enrollment, Handshake, Keyring, MapOrder,
    P256Signer, P256Verifier, Payload, Subject, TrustAuthority, TrustMode, TrustNames, TrustOutput, TrustRequest,
    TrustSession, TrustSettings, WorkerHandshakeRejectionReason, seal_trust,
};
use nuncio_core::time::Time;

pub(crate) const START: Time = Time(1_779_000_000_000_000);

pub(crate) fn worker_key() -> P256Signer {
    P256Signer::from_bytes(&[1; 32]).unwrap()
}

pub(crate) fn scheduler_key() -> P256Signer {
    P256Signer::from_bytes(&[2; 32]).unwrap()
}

fn ring(name: &str, signer: &P256Signer) -> Keyring {
    let mut keys = Keyring::default();
    keys.add(name, signer.public_key()).unwrap();
    keys
}

pub(crate) fn names() -> TrustNames {
    TrustNames {
        agent_id: "agent".into(),
        tenant_id: "tenant".into(),
        proof_key_id: "proof".into(),
        scheduler_id: "scheduler".into(),
    }
}

pub(crate) fn settings() -> TrustSettings {
    TrustSettings::new(names(), Arc::new(worker_key()), ring("server", &scheduler_key())).unwrap()
}

pub(crate) fn enrollment() -> Enrollment {
    Enrollment {
        agent_id: "agent".into(),
        tenant_id: "tenant".into(),
        keys: ring("proof", &worker_key()),
        topics: None,
    }
}

pub(crate) fn authority_config() -> AuthorityConfig {
    let id = ComponentId::new("scheduler").unwrap();
    AuthorityConfig::new(id, "server", Arc::new(scheduler_key()), Arc::new(P256Verifier))
}

pub(crate) fn authority(change: impl FnOnce(&mut AuthorityConfig)) -> TrustAuthority {
    let mut authority = TrustAuthority::new(authority_config().with(change), [9; 32], START);
    authority.enroll("w", enrollment()).unwrap();
    authority
}

pub(crate) fn session(mode: TrustMode) -> TrustSession {
    let capability = Handshake { ready_topics: vec!["job.echo".into(), "job.other".into()], ..Handshake::default() };
    let worker = ComponentId::new("w").unwrap();
    TrustSession::new(mode, Arc::new(settings()), Arc::new(P256Verifier), worker, capability, [7; 32], START)
}

/// A request that a session has made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: TrustRequest,
    pub(crate) subject: Subject,
    pub(crate) bytes: Bytes,
}

/// Both sides, and what the worker's side has said.
pub(crate) struct World {
    pub(crate) session: TrustSession,
    pub(crate) authority: TrustAuthority,
    pub(crate) now: Time,
    pub(crate) said: Vec<String>,
}

impl World {
    pub(crate) fn new(mode: TrustMode) -> World {
        World::with(mode, |_| {})
    }

    pub(crate) fn with(mode: TrustMode, change: impl FnOnce(&mut AuthorityConfig)) -> World {
        World { session: session(mode), authority: authority(change), now: START, said: Vec::new() }
    }

    /// Notes what the session says. Returns its request, if it makes one.
    pub(crate) fn poll(&mut self) -> Option<Asked> {
        let mut asked = None;
        while let Some(output) = self.session.poll_output() {
            self.said.push(match output {
                TrustOutput::Request { id, subject, bytes } => {
                    assert!(asked.is_none(), "one request at a time");
                    asked = Some(Asked { id, subject, bytes });
                    continue;
                }
                TrustOutput::Opened => "opened".into(),
                TrustOutput::Closed => "closed".into(),
                TrustOutput::Trusted { is_renewal, .. } => if is_renewal { "renewed" } else { "trusted" }.into(),
                TrustOutput::Failed { reason } => format!("failed: {reason}"),
                TrustOutput::Expired => "expired".into(),
            });
        }
        asked
    }

    pub(crate) fn connect(&mut self) -> Asked {
        self.session.connect(self.now);
        self.poll().unwrap()
    }

    /// The reply of the authority to a request.
    pub(crate) fn ask(&mut self, asked: &Asked) -> Bytes {
        self.authority.handle_request(self.now, &asked.subject, &asked.bytes).unwrap()
    }

    pub(crate) fn reply(&mut self, asked: &Asked, reply: Bytes) -> Option<Asked> {
        self.session.replied(self.now, asked.id, Ok(reply)).unwrap();
        self.poll()
    }

    /// Passes requests to the authority and replies to the session, until nothing is asked.
    pub(crate) fn run(&mut self, asked: Asked) {
        let mut next = Some(asked);
        while let Some(asked) = next {
            let reply = self.ask(&asked);
            next = self.reply(&asked, reply);
        }
    }

    /// A session that is trusted.
    pub(crate) fn trusted(mode: TrustMode) -> World {
        World::new(mode).and_trusted()
    }

    pub(crate) fn and_trusted(mut self) -> World {
        let asked = self.connect();
        self.run(asked);
        assert_eq!(self.take(), ["trusted", "opened"]);
        self
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        core::mem::take(&mut self.said)
    }

    /// Lets time pass until the session has something to do, and returns how long that was in milliseconds.
    pub(crate) fn next(&mut self) -> (u64, Option<Asked>) {
        let at = self.session.poll_timeout().unwrap();
        let waited = at.since(self.now) / 1_000;
        self.now = at;
        self.session.handle_timeout(at);
        (waited, self.poll())
    }

    pub(crate) fn admits(&self) -> bool {
        self.session.admits(self.now)
    }

    /// Whether the authority believes the token of the session.
    pub(crate) fn is_known(&self) -> bool {
        let token = self.session.token(self.now).cloned().unwrap_or_default();
        self.authority.admits(self.now, "w", &token)
    }

    /// The reason of the last rejection.
    pub(crate) fn rejection(&mut self) -> Option<WorkerHandshakeRejectionReason> {
        let mut last = None;
        while let Some(event) = self.authority.poll_event() {
            if let AuthorityEvent::Rejected { reason, .. } = event {
                last = Some(reason);
            }
        }
        last
    }
}

pub(crate) fn decode(bytes: &[u8]) -> BusPacket {
    BusPacket::decode(bytes, &DecodeLimits::default()).unwrap()
}

/// Changes a packet and signs it again.
pub(crate) fn forge(bytes: &[u8], signer: &P256Signer, change: impl FnOnce(&mut BusPacket)) -> Bytes {
    let mut packet = decode(bytes);
    change(&mut packet);
    Bytes::from(seal_trust(packet, MapOrder::Lexicographic, signer).unwrap())
}

/// Changes the challenge of a packet, whether it is one or repeats one.
pub(crate) fn challenge_of(packet: &mut BusPacket) -> &mut nuncio_core::cap::WorkerHandshakeChallenge {
    match packet.payload.as_mut().unwrap() {
        Payload::WorkerHandshakeChallenge(challenge) => challenge,
        Payload::WorkerHandshakeResult(result) => result.challenge.as_mut().unwrap(),
        Payload::WorkerHandshakeAuthenticate(answer) => answer.challenge.as_mut().unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
