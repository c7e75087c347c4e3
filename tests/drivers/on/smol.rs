use std::sync::Arc;

pub(crate) use nuncio_smol::arcp::{Client, Server, ServerBuilder};
use smol::Executor;

use super::Workers;

pub(crate) fn workers(threads: usize) -> Workers<Arc<Executor<'static>>> {
    let executor = Arc::new(Executor::new());
    // The threads end when the sender is dropped.
    let (keep, over) = smol::channel::bounded::<()>(1);
    for _ in 0..threads {
        let (executor, over) = (Arc::clone(&executor), over.clone());
        std::thread::spawn(move || smol::block_on(executor.run(over.recv())));
    }
    Workers { agents: executor, _keep: Arc::new(keep) }
}
