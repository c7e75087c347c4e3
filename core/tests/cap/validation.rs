//! What is accepted: packets of 2.10 by choice, and those of 2.17 always.

use nuncio_core::cap::{
    Acceptance, Budget, BusPacket, ComponentRole, DecodeLimits, ErrorCode, Handshake, Heartbeat, InvalidPacket,
    JobCancel, JobMetadata, JobPriority, JobProgress, JobRequest, JobResult, JobStatus, Payload, Problem, Secret,
    SystemAlert, Timestamp, WorkerHandshakeAuthenticate, WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest,
    WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose, WorkerHandshakeRejectionReason, WorkerHandshakeResult,
    validate,
};
use nuncio_core::time::Time;

use crate::support::{all, live, live_217, named};

fn decoded(bytes: &[u8]) -> BusPacket {
    BusPacket::decode(bytes, &DecodeLimits::default()).unwrap()
}

#[test]
fn packets_of_both_versions_are_accepted_and_strictness_refuses_2_10() {
    for fixture in live_217() {
        assert_eq!(validate(&decoded(&fixture.packet()), Acceptance::Since217), Ok(()), "{}", fixture.name);
    }
    let mut refused = 0;
    for fixture in live() {
        let packet = decoded(&fixture.packet());
        assert_eq!(validate(&packet, Acceptance::Since210), Ok(()), "{}", fixture.name);
        if let Err(error) = validate(&packet, Acceptance::Since217) {
            assert_eq!(error, InvalidPacket { field: "trace_id", problem: Problem::Missing }, "{}", fixture.name);
            refused += 1;
        }
    }
    assert!(refused > 5, "2.10 sends handshakes and heartbeats without a trace");
}

#[test]
fn every_refusal_is_one_sentence() {
    let mut refused = 0;
    for fixture in all().into_iter().filter(|fixture| fixture.name != "neg_truncated") {
        if let Err(error) = validate(&decoded(&fixture.packet()), Acceptance::Since217) {
            assert!(error.to_string().starts_with(error.field));
            refused += 1;
        }
    }
    assert!(refused > 5);
    let large = decoded(&named("job_request_large").packet());
    let error = validate(&large, Acceptance::Since210).unwrap_err();
    assert_eq!(error.to_string(), "job_request.labels is more than 1000");
}

fn packet(payload: impl Into<Payload>) -> BusPacket {
    BusPacket {
        trace_id: "trace".into(),
        sender_id: "w".into(),
        created_at: Some(Timestamp::from_time(Time(1_779_000_000_000_000))),
        protocol_version: 1,
        payload: Some(payload.into()),
        ..BusPacket::default()
    }
}

/// The strict and the lenient verdict: the field that breaks a rule, or nothing.
fn verdicts(packet: &BusPacket) -> (&'static str, &'static str) {
    let field = |acceptance| validate(packet, acceptance).err().map_or("", |error| error.field);
    (field(Acceptance::Since217), field(Acceptance::Since210))
}

fn request() -> JobRequest {
    JobRequest { job_id: "j".into(), topic: "t".into(), ..JobRequest::default() }
}

#[test]
fn envelopes_have_version_sender_trace_time_and_payload() {
    assert_eq!(verdicts(&packet(request())), ("", ""));
    let version = BusPacket { protocol_version: 99, ..packet(request()) };
    assert_eq!(verdicts(&version), ("protocol_version", "protocol_version"));
    let sender = BusPacket { sender_id: String::new(), ..packet(request()) };
    assert_eq!(verdicts(&sender), ("sender_id", "sender_id"));
    let trace = BusPacket { trace_id: String::new(), ..packet(request()) };
    assert_eq!(verdicts(&trace), ("trace_id", ""));
    let time = BusPacket { created_at: None, ..packet(request()) };
    assert_eq!(verdicts(&time), ("created_at", ""));
    let payload = BusPacket { payload: None, ..packet(request()) };
    assert_eq!(verdicts(&payload), ("payload", "payload"));
}

#[test]
fn job_requests_are_bounded() {
    let many = vec![String::new(); 1_001];
    let wrong = |request: JobRequest, field| assert_eq!(verdicts(&packet(request)), (field, field));
    wrong(JobRequest { job_id: String::new(), ..request() }, "job_request.job_id");
    wrong(JobRequest { topic: String::new(), ..request() }, "job_request.topic");
    wrong(JobRequest { priority: JobPriority(4), ..request() }, "job_request.priority");
    wrong(JobRequest { step_index: -1, ..request() }, "job_request.step_index");
    let meta = |meta| JobRequest { meta: Some(meta), ..request() };
    wrong(meta(JobMetadata { risk_tags: many.clone(), ..JobMetadata::default() }), "job_request.meta.risk_tags");
    wrong(meta(JobMetadata { requires: many, ..JobMetadata::default() }), "job_request.meta.requires");
    let budget = |budget| JobRequest { budget: Some(budget), ..request() };
    wrong(budget(Budget { deadline_ms: -1, ..Budget::default() }), "job_request.budget.deadline_ms");
    let most = 10_000_000_000;
    wrong(budget(Budget { max_total_tokens: most + 1, ..Budget::default() }), "job_request.budget.max_total_tokens");
    assert_eq!(verdicts(&packet(budget(Budget { max_total_tokens: most, ..Budget::default() }))), ("", ""));
}

