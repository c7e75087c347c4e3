//! Converts the trust session of a worker to a record and back.

use super::{Body, RecordKind, RouterRecord, RouterRecordError};
use crate::cap::trust::authority::record::KeptSession;
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::handshake::Handshake;
use crate::time::Time;

impl RouterRecord {
    /// Returns the record of a session.
    pub(in crate::cap::router) fn of_session(worker: &str, session: KeptSession) -> RouterRecord {
        let body = Body {
            at: session.expires_at.0,
            packet: session.handshake.encode(MapOrder::Lexicographic),
            digest: session.token.to_vec(),
            key: session.key_id,
            tenant: session.tenant_id,
            agent: session.agent_id,
            ..Body::default()
        };
        RouterRecord::new(RecordKind::Trusted, worker, body)
    }
}

impl Body {
    /// Reads the session of a worker.
    pub(in crate::cap::router) fn session(self) -> Result<KeptSession, RouterRecordError> {
        let limits = DecodeLimits::default().with(|limits| limits.bytes = usize::MAX);
        Ok(KeptSession {
            token: self.digest.as_slice().try_into().map_err(|_| RouterRecordError::Field("digest"))?,
            key_id: self.key,
            agent_id: self.agent,
            tenant_id: self.tenant,
            expires_at: Time(self.at),
            handshake: Handshake::decode(&self.packet, &limits)?,
        })
    }
}
