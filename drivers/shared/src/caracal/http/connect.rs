//! Makes connections: TCP, and TLS for `https`.

use std::marker::PhantomData;

use nuncio_link::http1::{Http1Config, Http1Link};

use super::exchange::Connection;
use super::origin::Origin;
#[cfg(feature = "tls")]
use crate::auth::{Authorities, ClientTls, TlsError};
#[cfg(feature = "tls")]
use crate::io::sync::lock;
use crate::io::{Driver, Io as _, Stream, connect};

pub(super) struct Connector<D> {
    /// The TLS configuration, once one is needed.
    #[cfg(feature = "tls")]
    tls: std::sync::Mutex<Option<ClientTls>>,
    driver: PhantomData<fn(D)>,
}

impl<D: Driver> Connector<D> {
    pub(super) fn new(#[cfg(feature = "tls")] tls: Option<ClientTls>) -> Connector<D> {
        Connector {
            #[cfg(feature = "tls")]
            tls: std::sync::Mutex::new(tls),
            driver: PhantomData,
        }
    }

    /// Makes a connection. The error says what went wrong.
    pub(super) async fn connect(
        &self,
        thread: &D::Thread,
        origin: &Origin,
        config: Http1Config,
    ) -> Result<Connection, String> {
        let stream = connect::<D>(origin.host.clone(), origin.port, |at| thread.sleep_until(at))
            .await
            .map_err(|error| error.to_string())?;
        let stream = if origin.is_tls { self.secured(stream, origin).await? } else { stream };
        Ok(Connection::new(stream, Http1Link::new(config)))
    }

    #[cfg(feature = "tls")]
    async fn secured(&self, stream: Stream, origin: &Origin) -> Result<Stream, String> {
        let tls = self.tls().map_err(|error| error.to_string())?;
        tls.shake_hands(stream, &origin.host).await.map_err(|error| error.to_string())
    }

    /// Returns the configuration that was set, or one that trusts the authorities of the system.
    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> Result<ClientTls, TlsError> {
        let mut held = lock(&self.tls);
        if let Some(tls) = &*held {
            return Ok(tls.clone());
        }
        let tls = ClientTls::new(Authorities::system()?)?;
        Ok(held.insert(tls).clone())
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "it has the shape that it has with TLS")]
    async fn secured(&self, _: Stream, _: &Origin) -> Result<Stream, String> {
        Err("https:// needs the driver's feature `tls`".to_owned())
    }
}
