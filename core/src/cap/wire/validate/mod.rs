//! Validates packets that are sent or received.

pub(crate) mod rule;
mod trust;

pub(crate) use self::trust::is_capability;

use self::rule::{InvalidPacket, Problem, filled, require};
use super::alert::{AlertSeverity, SystemAlert};
use super::job::{Budget, ErrorCode, JobCancel, JobPriority, JobProgress, JobRequest, JobResult, JobStatus};
use super::packet::{BusPacket, PROTOCOL_VERSION, Payload};

/// The most elements of a list or a map whose size is checked.
const MAX_ELEMENTS: i64 = 1_000;
/// The most tokens of a budget.
const MAX_TOKENS: i64 = 10_000_000_000;

/// Which version's packets are accepted. What Nuncio sends satisfies 2.17.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acceptance {
    /// Packets of 2.10 and later. Those of 2.10 may lack a trace, may name a worker that is not the sender, and their
    /// progress is not bounded.
    #[default]
    Since210,
    /// Packets that a receiver of 2.17 accepts.
    Since217,
}

fn at_most(value: i64, max: i64, field: &'static str) -> Result<(), InvalidPacket> {
    require(value >= 0, field, Problem::Negative)?;
    require(value <= max, field, Problem::TooLarge { max })
}

fn few(elements: usize, field: &'static str) -> Result<(), InvalidPacket> {
    at_most(i64::try_from(elements).unwrap_or(i64::MAX), MAX_ELEMENTS, field)
}

/// Checks a packet against the rules of the protocol. The signature is not verified.
///
/// Errors: the first rule that the packet breaks.
pub fn validate(packet: &BusPacket, acceptance: Acceptance) -> Result<(), InvalidPacket> {
    let is_strict = acceptance == Acceptance::Since217;
    require(packet.protocol_version == PROTOCOL_VERSION, "protocol_version", Problem::NotAllowed)?;
    filled(&packet.sender_id, "sender_id")?;
    if is_strict {
        filled(&packet.trace_id, "trace_id")?;
        require(packet.created_at.is_some(), "created_at", Problem::Missing)?;
    }
    let is_sender = |id: &str, field| require(!is_strict || id == packet.sender_id, field, Problem::NotSender);
    let Some(payload) = &packet.payload else {
        return Err(InvalidPacket { field: "payload", problem: Problem::Missing });
    };
    match payload {
        Payload::JobRequest(request) => job_request(request),
        Payload::JobResult(result) => {
            job_result(result)?;
            is_sender(&result.worker_id, "job_result.worker_id")
        }
        Payload::Heartbeat(heartbeat) => is_sender(&heartbeat.worker_id, "heartbeat.worker_id"),
        Payload::Alert(alert) if is_strict => self::alert(alert, &packet.sender_id),
        Payload::Alert(_) => Ok(()),
        Payload::JobProgress(progress) => job_progress(progress, is_strict),
        Payload::JobCancel(cancel) => job_cancel(cancel, is_strict),
        Payload::Handshake(handshake) => is_sender(&handshake.component_id, "handshake.component_id"),
        Payload::WorkerHandshakeChallengeRequest(_)
        | Payload::WorkerHandshakeChallenge(_)
        | Payload::WorkerHandshakeAuthenticate(_)
        | Payload::WorkerHandshakeResult(_) => trust::validate(packet, payload),
    }
}

fn job_request(request: &JobRequest) -> Result<(), InvalidPacket> {
    filled(&request.job_id, "job_request.job_id")?;
    filled(&request.topic, "job_request.topic")?;
    let is_priority = (0..=JobPriority::CRITICAL.0).contains(&request.priority.0);
    require(is_priority, "job_request.priority", Problem::NotAllowed)?;
    require(request.step_index >= 0, "job_request.step_index", Problem::Negative)?;
    few(request.labels.len(), "job_request.labels")?;
    if let Some(meta) = &request.meta {
        few(meta.risk_tags.len(), "job_request.meta.risk_tags")?;
        few(meta.requires.len(), "job_request.meta.requires")?;
    }
    request.budget.as_ref().map_or(Ok(()), budget)
}

fn budget(budget: &Budget) -> Result<(), InvalidPacket> {
    at_most(budget.max_input_tokens, MAX_TOKENS, "job_request.budget.max_input_tokens")?;
    at_most(budget.max_output_tokens, MAX_TOKENS, "job_request.budget.max_output_tokens")?;
    at_most(budget.max_total_tokens, MAX_TOKENS, "job_request.budget.max_total_tokens")?;
    require(budget.deadline_ms >= 0, "job_request.budget.deadline_ms", Problem::Negative)
}

fn job_result(result: &JobResult) -> Result<(), InvalidPacket> {
    filled(&result.job_id, "job_result.job_id")?;
    require(result.status != JobStatus::UNSPECIFIED, "job_result.status", Problem::NotAllowed)?;
    filled(&result.worker_id, "job_result.worker_id")?;
    require(result.execution_ms >= 0, "job_result.execution_ms", Problem::Negative)
}

fn job_progress(progress: &JobProgress, is_strict: bool) -> Result<(), InvalidPacket> {
    filled(&progress.job_id, "job_progress.job_id")?;
    if is_strict {
        at_most(progress.percent.into(), 100, "job_progress.percent")?;
        require(progress.status.name().is_some(), "job_progress.status", Problem::NotAllowed)?;
    }
    Ok(())
}

fn job_cancel(cancel: &JobCancel, is_strict: bool) -> Result<(), InvalidPacket> {
    filled(&cancel.job_id, "job_cancel.job_id")?;
    if is_strict { filled(&cancel.requested_by, "job_cancel.requested_by") } else { Ok(()) }
}

/// An alert has either the deprecated form or the structured one.
fn alert(alert: &SystemAlert, sender: &str) -> Result<(), InvalidPacket> {
    filled(&alert.message, "alert.message")?;
    let is_structured = alert.severity != AlertSeverity::UNSPECIFIED
        || alert.error_code_enum != ErrorCode::UNSPECIFIED
        || !alert.source_component.is_empty();
    if !is_structured {
        filled(&alert.level, "alert.level")?;
        filled(&alert.component, "alert.component")?;
        return filled(&alert.code, "alert.code");
    }
    let is_severity = alert.severity.0 > 0 && alert.severity.name().is_some();
    require(is_severity, "alert.severity", Problem::NotAllowed)?;
    let is_code = alert.error_code_enum.0 > 0 && alert.error_code_enum.name().is_some();
    require(is_code, "alert.error_code_enum", Problem::NotAllowed)?;
    require(alert.source_component == sender, "alert.source_component", Problem::NotSender)
}
