//! The context on calls of other services.

use nuncio_core::caracal::{CallerHeaders, Header, HeaderValue, InvalidUrl, RESOURCE_HEADER, Route, Routes};
use nuncio_core::trace::SpanId;
use nuncio_link::http::{HeaderMap, Request, Uri, header};

use super::app::{Caracal, Owner};
use super::context::{ActiveContext, current};
use super::error::CallError;
use super::fields::{ContextHeaders, is_of_context, set};
use crate::io::{Driver, random};

/// Why a request cannot carry the context. It must not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The URL of a gateway or a resource could be read as another one.
    #[error("the request is not sent: {0}")]
    Url(#[from] InvalidUrl),
    /// The caller's `x-caracal-resource` cannot be sent on.
    #[error("the request is not sent: its x-caracal-resource is not one printable text")]
    Resource,
    /// There is no token, or there are too many hops.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// What was added to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// The request carries the context and its token, so it must not be redirected to another origin.
    Context,
    /// The request is not for a resource of the application, and is as it was.
    Nothing,
}

impl<D: Driver> Caracal<D> {
    /// Returns the header fields that carry the present context: `authorization`, `traceparent`, `tracestate` and
    /// `baggage`. Outside every context it is that of the application, in a new trace.
    ///
    /// Send them to services that may know the token. [`inject`](Caracal::inject) decides that by the configuration.
    pub async fn headers(&self) -> Result<ContextHeaders, CallError> {
        let context = self.owner.calling().await?;
        self.owner.call_headers(&context)
    }

    /// Adds the present context to a request, as far as its URL belongs to a resource or the gateway, and leads it
    /// through the gateway. A request to any other server stays as it is.
    ///
    /// The caller's own `traceparent` stays, and so does its `authorization` unless the request goes through the gateway;
    /// members of its `baggage` are merged. Its `x-caracal-resource` names a resource.
    pub async fn inject<B>(&self, request: &mut Request<B>) -> Result<Injected, InjectError> {
        let (uri, headers) = (request.uri().to_string(), request.headers());
        let named = named_resource(headers)?;
        let route = self.owner.settings.routes.route(&uri, named.as_ref())?;
        match route {
            Route::Direct => return Ok(Injected::Nothing),
            Route::AtGateway | Route::Bound => {}
            Route::Gateway { url, headers } => {
                *request.uri_mut() = url.parse::<Uri>().map_err(|_| InvalidUrl::Character)?;
                for header in &headers {
                    set(request.headers_mut(), header);
                }
                request.headers_mut().remove(header::AUTHORIZATION);
            }
        }
        let context = self.owner.calling().await?;
        let caller = caller_headers(request.headers());
        if caller == CallerHeaders::default() {
            self.owner.call_headers(&context)?.set(request.headers_mut());
        } else {
            for header in self.owner.context_headers(&context, &caller)? {
                set(request.headers_mut(), &header);
            }
        }
        Ok(Injected::Context)
    }

    /// Returns whether an HTTP client may send a request to `to` because the answer to the one to `from` says so. `from` is
    /// the URL that [`inject`](Caracal::inject) has left in the request, or an earlier target.
    ///
    /// A request that carries the context stays at its origin, and at the resource's prefix or the gateway (§1.5). Any other
    /// one may go anywhere.
    pub fn allows_redirect(&self, from: &str, to: &str) -> bool {
        let routes = &self.owner.settings.routes;
        let is_direct = |url: &str| matches!(routes.route(url, None), Ok(Route::Direct));
        // What cannot be read carries the context, and goes nowhere.
        is_direct(from)
            || (Routes::allows_redirect(from, to)
                && matches!(routes.route(to, None), Ok(route) if route != Route::Direct))
    }
}

impl<D: Driver> Caracal<D> {
    /// Returns the header fields of a context without its token.
    pub(crate) fn unsigned_headers(&self, context: &ActiveContext) -> Result<Vec<Header>, CallError> {
        let mut headers = self.owner.context_headers(context, &CallerHeaders::default())?;
        headers.retain(|header| header.name() != "authorization");
        Ok(headers)
    }
}

impl<D: Driver> Owner<D> {
    /// Returns the context that a call is made in, with the application's latest token if it is one of its own.
    async fn calling(&self) -> Result<ActiveContext, CallError> {
        let Some(context) = current() else { return self.outside().await };
        if !context.has_own_token() || !self.owns(&context) || self.hub.tokens.is_lasting(context.token()) {
            return Ok(context);
        }
        let token = self.hub.tokens.valid().await.map_err(CallError::NoToken)?;
        Ok(if *context.token() == token { context } else { context.refreshed(token) })
    }

    /// Returns the header fields of a call in a context, whose caller has set none of them.
    fn call_headers(&self, context: &ActiveContext) -> Result<ContextHeaders, CallError> {
        let (span, limit) = (span()?, self.settings.hop_limit);
        context.check_hop(limit)?;
        let fixed = context.fixed_headers(|| context.headers(span, limit, &CallerHeaders::default()))?;
        Ok(ContextHeaders::new(fixed, context, span))
    }

    fn context_headers(&self, context: &ActiveContext, caller: &CallerHeaders) -> Result<Vec<Header>, CallError> {
        Ok(context.headers(span()?, self.settings.hop_limit, caller)?)
    }
}

/// Returns a random span.
fn span() -> Result<SpanId, CallError> {
    let random = random::id().map_err(|error| CallError::Random(error.to_string()))?;
    SpanId::from_bytes(random).ok_or_else(|| CallError::Random("all its bits are zero".to_owned()))
}

fn named_resource(headers: &HeaderMap) -> Result<Option<HeaderValue>, InjectError> {
    let mut values = headers.get_all(RESOURCE_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| InjectError::Resource)?;
    let value = HeaderValue::new(text).map_err(|_| InjectError::Resource)?;
    if values.next().is_some() { Err(InjectError::Resource) } else { Ok(Some(value)) }
}

/// Reads the fields of a caller. One that is not UTF-8 counts as present and has no members.
fn caller_headers(headers: &HeaderMap) -> CallerHeaders {
    CallerHeaders::read(context_fields(headers))
}

/// Returns the header fields that carry a context, as texts, with an empty one for a value that is not UTF-8.
pub(crate) fn context_fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let of_context = headers.iter().filter(|(name, _)| is_of_context(name.as_str()));
    of_context.map(|(name, value)| (name.as_str(), std::str::from_utf8(value.as_bytes()).unwrap_or_default()))
}
