//! Somebody on the bus without a key that anybody knows. Captured packets can be sent again, anywhere.

use bytes::Bytes;
use nuncio_core::cap::{
    BusPacket, JobCancel, JobRequest, JobResult, JobStatus, MapOrder, Payload, Subject, Timestamp, seal,
};

use super::signing::HashSigner;
use super::{Sim, TOPICS, packet_line};
use crate::seeded::{Draw, note};

/// A key that nobody knows.
const STRANGER: HashSigner = HashSigner(666);

impl Sim {
    pub(super) fn attack(&mut self, draw: &mut Draw<'_, '_>) {
        self.count("attack");
        let (subject, bytes) = match draw.below(6) {
            0 => self.forged(draw, true),
            1 => self.forged(draw, false),
            // A packet of somebody else on another subject.
            2 => {
                let Some((_, bytes)) = draw.pick(&self.captured).cloned() else { return };
                (any_subject(draw), bytes)
            }
            // A packet that was changed.
            3 => {
                let Some((subject, bytes)) = draw.pick(&self.captured).cloned() else { return };
                let mut bytes = bytes.to_vec();
                let at = draw.below(bytes.len());
                bytes[at] ^= u8::try_from(1 << draw.below(8)).unwrap_or(1);
                (subject, Bytes::from(bytes))
            }
            4 => (any_subject(draw), Bytes::from(draw.bytes(20))),
            // A packet that comes again.
            _ => {
                let Some(again) = draw.pick(&self.captured).cloned() else { return };
                self.count("packet replayed");
                again
            }
        };
        note(|| format!("  the attacker publishes {}", packet_line(&subject, &bytes)));
        self.send(&subject, &bytes, draw);
    }

    /// Returns a packet in the name of somebody else, with a signature or without.
    fn forged(&self, draw: &mut Draw<'_, '_>, is_signed: bool) -> (Subject, Bytes) {
        let back = draw.below(4);
        let job_id = format!("job-{}", self.next_job.saturating_sub(back));
        let sender = draw.one(&["worker-0", "client-0", "operator", "nobody"]);
        let (subject, payload): (Subject, Payload) = match draw.below(3) {
            0 => {
                let result = JobResult {
                    job_id,
                    status: JobStatus::SUCCEEDED,
                    result_ptr: "redis://forged".into(),
                    worker_id: sender.into(),
                    ..JobResult::default()
                };
                (Subject::JobResult, result.into())
            }
            1 => {
                let cancel = JobCancel { job_id, requested_by: sender.into(), ..JobCancel::default() };
                (Subject::JobCancel, cancel.into())
            }
            _ => {
                let job_id = if draw.chance(50) { "forged".into() } else { job_id };
                let request = JobRequest { job_id, topic: TOPICS[0].into(), ..JobRequest::default() };
                (Subject::parse(TOPICS[0]).expect("a good topic"), request.into())
            }
        };
        let packet = BusPacket {
            trace_id: "forged".into(),
            sender_id: sender.into(),
            created_at: Some(Timestamp::from_time(self.now)),
            protocol_version: 1,
            payload: Some(payload),
            ..BusPacket::default()
        };
        let sealed = seal(packet, MapOrder::Lexicographic, if is_signed { Some(&STRANGER) } else { None });
        (subject, Bytes::from(sealed.expect("a good packet").bytes))
    }
}

fn any_subject(draw: &mut Draw<'_, '_>) -> Subject {
    let texts = [TOPICS[0], TOPICS[1], "worker.worker-0.jobs", "sys.job.cancel", "sys.job.result", "sys.job.submit"];
    Subject::parse(draw.one(&texts)).expect("a good subject")
}
