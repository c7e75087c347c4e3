//! Serving an address until a signal.

use std::io;
use std::time::Duration;

use futures_lite::future::or;

use super::Server;
use super::listen::{ListenOptions, Listening};
use super::shutdown::Shutdown;
use crate::io::{Address, BoxFuture, Driver};

/// How long jobs may go on after the signal, unless [`ServeUntil::drain`] says otherwise.
const DRAIN: Duration = Duration::from_secs(30);

/// Serves WebSocket on an address when it is awaited, until the server has ended. From [`Server::serve`].
///
/// ```
/// # use std::io;
/// # use nuncio_shared::arcp::{Server, Shutdown};
/// # use nuncio_shared::io::Driver;
/// # async fn run<D: Driver>(server: Server<D>, signal: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
/// let ended = server
///     .serve("127.0.0.1:0")
///     .on_listening(|listening| println!("serving {}", listening.url()))
///     .with_graceful_shutdown(signal)
///     .await?;
/// assert_eq!(ended, Shutdown::Drained);
/// # Ok(())
/// # }
/// ```
#[must_use = "an address is served when this is awaited"]
pub struct Serve<D: Driver> {
    server: Server<D>,
    address: Address,
    options: ListenOptions,
    on_listening: Option<OnListening>,
}

/// Serves until a signal, and then shuts the server down. From [`Serve::with_graceful_shutdown`].
#[must_use = "an address is served when this is awaited"]
pub struct ServeUntil<D: Driver> {
    serve: Serve<D>,
    signal: BoxFuture<'static, ()>,
    drain: Duration,
}

type OnListening = Box<dyn FnOnce(&Listening) + Send>;

impl<D: Driver> Server<D> {
    /// Serves WebSocket on a TCP address, at the path `/arcp`, until the server has ended.
    ///
    /// [`listen`](Server::listen) returns as soon as the address is bound, and suits servers with several addresses.
    pub fn serve(&self, address: impl Into<Address>) -> Serve<D> {
        Serve { server: self.clone(), address: address.into(), options: ListenOptions::default(), on_listening: None }
    }
}

impl<D: Driver> Serve<D> {
    /// Sets the options of the socket.
    pub fn options(mut self, options: ListenOptions) -> Serve<D> {
        self.options = options;
        self
    }

    /// Calls a function once the address is bound, with its URL and port.
    pub fn on_listening(mut self, call: impl FnOnce(&Listening) + Send + 'static) -> Serve<D> {
        self.on_listening = Some(Box::new(call));
        self
    }

    /// Shuts the server down when `signal` completes. Jobs then have 30 seconds to end, or what
    /// [`ServeUntil::drain`] says.
    pub fn with_graceful_shutdown(self, signal: impl Future<Output = ()> + Send + 'static) -> ServeUntil<D> {
        ServeUntil { serve: self, signal: Box::pin(signal), drain: DRAIN }
    }

    async fn listen(self) -> io::Result<Server<D>> {
        let listening = self.server.listen_with(self.address, self.options).await?;
        if let Some(call) = self.on_listening {
            call(&listening);
        }
        Ok(self.server)
    }
}

impl<D: Driver> ServeUntil<D> {
    /// Sets how long running jobs may go on after the signal; see [`Server::shutdown`].
    pub fn drain(mut self, drain: Duration) -> ServeUntil<D> {
        self.drain = drain;
        self
    }
}

/// Returns the error of a server that has ended because its journal was lost.
fn kept<D: Driver>(server: &Server<D>) -> io::Result<()> {
    server.inner.front().life.lost_by.get().map_or(Ok(()), |error| Err(io::Error::other(error.clone())))
}

impl<D: Driver> IntoFuture for Serve<D> {
    type Output = io::Result<()>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let server = self.listen().await?;
            server.inner.front().life.stopped.cancelled().await;
            kept(&server)
        })
    }
}

impl<D: Driver> IntoFuture for ServeUntil<D> {
    type Output = io::Result<Shutdown>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let server = self.serve.listen().await?;
            // Another clone of the server may shut it down before the signal.
            or(self.signal, server.inner.front().life.stopped.cancelled()).await;
            let ended = server.shutdown(self.drain).await;
            kept(&server).map(|()| ended)
        })
    }
}

impl<D: Driver> std::fmt::Debug for Serve<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serve").field("address", &self.address).finish_non_exhaustive()
    }
}

impl<D: Driver> std::fmt::Debug for ServeUntil<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeUntil").field("serve", &self.serve).field("drain", &self.drain).finish_non_exhaustive()
    }
}
