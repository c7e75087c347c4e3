/// The identity and the limits of a [`NatsServerLink`](super::NatsServerLink).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServerConfig {
    /// The id and name of the server, as clients are told. Default: `nuncio`.
    pub name: String,
    /// The longest payload that a client may publish, in bytes. Default: 1 MiB.
    pub max_payload: usize,
    /// The longest line that a client may send, and the longest block of headers, in bytes. Default: 64 KiB.
    pub max_line: usize,
    /// How many subscriptions a client may have. Default: 1024.
    pub max_subscriptions: usize,
    /// How many bytes may wait to be written until the link takes no further messages for its client. Default: 1 MiB.
    pub max_output: usize,
}

impl Default for NatsServerConfig {
    fn default() -> NatsServerConfig {
        NatsServerConfig {
            name: "nuncio".to_owned(),
            max_payload: 1 << 20,
            max_line: 64 << 10,
            max_subscriptions: 1024,
            max_output: 1 << 20,
        }
    }
}