#[test]
fn a_worker_speaks_for_itself_and_progress_is_a_percentage() {
    let result =
        JobResult { job_id: "j".into(), worker_id: "w".into(), status: JobStatus::SUCCEEDED, ..JobResult::default() };
    assert_eq!(verdicts(&packet(result.clone())), ("", ""));
    let other = JobResult { worker_id: "other".into(), ..result.clone() };
    assert_eq!(verdicts(&packet(other)), ("job_result.worker_id", ""));
    let unset = JobResult { status: JobStatus::UNSPECIFIED, ..result };
    assert_eq!(verdicts(&packet(unset)), ("job_result.status", "job_result.status"));
    assert_eq!(verdicts(&packet(Heartbeat::default())), ("heartbeat.worker_id", ""));
    assert_eq!(verdicts(&packet(Handshake::default())), ("handshake.component_id", ""));
    let progress = |percent| packet(JobProgress { job_id: "j".into(), percent, ..JobProgress::default() });
    assert_eq!(verdicts(&progress(100)), ("", ""));
    assert_eq!(verdicts(&progress(101)), ("job_progress.percent", ""));
    assert_eq!(verdicts(&progress(-1)), ("job_progress.percent", ""));
    let cancel = JobCancel { job_id: "j".into(), ..JobCancel::default() };
    assert_eq!(verdicts(&packet(cancel)), ("job_cancel.requested_by", ""));
}

#[test]
fn alerts_have_the_deprecated_form_or_the_structured_one() {
    let alert = SystemAlert { message: "m".into(), ..SystemAlert::default() };
    assert_eq!(verdicts(&packet(alert.clone())), ("alert.level", ""));
    let structured = SystemAlert {
        severity: nuncio_core::cap::AlertSeverity::ERROR,
        error_code_enum: ErrorCode::JOB_TIMEOUT,
        source_component: "w".into(),
        ..alert
    };
    assert_eq!(verdicts(&packet(structured.clone())), ("", ""));
    let foreign = SystemAlert { source_component: "other".into(), ..structured };
    assert_eq!(verdicts(&packet(foreign)), ("alert.source_component", ""));
}

fn challenge() -> WorkerHandshakeChallenge {
    WorkerHandshakeChallenge {
        request_id: "r".into(),
        challenge_id: "c".into(),
        trace_id: "trace".into(),
        worker_id: "w".into(),
        agent_id: "a".into(),
        tenant_id: "t".into(),
        proof_key_id: "k".into(),
        proof_algorithm: WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256,
        server_key_id: "s".into(),
        audience: "cordum-scheduler".into(),
        purpose: WorkerHandshakePurpose::ISSUE,
        client_nonce: vec![1; 32],
        server_nonce: vec![2; 32],
        protocol_version: 1,
        sdk_version: "nuncio".into(),
        issued_at: Some(Timestamp { seconds: 100, ..Timestamp::default() }),
        expires_at: Some(Timestamp { seconds: 160, ..Timestamp::default() }),
        ..WorkerHandshakeChallenge::default()
    }
}

fn trust(payload: impl Into<Payload>) -> BusPacket {
    BusPacket { signature: vec![1], ..packet(payload) }
}

/// The field that a packet of the trust handshake breaks a rule with; the same in both versions.
fn verdict(packet: &BusPacket) -> &'static str {
    let (strict, lenient) = verdicts(packet);
    assert_eq!(strict, lenient);
    strict
}

