//! HTTP/1.1 on the driver's sockets: connections that are kept alive, over the framing of `nuncio-link`.
//!
//! ```text
//! origin.rs      where a request goes
//! connect.rs     TCP and TLS
//! pool.rs        connections that wait for another request, and how many there may be
//! exchange.rs    one request and its response on a connection
//! ```

mod connect;
mod error;
mod exchange;
pub(crate) mod origin;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_link::http::{Request, Response};
use nuncio_link::http1::Http1Config;

pub use self::error::HttpError;

use self::connect::Connector;
use self::origin::Origin;
use self::pool::Pool;
#[cfg(feature = "tls")]
use crate::auth::{ClientTls, TlsError};
use crate::io::clock::timeout;
use crate::io::{Driver, Io as _};

/// The settings of an [`HttpClient`].
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    pub(crate) link: Http1Config,
    /// How long a connection may take, with TLS.
    pub(crate) connect_timeout: Duration,
    /// The connections to one origin at a time; further requests wait.
    pub(crate) connections: usize,
    /// How long a connection is kept that no request uses. Servers close them too, after 5 s as a rule.
    pub(crate) idle: Duration,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            link: Http1Config::default(),
            connect_timeout: Duration::from_secs(5),
            connections: 32,
            idle: Duration::from_secs(4),
        }
    }
}

/// A client of HTTP/1.1 servers. Clones share their connections.
pub(crate) struct HttpClient<D: Driver> {
    parts: Arc<Parts<D>>,
}

struct Parts<D: Driver> {
    thread: Arc<D::Thread>,
    connector: Connector<D>,
    pool: Pool,
    config: HttpConfig,
}

impl<D: Driver> HttpClient<D> {
    /// Returns a client whose connections belong to `thread`.
    pub(crate) fn new(
        thread: Arc<D::Thread>,
        config: HttpConfig,
        #[cfg(feature = "tls")] tls: Option<ClientTls>,
    ) -> HttpClient<D> {
        let connector = Connector::new(
            #[cfg(feature = "tls")]
            tls,
        );
        let pool = Pool::new(config.connections, config.idle);
        HttpClient { parts: Arc::new(Parts { thread, connector, pool, config }) }
    }

    /// Returns the TLS configuration that was set, or one that trusts the authorities of the system.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Result<ClientTls, TlsError> {
        self.parts.connector.tls()
    }

    /// Sends a request and waits for the response. It has to be awaited on the client's thread, and can be dropped at any
    /// time, which closes its connection. It has no deadline but that of connecting.
    pub(crate) async fn exchange(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let Parts { thread, connector, pool, config } = &*self.parts;
        let origin = Origin::of(request.uri()).map_err(HttpError::Url)?;
        let permit = pool.permit(&origin).await;
        let mut connection = match permit.idle().await {
            Some(connection) => connection,
            None => {
                let connecting = connector.connect(thread, &origin, config.link);
                let connected = timeout(&**thread, config.connect_timeout, connecting).await;
                let reason = connected
                    .unwrap_or_else(|| Err(format!("there was no connection within {:?}", config.connect_timeout)));
                reason.map_err(|reason| HttpError::Connect { origin: origin.to_string(), reason })?
            }
        };
        let response = connection.exchange(&origin, request).await?;
        permit.keep(connection);
        Ok(response)
    }
}

impl<D: Driver> HttpClient<D> {
    /// Sends a request from any thread, and waits for the response for up to `limit`.
    pub(crate) async fn send(&self, request: Request<Bytes>, limit: Duration) -> Result<Response<Bytes>, HttpError> {
        let (mut sender, receiver) = oneshot::channel();
        let client = self.clone();
        self.parts.thread.spawn(Box::pin(async move {
            let exchange = async {
                let thread = &*client.parts.thread;
                let late = || {
                    let origin = Origin::of(request.uri()).map(|origin| origin.to_string()).unwrap_or_default();
                    Err(HttpError::Timeout { origin, limit })
                };
                Some(timeout(thread, limit, client.exchange(&request)).await.unwrap_or_else(late))
            };
            let given_up = async {
                sender.cancellation().await;
                None
            };
            if let Some(response) = or(exchange, given_up).await {
                let _is_gone = sender.send(response).is_err();
            }
        }));
        receiver.await.unwrap_or(Err(HttpError::Closed))
    }
}

impl<D: Driver> Clone for HttpClient<D> {
    fn clone(&self) -> HttpClient<D> {
        HttpClient { parts: Arc::clone(&self.parts) }
    }
}
