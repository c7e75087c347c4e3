//! What is shown of a packet.

use nuncio_core::cap::{
    Authentication, BusPacket, DecodeLimits, ErrorCode, JobStatus, Keyring, Payload, Reading, Rejection, open,
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

impl Packet {
    /// Reads a message, however broken it is.
    pub(super) fn read(message: &Message, keys: Option<&Keyring>) -> Packet {
        let mut shown = Packet { subject: message.subject.clone(), bytes: message.payload.len(), ..Packet::default() };
        let packet = match BusPacket::decode(&message.payload, &DecodeLimits::default()) {
            Ok(packet) => packet,
            Err(error) => {
                shown.fault = Some(format!("not a packet: {error}"));
                return shown;
            }
        };
        shown.check(&packet, message, keys);
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
    fn check(&mut self, packet: &BusPacket, message: &Message, keys: Option<&Keyring>) {
        let authentication = match keys {
            Some(keys) => Authentication::Signed(keys.clone()),
            None => Authentication::Unsigned,
        };
        match (open(&message.payload, &Reading::new(authentication), &RingVerifier), keys) {
            (Ok(_), Some(_)) => self.signature = Signature::Verified,
            (Err(Rejection::UnknownKey(_)), _) => self.signature = Signature::UnknownKey,
            (Err(Rejection::Signature | Rejection::Der), _) => self.signature = Signature::Wrong,
            (Ok(_), None) | (Err(Rejection::Unsigned), _) => {}
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
