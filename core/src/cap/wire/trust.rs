//! The worker trust handshake (2.17, spec/14): challenge, authentication, result.

use alloc::string::String;
use alloc::vec::Vec;

use super::codec::message::messages;
use super::codec::open_enum::open_enums;
use super::handshake::Handshake;
use super::known::Timestamp;

open_enums! {
    /// What a trust handshake is for.
    WorkerHandshakePurpose {
        /// Not said.
        UNSPECIFIED = 0,
        /// A new session.
        ISSUE = 1,
        /// A new token for a session.
        RENEW = 2,
    }

    /// How a worker proves that it has its key.
    WorkerHandshakeProofAlgorithm {
        /// Not said.
        UNSPECIFIED = 0,
        /// ECDSA with P-256 and SHA-256.
        ECDSA_P256_SHA256 = 1,
    }

    /// Why a trust handshake was rejected.
    WorkerHandshakeRejectionReason {
        /// Not said.
        UNSPECIFIED = 0,
        /// The request is invalid.
        INVALID_REQUEST = 1,
        /// The proof is wrong.
        AUTHENTICATION_FAILED = 2,
        /// The request was seen before.
        REPLAY_DETECTED = 3,
        /// The clocks differ too much.
        CLOCK_SKEW = 4,
        /// The challenge was answered too late.
        CHALLENGE_EXPIRED = 5,
        /// A renewal came without a session.
        SESSION_REQUIRED = 6,
        /// The session is not valid.
        SESSION_INVALID = 7,
        /// The protocol version is not supported.
        UNSUPPORTED_VERSION = 8,
        /// The scheduler has a fault.
        INTERNAL_ERROR = 9,
    }
}

messages! {
    /// A worker asks for a challenge.
    WorkerHandshakeChallengeRequest {
        /// The id of the request.
        request_id: String = 1,
        /// The trace.
        trace_id: String = 2,
        /// The worker.
        worker_id: String = 3,
        /// The key of the worker.
        proof_key_id: String = 4,
        /// How the worker signs.
        proof_algorithm: WorkerHandshakeProofAlgorithm = 5,
        /// Whom the request is meant for.
        audience: String = 6,
        /// A new session or a new token.
        purpose: WorkerHandshakePurpose = 7,
        /// 32 random bytes of the worker.
        client_nonce: Vec<u8> = 8,
        /// The protocol version.
        protocol_version: i32 = 9,
        /// The software of the worker.
        sdk_version: String = 10,
    }

    /// The scheduler's challenge.
    WorkerHandshakeChallenge {
        /// The id of the request.
        request_id: String = 1,
        /// The id of the challenge.
        challenge_id: String = 2,
        /// The trace.
        trace_id: String = 3,
        /// The worker.
        worker_id: String = 4,
        /// The agent that the worker belongs to.
        agent_id: String = 5,
        /// The tenant that the worker belongs to.
        tenant_id: String = 6,
        /// The key of the worker.
        proof_key_id: String = 7,
        /// How the worker signs.
        proof_algorithm: WorkerHandshakeProofAlgorithm = 8,
        /// The key of the scheduler.
        server_key_id: String = 9,
        /// Whom the request was meant for.
        audience: String = 10,
        /// A new session or a new token.
        purpose: WorkerHandshakePurpose = 11,
        /// The random bytes of the worker.
        client_nonce: Vec<u8> = 12,
        /// 32 random bytes of the scheduler.
        server_nonce: Vec<u8> = 13,
        /// The protocol version.
        protocol_version: i32 = 14,
        /// The software of the worker.
        sdk_version: String = 15,
        /// When the challenge was made.
        issued_at: Option<Timestamp> = 16,
        /// The time by which it must be answered.
        expires_at: Option<Timestamp> = 17,
    }

    /// The worker's answer: a signed copy of the challenge.
    WorkerHandshakeAuthenticate {
        /// The challenge, unchanged.
        challenge: Option<WorkerHandshakeChallenge> = 1,
        /// What the worker can do.
        capability_handshake: Option<Handshake> = 2,
    }

    /// The outcome. The token is in the packet.
    WorkerHandshakeResult {
        /// The challenge, unchanged.
        challenge: Option<WorkerHandshakeChallenge> = 1,
        /// Whether the worker is trusted.
        accepted: bool = 2,
        /// Why it is not.
        rejection_reason: WorkerHandshakeRejectionReason = 3,
        /// Until when the token is valid.
        token_expires_at: Option<Timestamp> = 4,
        /// When the result was made.
        issued_at: Option<Timestamp> = 5,
    }
}
