//! Values that occur in several messages: the actor, the dispatch, the address of a resource.

use alloc::string::String;
use alloc::vec::Vec;

use super::codec::message::messages;
use super::known::Timestamp;

messages! {
    /// Who a packet speaks for (2.17).
    IdentityBinding {
        /// The tenant.
        tenant_id: String = 1,
        /// The principal.
        principal_id: String = 2,
        /// The actor.
        actor_id: String = 3,
        /// The delegation that allows the actor to act.
        delegation_id: String = 4,
    }

    /// Which dispatch of a job is meant (2.17): a result of an earlier dispatch does not count.
    DispatchIdentity {
        /// The id of the dispatch.
        dispatch_id: String = 1,
        /// The number of the attempt.
        attempt: u64 = 2,
        /// The worker it was given to.
        assigned_worker_id: String = 3,
    }

    /// Where a resource is and what it must be (2.17).
    ResourceRef {
        /// The resolver that reads it.
        resolver_id: String = 1,
        /// Its address.
        uri: String = 2,
        /// The SHA-256 digest of its bytes.
        sha256: Vec<u8> = 3,
        /// Its media type.
        media_type: String = 4,
        /// Its size in bytes.
        size_bytes: u64 = 5,
        /// When it can no longer be read.
        expires_at: Option<Timestamp> = 6,
        /// What it is for.
        purpose: String = 7,
    }

    /// How the sender of a packet has signed it (2.17, production profile).
    SignatureMetadata {
        /// The version of the profile: `cap-production-v1`.
        profile_version: String = 1,
        /// The algorithm: `ECDSA-P256-SHA256`.
        algorithm: String = 2,
        /// 16 random bytes that name the packet.
        message_id: Vec<u8> = 3,
        /// The subject that the packet is meant for.
        audience: String = 4,
        /// When the packet is no longer accepted.
        expires_at: Option<Timestamp> = 5,
        /// The key of the sender.
        key_id: String = 6,
    }
}
