//! What a driver brings: tasks, timers and streams. Nothing here knows which async runtime they belong to.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncWrite};

pub(crate) mod clock;
pub(crate) mod conn;
pub(crate) mod memory;
pub(crate) mod pipe;
pub(crate) mod sync;

pub use sync::{CancellationToken, Signal};

/// A boxed future, the form in which traits with async methods can be objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The thread that carries connections and timers. Dropped, it ends.
pub trait Io: Send + Sync + 'static {
    /// Runs a task there, to its end.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// A timer of that thread.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;
}

/// Runs an agent's task, wherever agents run.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// Any stream.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Duplex for S {}

/// A stream of any type.
pub type Stream = Pin<Box<dyn Duplex>>;

/// A future's value, or `None` once the time is over.
pub(crate) async fn timeout<T>(io: &dyn Io, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let over = io.sleep_until(Instant::now() + limit);
    or(async { Some(future.await) }, async {
        over.await;
        None
    })
    .await
}
