//! Signatures of packets, in the three ways that CAP has.
//!
//! ```text
//! generic.rs      every packet of 2.10, and most of 2.17: the packet without its signature
//! trust.rs        the worker trust handshake (2.17, spec/14): a domain, then the same
//! production.rs   the production profile (2.17, spec/19): a domain, then the exact bytes; with audience and expiry
//! replay.rs       packets of the production profile that were seen before
//! profile.rs      what a worker, a client and a router do alike in that profile
//! key.rs          public keys, and the keys by name       host.rs   the signer and the verifier of the host
//! der.rs          the form of a signature                 p256.rs   a signer and a verifier, with the feature `p256`
//! rejection.rs    why a packet is refused                 alert.rs  alerts about that
//! ```
//!
//! Signatures are ECDSA over SHA-256 with P-256, in ASN.1 DER. Other verifiers encode a packet again before they verify
//! it, which fails if encoders differ. Nuncio verifies the bytes as they were received, with the fields of the packet
//! in the order of their numbers. If that fails, it can try the two canonical encodings.

pub(crate) mod alert;
pub(crate) mod der;
pub(crate) mod generic;
pub(crate) mod host;
pub(crate) mod key;
#[cfg(feature = "p256")]
pub(crate) mod p256;
pub(crate) mod production;
pub(crate) mod profile;
pub(crate) mod rejection;
pub(crate) mod replay;
pub(crate) mod trust;
