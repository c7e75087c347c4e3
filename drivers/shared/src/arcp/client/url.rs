use std::io;
use std::sync::Arc;

use nuncio_link::{ClientOptions, InvalidUrl};

use super::connect::{Connector, Transport};
#[cfg(feature = "tls")]
use crate::auth::tls::{Authorities, ClientTls, TlsError};
use crate::io::BoxFuture;
use crate::io::Stream;

/// TCP, TLS where the URL says so, and WebSocket. The TCP is a driver's.
pub struct Url<F> {
    options: ClientOptions,
    dial: F,
    /// None: with the authorities of the system, once they are needed.
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
}

impl<F> Url<F> {
    /// For a driver: `dial` connects to a host and a port.
    pub fn new(url: &str, dial: F) -> Result<Url<F>, InvalidUrl> {
        Ok(Url {
            options: ClientOptions::new(url)?,
            dial,
            #[cfg(feature = "tls")]
            tls: None,
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

impl<T, F, R> Connector<T> for Url<F>
where
    F: FnMut(String, u16) -> R + Send + 'static,
    R: Future<Output = io::Result<Stream>> + Send + 'static,
{
    #[cfg(feature = "tls")]
    fn set_tls(&mut self, tls: ClientTls) {
        self.tls = Some(tls);
    }

    #[cfg(feature = "tls")]
    fn connect(&mut self, _io: &Arc<T>) -> BoxFuture<'static, io::Result<Transport>> {
        let options = self.options.clone();
        let tls = options.tls().then(|| self.tls());
        let dialled = (self.dial)(options.host().to_owned(), options.port());
        Box::pin(async move {
            let stream = match tls {
                None => dialled.await?,
                Some(tls) => tls.map_err(io::Error::other)?.shake_hands(dialled.await?, options.host()).await?,
            };
            Ok(Transport::websocket(stream, options))
        })
    }

    #[cfg(not(feature = "tls"))]
    fn connect(&mut self, _io: &Arc<T>) -> BoxFuture<'static, io::Result<Transport>> {
        let options = self.options.clone();
        if options.tls() {
            let error = "this program was built without the driver's feature `tls`, so wss:// needs a connector of its \
                         own: see Client::over";
            return Box::pin(std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, error))));
        }
        let dialled = (self.dial)(options.host().to_owned(), options.port());
        Box::pin(async move { Ok(Transport::websocket(dialled.await?, options)) })
    }
}
