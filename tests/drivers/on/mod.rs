//! The parts of the suite that differ by driver.

use std::sync::Arc;

use futures_lite::future::or;

pub(crate) mod smol;
pub(crate) mod tokio;

/// Runs a test, and fails it if it hangs. No test depends on how long anything takes.
pub(crate) fn within<T>(test: impl Future<Output = T>) -> T {
    let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let entered = runtime.enter();
    let hangs = async {
        ::smol::Timer::after(std::time::Duration::from_mins(1)).await;
        panic!("the test hangs")
    };
    let answer = ::smol::block_on(or(test, hangs));
    drop(entered);
    // Agents that are still running do not matter to the test.
    runtime.shutdown_background();
    answer
}

/// A given number of threads for agents.
pub(crate) struct Workers<A> {
    /// The runtime that a server is given for its agents.
    pub(crate) agents: A,
    _keep: Arc<dyn Send + Sync>,
}
