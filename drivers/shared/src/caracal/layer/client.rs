//! Middleware for clients.

use std::fmt;
use std::task::{Context, Poll};

use nuncio_link::http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::caracal::app::Caracal;
use crate::caracal::context::in_current_context;
use crate::caracal::inject::InjectError;
use crate::io::{BoxFuture, Driver};

/// Why a request through a [`ClientLayer`] has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientLayerError<E> {
    /// The request cannot carry the context. It was not sent.
    #[error(transparent)]
    Inject(InjectError),
    /// The client has failed.
    #[error(transparent)]
    Client(E),
}

/// Adds the present context to the requests of an HTTP client, as [`Caracal::inject`] does. From
/// [`Caracal::client_layer`].
pub struct ClientLayer<D: Driver> {
    caracal: Caracal<D>,
}

impl<D: Driver> Caracal<D> {
    /// Returns middleware that adds the present context to the requests of an HTTP client.
    ///
    /// The client must not follow redirects by itself unless [`allows_redirect`](Caracal::allows_redirect) says so: the
    /// context's headers would go with them. A layer that follows redirects belongs outside of this one, which then decides
    /// anew for each of them.
    pub fn client_layer(&self) -> ClientLayer<D> {
        ClientLayer { caracal: self.clone() }
    }
}

impl<D: Driver, S> Layer<S> for ClientLayer<D> {
    type Service = ClientService<D, S>;

    fn layer(&self, inner: S) -> ClientService<D, S> {
        ClientService { caracal: self.caracal.clone(), inner }
    }
}

/// An HTTP client whose requests carry the present context. From [`ClientLayer`].
pub struct ClientService<D: Driver, S> {
    caracal: Caracal<D>,
    inner: S,
}

impl<D, S, B> Service<Request<B>> for ClientService<D, S>
where
    D: Driver,
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = ClientLayerError<S::Error>;
    type Future = BoxFuture<'static, Result<S::Response, ClientLayerError<S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(ClientLayerError::Client)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone is not ready; what was polled is taken.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let caracal = self.caracal.clone();
        Box::pin(in_current_context(async move {
            caracal.inject(&mut request).await.map_err(ClientLayerError::Inject)?;
            inner.call(request).await.map_err(ClientLayerError::Client)
        }))
    }
}

impl<D: Driver> Clone for ClientLayer<D> {
    fn clone(&self) -> ClientLayer<D> {
        ClientLayer { caracal: self.caracal.clone() }
    }
}

impl<D: Driver, S: Clone> Clone for ClientService<D, S> {
    fn clone(&self) -> ClientService<D, S> {
        ClientService { caracal: self.caracal.clone(), inner: self.inner.clone() }
    }
}

impl<D: Driver> fmt::Debug for ClientLayer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLayer").finish_non_exhaustive()
    }
}

impl<D: Driver, S> fmt::Debug for ClientService<D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").finish_non_exhaustive()
    }
}