#[test]
fn s14_challenges_are_complete_signed_and_short_lived() {
    let request = WorkerHandshakeChallengeRequest {
        request_id: "r".into(),
        trace_id: "trace".into(),
        worker_id: "w".into(),
        proof_key_id: "k".into(),
        proof_algorithm: WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256,
        audience: "cordum-scheduler".into(),
        purpose: WorkerHandshakePurpose::RENEW,
        client_nonce: vec![1; 32],
        protocol_version: 1,
        sdk_version: "nuncio".into(),
        ..WorkerHandshakeChallengeRequest::default()
    };
    assert_eq!(verdict(&trust(request.clone())), "");
    assert_eq!(verdict(&packet(request.clone())), "signature");
    let short = WorkerHandshakeChallengeRequest { client_nonce: vec![1; 31], ..request.clone() };
    assert_eq!(verdict(&trust(short)), "client_nonce");
    let foreign = WorkerHandshakeChallengeRequest { worker_id: "other".into(), ..request.clone() };
    assert_eq!(verdict(&trust(foreign)), "worker_id");
    let blank = WorkerHandshakeChallengeRequest { audience: " ".into(), ..request.clone() };
    assert_eq!(verdict(&trust(blank)), "audience");
    let with_token = BusPacket { auth_token: Secret::new("t"), ..trust(request) };
    assert_eq!(verdict(&with_token), "auth_token");

    assert_eq!(verdict(&trust(challenge())), "");
    let purpose = WorkerHandshakeChallenge { purpose: WorkerHandshakePurpose::UNSPECIFIED, ..challenge() };
    assert_eq!(verdict(&trust(purpose)), "purpose");
    let long = Timestamp { seconds: 160, nanos: 1_000, ..Timestamp::default() };
    let long = WorkerHandshakeChallenge { expires_at: Some(long), ..challenge() };
    assert_eq!(verdict(&trust(long)), "challenge.expires_at");
    let trace = WorkerHandshakeChallenge { trace_id: "other".into(), ..challenge() };
    assert_eq!(verdict(&trust(trace)), "challenge.trace_id");
}

#[test]
fn s14_an_answer_describes_the_worker_and_a_renewal_has_its_token() {
    let handshake = Handshake {
        component_id: "w".into(),
        role: ComponentRole::WORKER,
        supported_versions: vec![1],
        capabilities: [("job.echo".to_owned(), true)].into(),
        sdk_version: "nuncio".into(),
        ready_topics: vec!["job.echo".into()],
        ..Handshake::default()
    };
    let answer = |challenge, handshake| WorkerHandshakeAuthenticate {
        challenge: Some(challenge),
        capability_handshake: Some(handshake),
        ..WorkerHandshakeAuthenticate::default()
    };
    assert_eq!(verdict(&trust(answer(challenge(), handshake.clone()))), "");
    let renewal = WorkerHandshakeChallenge { purpose: WorkerHandshakePurpose::RENEW, ..challenge() };
    let renewal = trust(answer(renewal, handshake.clone()));
    assert_eq!(verdict(&renewal), "auth_token");
    assert_eq!(verdict(&BusPacket { auth_token: Secret::new("token"), ..renewal.clone() }), "");
    assert_eq!(verdict(&BusPacket { auth_token: Secret::new("to ken"), ..renewal }), "auth_token");

    let wrong = |handshake, field| assert_eq!(verdict(&trust(answer(challenge(), handshake))), field);
    for key in ["", "Job", "1", "job*", &"a".repeat(65)] {
        let capabilities = [(key.to_owned(), true)].into();
        wrong(Handshake { capabilities, ..handshake.clone() }, "capability_handshake.capabilities");
    }
    let disabled = [("job".to_owned(), false)].into();
    wrong(Handshake { capabilities: disabled, ..handshake.clone() }, "capability_handshake.capabilities");
    let twice = vec!["job.echo".to_owned(), "job.echo".to_owned()];
    wrong(Handshake { ready_topics: twice, ..handshake.clone() }, "capability_handshake.ready_topics");
    wrong(Handshake { component_id: "x".into(), ..handshake }, "capability_handshake.component_id");
}

#[test]
fn s14_a_result_has_a_token_or_a_reason() {
    let at = |seconds| Some(Timestamp { seconds, ..Timestamp::default() });
    let accepted = WorkerHandshakeResult {
        challenge: Some(challenge()),
        accepted: true,
        token_expires_at: at(500),
        issued_at: at(110),
        ..WorkerHandshakeResult::default()
    };
    let with_token = |result| BusPacket { auth_token: Secret::new("token"), ..trust(result) };
    assert_eq!(verdict(&with_token(accepted.clone())), "");
    assert_eq!(verdict(&trust(accepted.clone())), "auth_token");
    let expired = WorkerHandshakeResult { token_expires_at: at(110), ..accepted.clone() };
    assert_eq!(verdict(&with_token(expired)), "result.token_expires_at");
    let rejected = WorkerHandshakeResult {
        accepted: false,
        token_expires_at: None,
        rejection_reason: WorkerHandshakeRejectionReason::CLOCK_SKEW,
        ..accepted
    };
    assert_eq!(verdict(&trust(rejected.clone())), "");
    assert_eq!(verdict(&with_token(rejected.clone())), "auth_token");
    let unsaid = WorkerHandshakeResult { rejection_reason: WorkerHandshakeRejectionReason::UNSPECIFIED, ..rejected };
    assert_eq!(verdict(&trust(unsaid)), "result.rejection_reason");
}
