//! What the suite takes from a driver.

use std::sync::Arc;

use futures_lite::future::or;

pub(crate) mod smol;
pub(crate) mod tokio;

/// Runs a test, or fails one that hangs. No test depends on how long anything takes.
pub(crate) fn within<T>(test: impl Future<Output = T>) -> T {
    let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let entered = runtime.enter();
    let hangs = async {
        ::smol::Timer::after(std::time::Duration::from_mins(1)).await;
        panic!("the test hangs")
    };
    let answer = ::smol::block_on(or(test, hangs));
    drop(entered);
    // What agents still do is none of the test's business.
    runtime.shutdown_background();
    answer
}

/// Threads for agents, as many as are asked for.
pub(crate) struct Workers<A> {
    /// What a server is given.
    pub(crate) agents: A,
    _keep: Arc<dyn Send + Sync>,
}
