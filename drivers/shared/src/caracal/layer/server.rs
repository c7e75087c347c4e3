//! Middleware for servers.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use nuncio_link::http::{HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;
use tracing::debug;

use crate::caracal::app::Caracal;
use crate::caracal::context::{ActiveContext, InContext};
#[cfg(feature = "jwt")]
use crate::caracal::mandate::MandateVerifier;
#[cfg(feature = "jwt")]
use crate::io::Sanitized;
use crate::io::{BoxFuture, Driver};

/// Runs each request of an HTTP server in the context of its caller. From [`Caracal::layer`].
///
/// A request without a bearer token is answered with 401, unless [`allow_anonymous`](ServerLayer::allow_anonymous) says
/// otherwise. The body of an error is JSON: `{"error":"missing_token"}`.
pub struct ServerLayer<D: Driver> {
    caracal: Caracal<D>,
    is_anonymous_allowed: bool,
    #[cfg(feature = "jwt")]
    verifier: Option<Arc<MandateVerifier<D>>>,
}

impl<D: Driver> Caracal<D> {
    /// Returns middleware that runs each request of an HTTP server in the context of its caller, as
    /// [`bind_from_headers`](Caracal::bind_from_headers) reads it. It verifies no token unless
    /// `ServerLayer::verify` (feature `jwt`) sets how.
    pub fn layer(&self) -> ServerLayer<D> {
        ServerLayer {
            caracal: self.clone(),
            is_anonymous_allowed: false,
            #[cfg(feature = "jwt")]
            verifier: None,
        }
    }
}

impl<D: Driver> ServerLayer<D> {
    /// Handles requests that have no `authorization`, outside every context. What their baggage says is not read.
    pub fn allow_anonymous(mut self) -> ServerLayer<D> {
        self.is_anonymous_allowed = true;
        self
    }

    /// Verifies the token of each request. Handlers find the [`Mandate`](crate::caracal::Mandate) in the extensions of the
    /// request.
    #[cfg(feature = "jwt")]
    pub fn verify(mut self, verifier: MandateVerifier<D>) -> ServerLayer<D> {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Returns the context of a request, or the status and the code of its refusal.
    #[cfg_attr(not(feature = "jwt"), expect(clippy::unused_async, reason = "verification awaits keys"))]
    async fn admit<B>(&self, request: &mut Request<B>) -> Result<Option<ActiveContext>, (StatusCode, &'static str)> {
        if self.is_anonymous_allowed && !request.headers().contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        let context = self.caracal.bind_from_headers(request.headers());
        let context = context.map_err(|_| (StatusCode::UNAUTHORIZED, "missing_token"))?;
        #[cfg(feature = "jwt")]
        if let Some(verifier) = &self.verifier {
            match verifier.verify(context.token()).await {
                Ok(mandate) => {
                    request.extensions_mut().insert(mandate);
                }
                Err(fault) => {
                    debug!(fault = %Sanitized(&fault), "the token of a request was refused");
                    return Err((fault.status(), fault.code()));
                }
            }
        }
        Ok(Some(context))
    }
}

/// Returns the answer to a request that is not admitted.
fn refusal<R: From<Bytes>>(status: StatusCode, code: &'static str) -> Response<R> {
    debug!(%status, code, "a request was refused");
    let mut response = Response::new(R::from(Bytes::from(format!(r#"{{"error":"{code}"}}"#))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let challenge = match status {
        StatusCode::UNAUTHORIZED if code == "missing_token" => Some("Bearer"),
        StatusCode::UNAUTHORIZED => Some(r#"Bearer error="invalid_token""#),
        StatusCode::FORBIDDEN => Some(r#"Bearer error="insufficient_scope""#),
        _ => None,
    };
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

impl<D: Driver, S> Layer<S> for ServerLayer<D> {
    type Service = ServerService<D, S>;

    fn layer(&self, inner: S) -> ServerService<D, S> {
        ServerService { layer: Arc::new(self.clone()), inner }
    }
}

/// An HTTP server that handles each request in the context of its caller. From [`ServerLayer`].
pub struct ServerService<D: Driver, S> {
    layer: Arc<ServerLayer<D>>,
    inner: S,
}

impl<D, S, B, R> Service<Request<B>> for ServerService<D, S>
where
    D: Driver,
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone is not ready; what was polled is taken.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = Arc::clone(&self.layer);
        Box::pin(async move {
            match layer.admit(&mut request).await {
                Ok(context) => InContext::new(context, async move { inner.call(request).await }).await,
                Err((status, code)) => Ok(refusal(status, code)),
            }
        })
    }
}

impl<D: Driver> Clone for ServerLayer<D> {
    fn clone(&self) -> ServerLayer<D> {
        ServerLayer {
            caracal: self.caracal.clone(),
            is_anonymous_allowed: self.is_anonymous_allowed,
            #[cfg(feature = "jwt")]
            verifier: self.verifier.clone(),
        }
    }
}

impl<D: Driver, S: Clone> Clone for ServerService<D, S> {
    fn clone(&self) -> ServerService<D, S> {
        ServerService { layer: Arc::clone(&self.layer), inner: self.inner.clone() }
    }
}

impl<D: Driver> fmt::Debug for ServerLayer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").field("is_anonymous_allowed", &self.is_anonymous_allowed).finish_non_exhaustive()
    }
}

impl<D: Driver, S> fmt::Debug for ServerService<D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerService").finish_non_exhaustive()
    }
}
