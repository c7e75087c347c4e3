//! What a driver brings: tasks, timers and streams. Nothing here knows which async runtime they belong to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncWrite};

use crate::auth::BoxFuture;
use crate::client::Client;
use crate::error::BuildError;
use crate::server::Server;

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

/// A driver's own types, for the builders.
pub trait Driver: 'static {
    /// Its thread for connections.
    type Thread: Io;
    /// Where agents run.
    type Agents;
    /// Its server.
    type Server;
    /// Its client.
    type Client;

    /// Starts a thread with this name.
    fn thread(name: &str) -> io::Result<Arc<Self::Thread>>;
    /// What starts agents, on what was chosen or the driver's default.
    fn agents(chosen: Option<Self::Agents>) -> Result<Spawn, BuildError>;
    /// Its form of a server.
    fn server(server: Server, thread: Arc<Self::Thread>) -> Self::Server;
    /// Its form of a client.
    fn client(client: Client) -> Self::Client;
}
