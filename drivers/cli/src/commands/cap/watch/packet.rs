//! What is shown of a packet.

use nuncio_core::cap::{
    Authentication, BusPacket, DecodeLimits, ErrorCode, Expected, Freshness, JobStatus, Keyring, Payload, Reading,
    Rejection, open, open_production, open_trust,
};
use nuncio_core::time::Time;
use nuncio_tokio::cap::{Message, RingVerifier};

/// One message on the bus, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Packet {
    pub(super) subject: String,
    pub(super) bytes: usize,
    /// The name of the payload; `None` if the message is not a packet, or a packet without a payload.
    pub(super) kind: Option<&'static str>,
    pub(super) created_at: Option<String>,
    pub(super) sender_id: String,
    pub(super) trace_id: String,
    pub(super) job_id: String,
    /// The content of the payload, without what is empty.
    pub(super) details: Vec<(&'static str, String)>,
    pub(super) signature: Signature,
    /// What is wrong with the packet.
    pub(super) fault: Option<String>,
}

/// What is known of the signature of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Signature {
    /// There are no keys to verify it with, or it could not be verified because of a fault.
    #[default]
    Unverified,
    Verified,
    Unsigned,
    UnknownKey,
    Wrong,
}

impl Signature {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Signature::Unverified => "unverified",
            Signature::Verified => "verified",
            Signature::Unsigned => "unsigned",
            Signature::UnknownKey => "unknown key",
            Signature::Wrong => "WRONG SIGNATURE",
        }
    }
}

/// Verifies a packet in the form that it has: of the trust handshake, of the production profile, or the generic one.
fn verify(packet: &BusPacket, message: &Message, keys: &Keyring, now: Time) -> Result<(), Rejection> {
    let bytes = &message.payload;
    if let Some(key_id) = packet.payload.as_ref().and_then(trust_key) {
        return open_trust(bytes, &named(keys, &packet.sender_id, key_id), &RingVerifier).map(drop);
    }
    let Some(metadata) = &packet.signature_metadata else {
        return open(bytes, &Reading::new(Authentication::Signed(keys.clone())), &RingVerifier).map(drop);
    };
    let expected = Expected {
        audience: &message.subject,
        tenant: packet.identity.as_ref().map_or("", |identity| &identity.tenant_id),
        sender: &packet.sender_id,
        keys: &named(keys, &packet.sender_id, &metadata.key_id),
        freshness: Freshness::default(),
    };
    open_production(bytes, &expected, now, &RingVerifier).map(drop)
}

/// Returns the id of the key that signs a packet of the trust handshake, or `None` for any other packet.
fn trust_key(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::WorkerHandshakeChallengeRequest(request) => Some(&request.proof_key_id),
        Payload::WorkerHandshakeChallenge(challenge) => Some(&challenge.server_key_id),
        Payload::WorkerHandshakeAuthenticate(answer) => answer.challenge.as_ref().map(|it| it.proof_key_id.as_str()),
        Payload::WorkerHandshakeResult(result) => result.challenge.as_ref().map(|it| it.server_key_id.as_str()),
        _ => None,
    }
}

/// Returns the keys of a sender under the id that a packet gives them.
fn named(keys: &Keyring, sender: &str, key_id: &str) -> Keyring {
    let mut named = Keyring::default();
    for key in keys.of(sender) {
        if named.add(key_id, *key).is_err() {
            break; // The ring they come from has the same limit, so this is not reached.
        }
    }
    named
}

impl Packet {
    /// Reads a message, however broken it is.
    pub(super) fn read(message: &Message, keys: Option<&Keyring>, now: Time) -> Packet {
        let mut shown = Packet { subject: message.subject.clone(), bytes: message.payload.len(), ..Packet::default() };
        let packet = match BusPacket::decode(&message.payload, &DecodeLimits::default()) {
            Ok(packet) => packet,
            Err(error) => {
                shown.fault = Some(format!("not a packet: {error}"));
                return shown;
            }
        };
        shown.check(&packet, message, keys, now);
        shown.created_at = packet.created_at.and_then(|at| at.to_time()).map(Time::to_rfc3339);
        shown.sender_id = packet.sender_id;
        shown.trace_id = packet.trace_id;
        if let Some(payload) = packet.payload {
            shown.kind = Some(payload.name());
            shown.content(payload);
        }
        shown
    }

