//! Unsigned packets, which all machines are tested with.

use nuncio_core::cap::{Budget, BusPacket, JobMetadata, JobRequest, MapOrder, Payload, PublicKey, Timestamp, Verifier};
use nuncio_core::time::Time;

pub(crate) const START: Time = Time(1_779_000_000_000_000);

/// Verifies nothing: unsigned packets are accepted without it.
#[derive(Debug)]
pub(crate) struct NoVerifier;

impl Verifier for NoVerifier {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        false
    }
}

/// A packet that was made at [`START`].
pub(crate) fn packet(sender: &str, payload: impl Into<Payload>) -> Vec<u8> {
    let packet = BusPacket {
        trace_id: "trace".into(),
        sender_id: sender.into(),
        created_at: Some(Timestamp::from_time(START)),
        protocol_version: 1,
        payload: Some(payload.into()),
        ..BusPacket::default()
    };
    packet.encode(MapOrder::Lexicographic)
}

pub(crate) fn with_key(request: JobRequest, key: &str) -> JobRequest {
    JobRequest { meta: Some(JobMetadata { idempotency_key: key.into(), ..JobMetadata::default() }), ..request }
}

pub(crate) fn with_deadline(request: JobRequest, deadline_ms: i64) -> JobRequest {
    JobRequest { budget: Some(Budget { deadline_ms, ..Budget::default() }), ..request }
}
