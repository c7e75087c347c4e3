//! What the pages of all lists have in common: those of jobs (§6.6), and of questions and sessions (ours).

use super::Runtime;
use super::host::SessionKey;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::error::Fault;

/// Rows of a page whose request names no limit.
const DEFAULT_LIMIT: u64 = 100;
/// An upper bound of the frame's bytes around the rows, including the repeated request id.
const FRAME_ROOM: usize = 2048;

impl Runtime {
    /// Returns the number of rows that a page may have. `asked` is the limit that the request names.
    pub(super) fn page_limit(&self, asked: Option<Int>) -> Result<u64, Fault> {
        let max = self.config.limits.list_page as u64;
        match asked.map_or(DEFAULT_LIMIT.min(max), |limit| limit.0) {
            limit if (1..=max).contains(&limit) => Ok(limit),
            _ => Err(Fault::invalid(alloc::format!("limit is 1 to {max}"))),
        }
    }

    /// Returns the number of bytes that the rows of a page may have together.
    pub(super) fn page_room(&self, key: SessionKey) -> usize {
        self.frame_limit(Some(key)).saturating_sub(FRAME_ROOM)
    }
}
