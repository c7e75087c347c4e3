//! What an async runtime provides: threads, tasks, timers, sockets, processes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_lite::future::yield_now;
use futures_lite::{AsyncRead, AsyncWrite};

use super::address::Address;
use super::{BoxFuture, Stream};

/// An async runtime, as servers and clients use it. The driver crates implement it as `Tokio` and `Smol`.
///
/// The implementing type has no values; all methods are associated functions.
pub trait Driver: 'static {
    /// A thread that carries connections and timers.
    type Thread: Io;
    /// An executor for agents.
    type Agents;
    /// A listening TCP socket.
    type Listener: Accept;
    /// A program to start, with its arguments and environment.
    type Command: Send + 'static;

    /// Starts a thread with this name.
    fn thread(name: &str) -> io::Result<Arc<Self::Thread>>;

    /// Returns the function that starts agents: on `chosen`, or on the runtime's default executor. Returns `None` if
    /// nothing was chosen and the calling thread has no default executor.
    fn agents(chosen: Option<Self::Agents>) -> Option<Spawn>;

    /// Resolves a host to its addresses, with the one first that the system prefers.
    fn resolve(host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

    /// Connects to an address by TCP.
    fn dial(address: SocketAddr) -> BoxFuture<'static, io::Result<Stream>>;

    /// Resolves an address and listens on it; the socket belongs to `thread`.
    fn bind(address: Address, thread: &Arc<Self::Thread>) -> BoxFuture<'static, io::Result<Self::Listener>>;

    /// Takes over a socket that already listens; it belongs to `thread` from now on.
    fn listener(socket: TcpListener, thread: &Arc<Self::Thread>) -> io::Result<Self::Listener>;

    /// Returns stdin and stdout of this process as one stream.
    fn stdio() -> Stream;

    /// Starts a child process with its stdin and stdout piped. The child is killed when it is dropped.
    fn spawn(command: Self::Command) -> io::Result<Process>;
}

/// A thread that carries connections and timers. It ends when it is dropped.
pub trait Io: Send + Sync + 'static {
    /// Runs a task on the thread to its end.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Returns a timer of the thread.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;

    /// Returns a future for a task of the thread. It completes once the other ready tasks have run and the sockets were looked
    /// at, so that a task which has much to do delays nobody for longer than one of its turns. By default the task only yields,
    /// which suffices for a thread whose sockets are looked at elsewhere.
    fn give_way(&self) -> BoxFuture<'static, ()> {
        Box::pin(yield_now())
    }
}

/// A listening socket.
pub trait Accept: Send + Sync + 'static {
    /// Returns the address it listens on.
    fn address(&self) -> io::Result<SocketAddr>;

    /// Waits for the next connection, and returns it with the address of its peer.
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>>;
}

/// Starts a task for an agent.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// A child process with its pipes.
pub struct Process {
    /// The child's stdin; dropping it closes the pipe.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
    /// The child's stdout.
    pub stdout: Pin<Box<dyn AsyncRead + Send>>,
    /// The child itself. Dropping it kills the process.
    pub child: Box<dyn Child>,
}

/// A running child process.
pub trait Child: Send + 'static {
    /// Waits until the process has ended.
    fn wait(&mut self) -> BoxFuture<'_, io::Result<()>>;

    /// Kills the process.
    fn kill(&mut self) -> io::Result<()>;
}
