//! Packets and subjects from the choices of a fuzzer.

use nuncio_core::cap::{
    Acceptance, Budget, BusPacket, ComponentRole, DecodeLimits, DispatchIdentity, Handshake, Heartbeat, JobCancel,
    JobMetadata, JobPriority, JobProgress, JobRequest, JobResult, JobStatus, MapOrder, Payload, Subject, SystemAlert,
    Timestamp, validate,
};
use nuncio_core::time::Time;

use crate::seeded::Draw;

/// Returns the id of a job: few, so that packets meet.
pub(super) fn job_id(draw: &mut Draw<'_, '_>) -> String {
    match draw.below(20) {
        0 => String::new(),
        1 => "x".repeat(300),
        _ => format!("j{}", draw.below(6)),
    }
}

pub(super) fn sender(draw: &mut Draw<'_, '_>) -> String {
    draw.one(&["client", "worker", "router", "other", ""]).to_owned()
}

fn dispatch(draw: &mut Draw<'_, '_>) -> Option<DispatchIdentity> {
    draw.chance(10).then(|| DispatchIdentity {
        dispatch_id: draw.one(&["", "d1", "d2"]).into(),
        attempt: draw.below(3) as u64,
        assigned_worker_id: sender(draw),
        ..DispatchIdentity::default()
    })
}

pub(super) fn request(draw: &mut Draw<'_, '_>) -> JobRequest {
    let deadline_ms = draw.one(&[0, 0, 0, 5, 70_000, i64::MAX, -1]);
    let idempotency_key = draw.one(&["", "", "k", "l"]).to_owned();
    JobRequest {
        job_id: job_id(draw),
        topic: draw.one(&["job.a", "job.a", "job.b", "sys.x", "job.*", ""]).into(),
        priority: JobPriority(draw.one(&[0, 0, 1, 3, 9, -1])),
        context_ptr: draw.one(&["", "redis://c", "mem://c", "s3://c", "redis://"]).into(),
        parent_job_id: if draw.chance(20) { job_id(draw) } else { String::new() },
        budget: draw.chance(40).then(|| Budget { deadline_ms, ..Budget::default() }),
        tenant_id: draw.one(&["", "t"]).into(),
        meta: draw.chance(30).then(|| JobMetadata { idempotency_key, ..JobMetadata::default() }),
        dispatch: dispatch(draw),
        ..JobRequest::default()
    }
}

pub(super) fn payload(draw: &mut Draw<'_, '_>) -> Payload {
    let statuses = [5, 5, 6, 7, 8, 9, 10, 11, 0, 4, 99];
    match draw.below(8) {
        0..=2 => request(draw).into(),
        3 => JobResult {
            job_id: job_id(draw),
            status: JobStatus(draw.one(&statuses)),
            result_ptr: "redis://r".into(),
            worker_id: sender(draw),
            execution_ms: draw.one(&[0, 7, i64::MAX]),
            dispatch: dispatch(draw),
            ..JobResult::default()
        }
        .into(),
        4 => JobCancel {
            job_id: job_id(draw),
            reason: draw.one(&["", "enough"]).into(),
            requested_by: sender(draw),
            dispatch: dispatch(draw),
            ..JobCancel::default()
        }
        .into(),
        5 => JobProgress {
            job_id: job_id(draw),
            percent: draw.one(&[0, 50, 100, 101, -1]),
            status: JobStatus(draw.one(&statuses)),
            dispatch: dispatch(draw),
            ..JobProgress::default()
        }
        .into(),
        6 => Heartbeat {
            worker_id: sender(draw),
            cpu_load: draw.one(&[0.0, 90.0, f32::NAN, f32::INFINITY, -1.0]),
            active_jobs: draw.one(&[0, 1, i32::MAX, -1]),
            max_parallel_jobs: draw.one(&[0, 1, 8, i32::MAX, -1]),
            ..Heartbeat::default()
        }
        .into(),
        _ if draw.chance(20) => SystemAlert { message: "m".into(), ..SystemAlert::default() }.into(),
        _ => Handshake {
            component_id: sender(draw),
            role: ComponentRole(draw.one(&[3, 0, 2, 77])),
            supported_versions: vec![1],
            ready_topics: vec![draw.one(&["job.a", "job.b", ""]).into()],
            ..Handshake::default()
        }
        .into(),
    }
}

/// Returns a packet, which may be one that no component sends.
pub(super) fn packet(now: Time, draw: &mut Draw<'_, '_>) -> Vec<u8> {
    if draw.chance(5) {
        let len = draw.below(60);
        return draw.bytes(len);
    }
    drawn(now, draw).encode(MapOrder::Lexicographic)
}

/// Returns what a packet says, which may be something that no component says.
pub(super) fn drawn(now: Time, draw: &mut Draw<'_, '_>) -> BusPacket {
    BusPacket {
        trace_id: draw.one(&["trace", ""]).into(),
        sender_id: sender(draw),
        created_at: Some(Timestamp::from_time(now)),
        protocol_version: draw.one(&[1, 1, 1, 1, 1, 2, 0]),
        payload: Some(payload(draw)),
        ..BusPacket::default()
    }
}

pub(super) fn subject(draw: &mut Draw<'_, '_>) -> Subject {
    let texts = [
        "job.a",
        "job.b",
        "worker.worker.jobs",
        "sys.job.submit",
        "sys.job.result",
        "sys.job.cancel",
        "sys.job.progress",
        "sys.heartbeat",
        "sys.handshake",
        "sys.alert",
    ];
    Subject::parse(draw.one(&texts)).expect("a good subject")
}

/// Checks that a packet of one of our machines is valid for everybody, and belongs on its subject.
pub(super) fn assert_valid(subject: &Subject, bytes: &[u8], sender: &str) -> BusPacket {
    let packet = BusPacket::decode(bytes, &DecodeLimits::default()).expect("what is published can be decoded");
    validate(&packet, Acceptance::Since217).expect("what is published is valid");
    assert_eq!(packet.sender_id, sender, "what is published on {subject} names its sender");
    packet
}
