//! A small HTTP client whose calls carry the context.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use nuncio_link::http::{Request, Response};

use super::app::Caracal;
use super::http::HttpError;
use super::inject::InjectError;
use crate::io::Driver;

/// Why a call of a [`Transport`] has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request cannot carry the context. It was not sent.
    #[error(transparent)]
    Inject(#[from] InjectError),
    /// The request has no response.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// A small HTTP/1.1 client, on which every request carries the present context as [`Caracal::inject`] decides.
///
/// Connections are kept alive. A response has at most 1 MiB, and redirects are not followed. For more, add the context to
/// the requests of another client with [`Caracal::client_layer`].
///
/// ```no_run
/// # async fn items(caracal: nuncio_shared::caracal::Caracal<nuncio_smol::Smol>) -> Result<(), Box<dyn std::error::Error>> {
/// use nuncio_shared::caracal::http_types::Request;
///
/// let request = Request::get("http://inventory:8080/items").body("")?;
/// let response = caracal.transport().send(request).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
pub struct Transport<D: Driver> {
    caracal: Caracal<D>,
    timeout: Duration,
}

impl<D: Driver> Caracal<D> {
    /// Returns a small HTTP client whose calls carry the present context.
    pub fn transport(&self) -> Transport<D> {
        Transport { caracal: self.clone(), timeout: self.owner.settings.request_timeout }
    }
}

impl<D: Driver> Transport<D> {
    /// Sets how long a request may stay unanswered. Default: that of the application's requests to its coordinator.
    pub fn timeout(mut self, limit: Duration) -> Transport<D> {
        self.timeout = limit;
        self
    }

    /// Sends a request, whose URL is absolute, and waits for the response.
    pub async fn send(&self, request: Request<impl Into<Bytes>>) -> Result<Response<Bytes>, TransportError> {
        let mut request = request.map(Into::into);
        self.caracal.inject(&mut request).await?;
        Ok(self.caracal.owner.hub.http.send(request, self.timeout).await?)
    }
}

impl<D: Driver> Clone for Transport<D> {
    fn clone(&self) -> Transport<D> {
        Transport { caracal: self.caracal.clone(), timeout: self.timeout }
    }
}

impl<D: Driver> fmt::Debug for Transport<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
