use std::sync::Arc;

pub(crate) use nuncio_tokio::arcp::{Client, Server, ServerBuilder};
use tokio::runtime::{Builder, Handle};

use super::Workers;

pub(crate) fn workers(threads: usize) -> Workers<Handle> {
    let runtime = Builder::new_multi_thread().worker_threads(threads).build().unwrap();
    Workers { agents: runtime.handle().clone(), _keep: Arc::new(Background(Some(runtime))) }
}

/// A runtime that is dropped without waiting for its tasks.
struct Background(Option<tokio::runtime::Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
