//! Runtimes beside each other, called shards: which has a principal, and which part of the limits (ours).

use super::config::Limits;
use crate::digest::sha256;

/// Returns which of several runtimes has the sessions of a principal, from 0 on (ours). A principal stays where it is for as
/// long as their number does.
///
/// ```
/// use nuncio_core::arcp::shard_of;
///
/// assert_eq!(shard_of("me@example.com", 1), 0);
/// assert!(shard_of("me@example.com", 4) < 4);
/// ```
pub fn shard_of(principal: &str, shards: u32) -> u32 {
    let digest = sha256(principal.as_bytes());
    let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    // Less than `shards`, which is 32 bits wide.
    u32::try_from(number % u64::from(shards.max(1))).unwrap_or(0)
}

impl Limits {
    /// Returns the limits of each of several runtimes of one host (ours). What is limited for all sessions together is divided
    /// by their number. The limits of connections are not, because every connection begins at one of the runtimes; nor are those
    /// of a principal, a session or a job, which are in one runtime.
    ///
    /// ```
    /// use nuncio_core::arcp::Limits;
    ///
    /// let limits = Limits::default().divided(4);
    /// assert_eq!((limits.jobs, limits.jobs_per_session), (25_000, 1_000));
    /// ```
    #[must_use]
    pub fn divided(mut self, shards: u32) -> Limits {
        let shards = usize::try_from(shards.max(1)).unwrap_or(usize::MAX);
        for limit in [
            &mut self.bytes,
            &mut self.sessions,
            &mut self.jobs,
            &mut self.input_bytes,
            &mut self.retained_jobs,
            &mut self.retained_bytes,
            &mut self.idempotency_records,
            &mut self.idempotency_bytes,
            &mut self.revocations,
            &mut self.replays,
        ] {
            *limit = limit.div_ceil(shards);
        }
        self
    }
}
