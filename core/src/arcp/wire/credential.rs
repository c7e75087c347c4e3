//! Credentials as a submitter sees them (§9.8.1).

use alloc::boxed::Box;
use alloc::string::String;

use serde_json::value::RawValue;

use crate::secret::Secret;

/// A credential the host minted for one job (§9.8.1). On the wire its `scheme` is `bearer`.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Names the credential within its job.
    pub id: String,
    /// The material.
    pub value: Secret,
    /// The base URL it is good at.
    pub endpoint: String,
    /// The API spoken there, such as `openai`.
    pub profile: Option<String>,
    /// What the upstream enforces: a JSON object with dotted keys, such as `{"model.use":["tier-fast/*"]}`.
    pub constraints: Option<Box<RawValue>>,
}
