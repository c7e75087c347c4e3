/// The options of every kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// The maximum length of a received message in bytes. A longer one ends the link with 1009. Default: 1 MiB. A
    /// driver passes the limit of the core's `Config` (core/docs/arcp.md §4).
    pub max_message: usize,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { max_message: 1 << 20 }
    }
}
