//! Random messages: every field of every message that travels in a packet.

use nuncio_core::cap::{
    ActorType, AlertSeverity, Budget, BusPacket, Compensation, ComponentRole, ContextHints, DispatchIdentity,
    ErrorCode, Handshake, Heartbeat, IdentityBinding, JobCancel, JobMetadata, JobPriority, JobProgress, JobRequest,
    JobResult, JobStatus, PROTOCOL_VERSION, Payload, ResourceRef, SignatureMetadata, SystemAlert, Timestamp,
    UnknownFields,
};

use super::draw::{Draw, Drawn};

/// Enums, which are open: numbers with names and without.
macro_rules! enums {
    ($( $name:ident ),+) => { $(
        impl Drawn for $name {
            fn drawn(draw: &mut Draw) -> $name {
                $name(draw.one(&[0, 1, 2, 3, 77, -1, i32::MAX, i32::MIN]))
            }
        }
    )+ };
}

/// Messages with all their fields, so that one that is forgotten does not compile.
macro_rules! messages {
    ($( $name:ident { $( $field:ident ),+ } )+) => { $(
        impl Drawn for $name {
            fn drawn(draw: &mut Draw) -> $name {
                $name { $( $field: draw.draw(), )+ unknown_fields: UnknownFields::default() }
            }
        }
    )+ };
}

enums! { ActorType, AlertSeverity, ComponentRole, ErrorCode, JobPriority, JobStatus }

messages! {
    Timestamp { seconds, nanos }
    IdentityBinding { tenant_id, principal_id, actor_id, delegation_id }
    DispatchIdentity { dispatch_id, attempt, assigned_worker_id }
    ResourceRef { resolver_id, uri, sha256, media_type, size_bytes, expires_at, purpose }
    SignatureMetadata { profile_version, algorithm, message_id, audience, expires_at, key_id }
    ContextHints { max_input_tokens, allow_summarization, allow_retrieval, tags }
    Budget { max_input_tokens, max_output_tokens, max_total_tokens, deadline_ms }
    JobMetadata {
        tenant_id, actor_id, actor_type, idempotency_key, capability, risk_tags, requires, pack_id, labels
    }
    Compensation {
        topic, context_ptr, priority, adapter_id, env, memory_id, context_hints, budget, tenant_id, principal_id, labels,
        meta, identity, dispatch, context_ref
    }
    JobRequest {
        job_id, topic, priority, context_ptr, adapter_id, env, parent_job_id, workflow_id, step_index, memory_id,
        context_hints, budget, tenant_id, principal_id, labels, meta, compensation, identity, dispatch, context_ref
    }
    JobResult {
        job_id, status, result_ptr, worker_id, execution_ms, error_code, error_message, artifact_ptrs, error_code_enum,
        dispatch, identity, result_ref, artifact_refs
    }
    JobProgress {
        job_id, step_id, percent, message, result_ptr, artifact_ptrs, status, dispatch, identity, result_ref,
        artifact_refs
    }
    JobCancel { job_id, reason, requested_by, dispatch, identity }
    Heartbeat {
        worker_id, region, r#type, cpu_load, gpu_utilization, active_jobs, capabilities, pool, max_parallel_jobs, labels,
        memory_load, progress_pct, last_memo, auth_token, agent_name
    }
    Handshake { component_id, role, supported_versions, capabilities, sdk_version, ready_topics, agent_name }
    SystemAlert { level, message, component, code, severity, error_code_enum, source_component, details, trace_id }
}

impl Drawn for Vec<ResourceRef> {
    fn drawn(draw: &mut Draw) -> Vec<ResourceRef> {
        (0..draw.below(3)).map(|_| draw.draw()).collect()
    }
}

/// The kinds of payload that every worker and client exchanges, by their names in a packet.
pub(super) const KINDS: [&str; 7] =
    ["job_request", "job_result", "heartbeat", "alert", "job_progress", "job_cancel", "handshake"];

/// Draws a packet of a kind that satisfies the rules of 2.17.
pub(super) fn packet(draw: &mut Draw, kind: &str, sender: &str) -> BusPacket {
    let payload = match kind {
        "job_request" => request(draw).into(),
        "job_result" => result(draw, sender).into(),
        "heartbeat" => Heartbeat { worker_id: sender.into(), ..draw.draw() }.into(),
        "alert" => alert(draw, sender).into(),
        "job_progress" => progress(draw).into(),
        "job_cancel" => JobCancel { job_id: given(draw), requested_by: given(draw), ..draw.draw() }.into(),
        "handshake" => Payload::from(Handshake { component_id: sender.into(), ..draw.draw() }),
        other => panic!("{other} is not a kind"),
    };
    BusPacket {
        trace_id: given(draw),
        sender_id: sender.into(),
        created_at: Some(draw.draw()),
        protocol_version: PROTOCOL_VERSION,
        signature_metadata: draw.draw(),
        identity: draw.draw(),
        payload: Some(payload),
        signature: draw.draw(),
        auth_token: draw.draw(),
        unknown_fields: UnknownFields::default(),
    }
}

/// A text that is not empty.
fn given(draw: &mut Draw) -> String {
    draw.one(&["given", "job-1", "é\0", "redis://ctx:1"]).to_owned()
}

fn request(draw: &mut Draw) -> JobRequest {
    let mut request = JobRequest { job_id: given(draw), topic: given(draw), ..draw.draw() };
    request.priority = JobPriority(draw.one(&[0, 1, 2, 3]));
    request.step_index = request.step_index.max(0);
    if let Some(budget) = &mut request.budget {
        let tokens = [0, 1, 10_000_000_000];
        (budget.max_input_tokens, budget.max_output_tokens) = (draw.one(&tokens), draw.one(&tokens));
        (budget.max_total_tokens, budget.deadline_ms) = (draw.one(&tokens), draw.one(&[0, 1, i64::MAX]));
    }
    request
}

fn result(draw: &mut Draw, sender: &str) -> JobResult {
    let mut result = JobResult { job_id: given(draw), worker_id: sender.into(), ..draw.draw() };
    if result.status == JobStatus::UNSPECIFIED {
        result.status = JobStatus::SUCCEEDED;
    }
    result.execution_ms = result.execution_ms.max(0);
    result
}

fn progress(draw: &mut Draw) -> JobProgress {
    let mut progress = JobProgress { job_id: given(draw), ..draw.draw() };
    progress.percent = draw.one(&[0, 1, 100]);
    progress.status = JobStatus(i32::try_from(draw.below(12)).unwrap());
    progress
}

fn alert(draw: &mut Draw, sender: &str) -> SystemAlert {
    let mut alert = SystemAlert { message: given(draw), source_component: sender.into(), ..draw.draw() };
    alert.severity = draw.one(&[AlertSeverity::INFO, AlertSeverity::CRITICAL]);
    alert.error_code_enum = draw.one(&[ErrorCode::PROTOCOL_VERSION_MISMATCH, ErrorCode::TRANSPORT_CONNECTION_LOST]);
    alert
}
