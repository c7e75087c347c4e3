/// The limits of a [`RespLink`](super::RespLink).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RespConfig {
    /// The longest line, in bytes. Default: 64 KiB.
    pub max_line: usize,
    /// How many elements the arrays of one reply may have together. Default: 1024.
    pub max_elements: usize,
    /// How deeply arrays may be nested. Default: 4.
    pub max_depth: usize,
    /// How many requests may wait for their replies. Default: 1024.
    pub max_requests: usize,
}

impl Default for RespConfig {
    fn default() -> RespConfig {
        RespConfig { max_line: 64 << 10, max_elements: 1024, max_depth: 4, max_requests: 1024 }
    }
}
