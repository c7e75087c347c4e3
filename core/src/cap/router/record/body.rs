//! The fields of a record, with the encoding of the packets. A field number is never used for another field.

#![allow(unreachable_pub, dead_code, reason = "the declaration of messages is made for public ones")]

use alloc::string::String;
use alloc::vec::Vec;

use crate::cap::wire::codec::message::messages;
use crate::cap::wire::common::{DispatchIdentity, IdentityBinding};

messages! {
    /// A record of any kind. What a kind has no use for is absent.
    Body {
        /// The version of the record.
        version: u64 = 1,
        /// The number of its kind.
        kind: i32 = 2,
        /// The id of the job.
        job_id: String = 3,
        /// The time when the record was made, the job ended or a session ends, in microseconds. All times are those of
        /// the wall clock when the record was made.
        at: u64 = 4,
        /// The packet of its request, or of its result, or the handshake of a worker.
        packet: Vec<u8> = 5,
        /// The number of its state.
        state: i32 = 6,
        /// How often it was sent.
        attempts: u64 = 7,
        /// How often nothing was heard of it or its worker was lost.
        losses: u64 = 8,
        /// How often it has failed.
        failures: u64 = 9,
        /// The worker that has it.
        worker: String = 10,
        /// The workers that it was sent to.
        tried: Vec<String> = 11,
        /// When it must have ended, in microseconds.
        runtime_until: u64 = 12,
        /// When its state ends by itself, in microseconds.
        step_until: u64 = 13,
        /// The constraint on its runtime, in microseconds.
        max_runtime: u64 = 14,
        /// The constraint on its retries, plus one.
        max_retries: u64 = 15,
        /// The pointer to its redacted input.
        redacted_context_ptr: String = 16,
        /// Why it waits or has to stop.
        reason: String = 17,
        /// The requests that get the same result.
        followers: Vec<FollowerBody> = 18,
        /// The sender of its request.
        submitter: String = 19,
        /// The trace.
        trace_id: String = 20,
        /// The digest of its request, or of a token.
        digest: Vec<u8> = 21,
        /// The tenant of its idempotency key, or of a worker.
        tenant: String = 22,
        /// Its idempotency key, or the key of a worker.
        key: String = 23,
        /// The digest of what the request asks for.
        asks: Vec<u8> = 24,
        /// The topic.
        topic: String = 25,
        /// The digest of the last result that said that it has failed and can be tried again.
        failure: Vec<u8> = 26,
        /// When it was sent first, in microseconds.
        dispatched_at: u64 = 27,
        /// Whether it was sent to its topic.
        on_topic: bool = 28,
        /// The agent of the worker that has a session.
        agent: String = 29,
        /// The id of its latest dispatch.
        dispatch_id: String = 30,
        /// Who the job is for.
        identity: Option<IdentityBinding> = 31,
    }

    /// A request with the same idempotency key.
    FollowerBody {
        /// The id of its job.
        job_id: String = 1,
        /// The trace.
        trace_id: String = 2,
        /// The sender.
        submitter: String = 3,
        /// The digest of the request.
        digest: Vec<u8> = 4,
        /// Its dispatch.
        dispatch: Option<DispatchIdentity> = 5,
        /// Who it is for.
        identity: Option<IdentityBinding> = 6,
    }
}

#[cfg(test)]
mod tests {
    use super::MESSAGES;

    #[test]
    fn the_numbers_of_the_fields_stay() {
        let lines = MESSAGES.iter().flat_map(|(name, fields)| {
            fields.iter().map(move |(field, kind, number)| alloc::format!("{name}.{field} = {number}: {kind}"))
        });
        insta::assert_snapshot!(lines.collect::<alloc::vec::Vec<_>>().join("\n"));
    }
}
