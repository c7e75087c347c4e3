//! Provisioned credentials (§9.8.1).

use alloc::boxed::Box;
use alloc::string::String;

use serde_json::value::RawValue;

use crate::secret::Secret;

/// A bearer credential that was minted for one job (§9.8.1).
#[derive(Clone, Debug)]
pub struct Credential {
    /// The name of the credential within its job.
    pub id: String,
    /// The bearer token.
    pub value: Secret,
    /// The base URL of the service that accepts it.
    pub endpoint: String,
    /// The API of that service, such as `openai`.
    pub profile: Option<String>,
    /// The limits that the service enforces: a JSON object with dotted keys, such as `{"model.use":["tier-fast/*"]}`.
    pub constraints: Option<Box<RawValue>>,
}