    /// Notes whether the packet is valid and its signature right.
    fn check(&mut self, packet: &BusPacket, message: &Message, keys: Option<&Keyring>, now: Time) {
        let opened = match keys {
            Some(keys) => verify(packet, message, keys, now),
            None => open(&message.payload, &Reading::new(Authentication::Unsigned), &RingVerifier).map(drop),
        };
        match (opened, keys) {
            (Ok(()), Some(_)) => self.signature = Signature::Verified,
            (Err(Rejection::UnknownKey(_)), _) => self.signature = Signature::UnknownKey,
            (Err(Rejection::Signature | Rejection::Sealed | Rejection::Der), _) => self.signature = Signature::Wrong,
            (Ok(()), None) | (Err(Rejection::Unsigned), _) => {}
            (Err(rejection), _) => self.fault = Some(rejection.to_string()),
        }
        if packet.signature.is_empty() {
            self.signature = Signature::Unsigned;
        }
    }

    fn content(&mut self, payload: Payload) {
        match payload {
            Payload::JobRequest(request) => {
                self.job_id = request.job_id;
                self.detail("topic", request.topic);
                self.detail("context_ptr", request.context_ptr);
                self.detail("parent_job_id", request.parent_job_id);
                let deadline = request.budget.map_or(0, |budget| budget.deadline_ms);
                self.number("deadline_ms", deadline);
                let labels: Vec<String> =
                    request.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                self.detail("labels", labels.join(","));
            }
            Payload::JobResult(result) => {
                self.job_id = result.job_id;
                self.status(result.status);
                self.detail("result_ptr", result.result_ptr);
                self.number("execution_ms", result.execution_ms);
                let code = if result.error_code_enum == ErrorCode::UNSPECIFIED {
                    result.error_code
                } else {
                    format!("{:?}", result.error_code_enum)
                };
                self.detail("error_code", code);
                self.detail("error_message", result.error_message);
            }
            Payload::JobProgress(progress) => {
                self.job_id = progress.job_id;
                self.details.push(("percent", progress.percent.to_string()));
                self.detail("step_id", progress.step_id);
                self.detail("message", progress.message);
                if progress.status != JobStatus::UNSPECIFIED {
                    self.status(progress.status);
                }
            }
            Payload::JobCancel(cancel) => {
                self.job_id = cancel.job_id;
                self.detail("requested_by", cancel.requested_by);
                self.detail("reason", cancel.reason);
            }
            Payload::Heartbeat(heartbeat) => {
                self.detail("worker_id", heartbeat.worker_id);
                self.detail("pool", heartbeat.pool);
                let jobs = format!("{}/{}", heartbeat.active_jobs, heartbeat.max_parallel_jobs);
                self.details.push(("jobs", jobs));
            }
            Payload::Handshake(handshake) => {
                self.detail("component_id", handshake.component_id);
                self.detail("role", format!("{:?}", handshake.role));
                self.detail("topics", handshake.ready_topics.join(","));
                self.detail("sdk_version", handshake.sdk_version);
            }
            Payload::Alert(alert) => {
                self.detail("severity", format!("{:?}", alert.severity));
                self.detail("source", alert.source_component);
                self.detail("message", alert.message);
            }
            // The worker trust handshake: what it is about is in the trace and the sender.
            _ => {}
        }
    }

    fn status(&mut self, status: JobStatus) {
        self.details.push(("status", format!("{status:?}")));
    }

    fn number(&mut self, name: &'static str, number: i64) {
        if number != 0 {
            self.details.push((name, number.to_string()));
        }
    }

    fn detail(&mut self, name: &'static str, text: String) {
        if !text.is_empty() {
            self.details.push((name, text));
        }
    }
}
