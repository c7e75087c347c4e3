use std::sync::Arc;

use futures_lite::{AsyncRead, AsyncWrite};
pub(crate) use nuncio_tokio::arcp::{Client, Server, ServerBuilder, Transport};
use tokio::runtime::{Builder, Handle};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

use super::Workers;

/// The driver's form of a stream.
pub(crate) fn wrap<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> Compat<S> {
    stream.compat()
}

pub(crate) fn workers(threads: usize) -> Workers<Handle> {
    let runtime = Builder::new_multi_thread().worker_threads(threads).build().unwrap();
    Workers { agents: runtime.handle().clone(), _keep: Arc::new(Background(Some(runtime))) }
}

/// A runtime that is not waited for.
struct Background(Option<tokio::runtime::Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
