//! What is journalled: the values of [`Output::Store`](super::Output::Store).

use alloc::string::String;

use super::ids::JobUlid;

/// One thing a restarted runtime has to know. Secrets are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A credential was minted, or got another value; stored before it is shown to anyone (§14).
    CredentialIssued {
        /// The job it is for.
        job: JobUlid,
        /// The credential's id.
        id: String,
    },
    /// A credential's value was revoked upstream.
    CredentialRevoked {
        /// The job it was for.
        job: JobUlid,
        /// The credential's id.
        id: String,
    },
}
