//! Heartbeats: a worker reports that it is alive, and its load.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::codec::message::messages;
use crate::secret::Secret;

messages! {
    /// The sign of life of a worker.
    Heartbeat {
        /// The worker.
        worker_id: String = 1,
        /// Its region.
        region: String = 2,
        /// Its type.
        r#type: String = 3,
        /// The load of its processors, in percent.
        cpu_load: f32 = 4,
        /// The load of its graphics processors, in percent.
        gpu_utilization: f32 = 5,
        /// The number of jobs that it runs.
        active_jobs: i32 = 6,
        /// What it can do.
        capabilities: Vec<String> = 7,
        /// The pool that it belongs to.
        pool: String = 11,
        /// The most jobs that it runs at the same time.
        max_parallel_jobs: i32 = 12,
        /// Labels.
        labels: BTreeMap<String, String> = 13,
        /// The load of its memory, in percent.
        memory_load: f32 = 14,
        /// How much of its job is done, 0 to 100.
        progress_pct: i32 = 15,
        /// A note for people.
        last_memo: String = 16,
        /// The token of its session.
        auth_token: Secret = 18,
        /// The name of its agent (2.17).
        agent_name: String = 19,
    }
}
