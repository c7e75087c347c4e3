use std::sync::Arc;

use futures_lite::{AsyncRead, AsyncWrite};
pub(crate) use nuncio_smol::arcp::{Client, Server, ServerBuilder, Transport};
use smol::Executor;

use super::Workers;

/// The driver's form of a stream.
pub(crate) fn wrap<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> S {
    stream
}

pub(crate) fn workers(threads: usize) -> Workers<Arc<Executor<'static>>> {
    let executor = Arc::new(Executor::new());
    // The threads end when nobody holds the other half any more.
    let (keep, over) = smol::channel::bounded::<()>(1);
    for _ in 0..threads {
        let (executor, over) = (Arc::clone(&executor), over.clone());
        std::thread::spawn(move || smol::block_on(executor.run(over.recv())));
    }
    Workers { agents: executor, _keep: Arc::new(keep) }
}
