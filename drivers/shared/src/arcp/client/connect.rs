//! Where the connections of a client come from.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use nuncio_link::{ClientOptions, InvalidUrl};

use super::transport::Transport;
#[cfg(feature = "tls")]
use crate::auth::tls::{Authorities, ClientTls, TlsError};
use crate::io::{BoxFuture, Driver, Io as _, Stream, connect};

/// Makes the connections of a client, on the client's own thread.
pub(super) trait Connector<D: Driver>: Send + 'static {
    /// Makes a connection. It is called again whenever the last connection was lost.
    fn connect(&mut self, thread: &Arc<D::Thread>) -> BoxFuture<'static, io::Result<Transport>>;

    /// Sets how TLS is spoken, for connectors that do.
    #[cfg(feature = "tls")]
    fn set_tls(&mut self, _tls: ClientTls) {}
}

/// Calls a function of the application.
pub(super) struct Function<F>(pub(super) F);

impl<D, F, R> Connector<D> for Function<F>
where
    D: Driver,
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = io::Result<Transport>> + Send + 'static,
{
    fn connect(&mut self, _thread: &Arc<D::Thread>) -> BoxFuture<'static, io::Result<Transport>> {
        Box::pin((self.0)())
    }
}

/// Starts a child process, once: its session ends with it.
pub(super) struct Program<C>(pub(super) Option<C>);

impl<D: Driver> Connector<D> for Program<D::Command> {
    fn connect(&mut self, thread: &Arc<D::Thread>) -> BoxFuture<'static, io::Result<Transport>> {
        let ended = || io::Error::new(io::ErrorKind::BrokenPipe, "the child process has ended");
        let spawned = self.0.take().ok_or_else(ended).and_then(D::spawn);
        let transport = spawned.map(|process| Transport::lines(process.into_stream(thread)));
        Box::pin(std::future::ready(transport))
    }
}

/// Connects to a URL: by TCP, with TLS if the scheme says so, and WebSocket.
pub(super) struct Url<D> {
    options: ClientOptions,
    /// `None` until TLS is first needed or configured.
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    driver: PhantomData<fn(D)>,
}

impl<D> Url<D> {
    pub(super) fn new(url: &str) -> Result<Url<D>, InvalidUrl> {
        Ok(Url {
            options: ClientOptions::new(url)?,
            #[cfg(feature = "tls")]
            tls: None,
            driver: PhantomData,
        })
    }

    #[cfg(feature = "tls")]
    fn tls(&mut self) -> Result<ClientTls, TlsError> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let tls = ClientTls::new(Authorities::system()?)?;
        Ok(self.tls.insert(tls).clone())
    }
}

/// Connects to the host of a URL.
async fn dialled<D: Driver>(thread: &D::Thread, options: &ClientOptions) -> io::Result<Stream> {
    connect::<D>(options.host().to_owned(), options.port(), |at| thread.sleep_until(at)).await
}

impl<D: Driver> Connector<D> for Url<D> {
    #[cfg(feature = "tls")]
    fn set_tls(&mut self, tls: ClientTls) {
        self.tls = Some(tls);
    }

    #[cfg(feature = "tls")]
    fn connect(&mut self, thread: &Arc<D::Thread>) -> BoxFuture<'static, io::Result<Transport>> {
        let options = self.options.clone();
        let tls = options.tls().then(|| self.tls());
        let thread = Arc::clone(thread);
        Box::pin(async move {
            let stream = dialled::<D>(&thread, &options).await?;
            let stream = match tls {
                None => stream,
                Some(tls) => tls.map_err(io::Error::other)?.shake_hands(stream, options.host()).await?,
            };
            Ok(Transport::websocket(stream, options).written_anywhere())
        })
    }

    #[cfg(not(feature = "tls"))]
    fn connect(&mut self, thread: &Arc<D::Thread>) -> BoxFuture<'static, io::Result<Transport>> {
        let options = self.options.clone();
        if options.tls() {
            let error = "this program was built without the driver's feature `tls`, so wss:// needs a connector of its \
                         own: see Client::over";
            return Box::pin(std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, error))));
        }
        let thread = Arc::clone(thread);
        Box::pin(async move {
            let stream = dialled::<D>(&thread, &options).await?;
            Ok(Transport::websocket(stream, options).written_anywhere())
        })
    }
}
