use serde::Deserialize;

/// What a server says about itself. Members that are not needed are ignored, and all but `max_payload` may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol has these")]
pub struct NatsInfo {
    /// The id of the server.
    #[serde(default)]
    pub server_id: String,
    /// The name of the server.
    #[serde(default)]
    pub server_name: String,
    /// The version of the server.
    #[serde(default)]
    pub version: String,
    /// The longest message that the server accepts, in bytes.
    pub max_payload: u64,
    /// Whether the server understands headers, which it needs to report that a request has no responders.
    #[serde(default)]
    pub headers: bool,
    /// Whether the client has to log in.
    #[serde(default)]
    pub auth_required: bool,
    /// Whether the connection has to change to TLS now.
    #[serde(default)]
    pub tls_required: bool,
    /// Whether the connection may change to TLS now.
    #[serde(default)]
    pub tls_available: bool,
    /// The servers of the cluster, each as `HOST:PORT`.
    #[serde(default)]
    pub connect_urls: Vec<String>,
    /// Whether the server is shutting down and asks its clients to go elsewhere.
    #[serde(default, rename = "ldm")]
    pub lame_duck: bool,
}
