//! Threads for connections and timers.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use nuncio_shared::io::BoxFuture;
use nuncio_shared::io::Io;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

/// A thread that carries connections and timers. Agents and applications run elsewhere, so that those that block their
/// threads delay no session.
///
/// A server and a client start one each; many clients of one process can [share one](crate::arcp::ClientBuilder::io_thread).
/// It ends when it is dropped.
#[derive(Debug)]
pub struct IoThread {
    handle: Handle,
    stop: Arc<Notify>,
}

impl IoThread {
    /// Starts a thread with this name. Fails if the system refuses a thread.
    pub fn start(name: &str) -> io::Result<Arc<IoThread>> {
        // Sockets are looked at after every eighth poll of a task: a connection whose turns follow one another delays the
        // others by no more than that many turns.
        let runtime = Builder::new_current_thread().enable_all().event_interval(8).build()?;
        let handle = runtime.handle().clone();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(stopped.notified());
            // A read of stdin cannot be cancelled, so the runtime does not wait for it.
            runtime.shutdown_background();
        })?;
        Ok(Arc::new(IoThread { handle, stop }))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Io for IoThread {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let _driver = self.handle.enter();
        Box::pin(tokio::time::sleep_until(at.into()))
    }

    fn give_way(&self) -> BoxFuture<'static, ()> {
        // The runtime wakes a task that yields like this after it has looked at its sockets.
        Box::pin(tokio::task::yield_now())
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_task_that_gives_way_goes_on_after_what_has_come_on_a_socket() {
        use std::io::Write as _;
        use std::os::unix::net::UnixStream;
        use std::sync::atomic::{AtomicBool, Ordering};

        use tokio::io::AsyncReadExt as _;

        let thread = IoThread::start("test").expect("a thread");
        let (sender, receiver) = channel();
        let (io, (mut ours, theirs)) = (Arc::clone(&thread), UnixStream::pair().expect("a pair"));
        theirs.set_nonblocking(true).expect("a socket");
        thread.spawn(Box::pin(async move {
            let mut theirs = tokio::net::UnixStream::from_std(theirs).expect("a socket");
            let has_come = Arc::new(AtomicBool::new(false));
            let comes = Arc::clone(&has_come);
            io.spawn(Box::pin(async move {
                while theirs.read_u8().await.is_ok() {
                    comes.store(true, Ordering::SeqCst);
                }
            }));
            io.give_way().await;
            for _ in 0..100 {
                ours.write_all(b"x").expect("it is written");
                io.give_way().await;
                sender.send(has_come.swap(false, Ordering::SeqCst)).expect("the test waits");
            }
        }));
        for _ in 0..100 {
            assert_eq!(receiver.recv_timeout(Duration::from_mins(1)), Ok(true));
        }
    }

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
