/// The limits of an [`Http1Link`](super::Http1Link).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http1Config {
    /// The largest head of a response, with the interim responses before it, in bytes. Default: 32 KiB.
    pub max_head: usize,
    /// The largest body of a response, in bytes. Default: 1 MiB.
    pub max_body: usize,
}

impl Default for Http1Config {
    fn default() -> Http1Config {
        Http1Config { max_head: 32 << 10, max_body: 1 << 20 }
    }
}
