//! Threads for connections and timers.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use nuncio_shared::io::Io;
use nuncio_shared::io::{BoxFuture, CancellationToken};
use smol::{Executor, Timer};

/// A thread that carries connections and timers. Agents and applications run elsewhere, so that those that block their
/// threads delay no session.
///
/// A server and a client start one each; many clients of one process can [share one](crate::arcp::ClientBuilder::io_thread).
/// It ends when it is dropped.
#[derive(Debug)]
pub struct IoThread {
    executor: Arc<Executor<'static>>,
    stop: CancellationToken,
}

impl IoThread {
    /// Starts a thread with this name. Fails if the system refuses a thread.
    pub fn start(name: &str) -> io::Result<Arc<IoThread>> {
        let executor = Arc::new(Executor::new());
        let stop = CancellationToken::new();
        let (running, stopped) = (Arc::clone(&executor), stop.clone());
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || smol::block_on(running.run(stopped.cancelled())))?;
        Ok(Arc::new(IoThread { executor, stop }))
    }
}

impl Io for IoThread {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.executor.spawn(task).detach();
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            Timer::at(at).await;
        })
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_thread_ends_with_its_tasks_when_it_is_dropped() {
        let thread = IoThread::start("test").expect("a thread");
        let (held, ended) = channel::<()>();
        thread.spawn(Box::pin(async move {
            std::future::pending::<()>().await;
            drop(held);
        }));
        drop(thread);
        let ended = ended.recv_timeout(Duration::from_mins(1));
        assert_eq!(ended, Err(RecvTimeoutError::Disconnected), "the task is dropped");
    }
}
