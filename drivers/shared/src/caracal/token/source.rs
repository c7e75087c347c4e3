//! Where a token comes from.

use std::fmt;
use std::sync::Arc;

use nuncio_core::caracal::{ApplicationId, BearerToken, IssuedToken, LIFECYCLE_SCOPE, Secret, TokenError};
use nuncio_core::caracal::{TokenExchange, Ttl, ZoneId};
use nuncio_core::time::Time;

use crate::caracal::http::origin::{Endpoint, InvalidEndpoint};
use crate::caracal::http::{HttpClient, HttpError};
use crate::caracal::request::to_http;
use crate::io::clock::wall;
use crate::io::sync::caught;
use crate::io::{BoxFuture, Driver};

/// Why there is no token. No message contains a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// The token is fixed, and has expired or was refused.
    #[error("the token has expired or was refused, and is fixed; start the application with another one")]
    Fixed,
    /// The application's function failed.
    #[error("the source of tokens failed: {0}")]
    Source(String),
    /// The application's function panicked.
    #[error("the source of tokens panicked")]
    Panicked,
    /// The token service was not reached, or did not answer.
    #[error("the token service: {0}")]
    Service(HttpError),
    /// The token service refused the exchange, or its answer cannot be read.
    #[error(transparent)]
    Exchange(TokenError),
    /// There was no token in time.
    #[error("the source of tokens did not answer in time")]
    Late,
    /// The new token had expired already.
    #[error("the source of tokens supplied a token that has expired; is this machine's clock right?")]
    Expired,
}

type Supply = dyn Fn() -> BoxFuture<'static, Result<BearerToken, TokenFault>> + Send + Sync;

/// Where the token of an application comes from.
///
/// ```
/// use nuncio_shared::caracal::{BearerToken, TokenSource};
///
/// let fixed = TokenSource::fixed(BearerToken::new("eyJ…".trim_end_matches('…'))?);
/// let fetched = TokenSource::new(|| async {
///     let text = std::fs::read_to_string("/run/secrets/token")?;
///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(BearerToken::new(text.trim())?)
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenSource(Source);

#[derive(Clone)]
enum Source {
    Fixed(BearerToken),
    Function(Arc<Supply>),
    Exchange(Exchange),
}

#[derive(Clone)]
struct Exchange {
    service: String,
    secret: Secret,
    /// Separated by spaces.
    scope: String,
    resources: Vec<Box<str>>,
    ttl: Option<Ttl>,
}

impl TokenSource {
    /// Uses one token, until it expires or is refused.
    pub fn fixed(token: BearerToken) -> TokenSource {
        TokenSource(Source::Fixed(token))
    }

    /// Calls a function whenever a token is needed, one call at a time. A JSON Web Token is replaced before its `exp`;
    /// any other one is used until the coordinator refuses it.
    ///
    /// The function runs on the driver's thread, so it must not block.
    pub fn new<F, Fut, E>(supply: F) -> TokenSource
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: fmt::Display,
    {
        TokenSource(Source::Function(Arc::new(move || {
            let supplied = supply();
            Box::pin(async move { supplied.await.map_err(|error| TokenFault::Source(error.to_string())) })
        })))
    }

    /// Exchanges the client secret of the application at a token service (STS), whose base URL this is.
    pub fn secret(service: &str, secret: Secret) -> TokenSource {
        let (service, scope) = (service.to_owned(), LIFECYCLE_SCOPE.to_owned());
        TokenSource(Source::Exchange(Exchange { service, secret, scope, resources: Vec::new(), ttl: None }))
    }

    /// Exchanges the client secret of the application for mandates: tokens for resources, with some of the scopes that the
    /// application was granted. Services verify them; a coordinator does not take them, so an application with this source
    /// opens no sessions.
    ///
    /// ```
    /// use nuncio_shared::caracal::{Secret, TokenSource};
    ///
    /// let source = TokenSource::mandate("http://sts:8080", Secret::new("s3cret"), ["resource://payments"], ["payment:read"]);
    /// ```
    pub fn mandate<T: Into<Box<str>>>(
        service: &str,
        secret: Secret,
        resources: impl IntoIterator<Item = T>,
        scopes: impl IntoIterator<Item: AsRef<str>>,
    ) -> TokenSource {
        let scopes: Vec<String> = scopes.into_iter().map(|scope| scope.as_ref().to_owned()).collect();
        let (service, scope) = (service.to_owned(), scopes.join(" "));
        let resources = resources.into_iter().map(Into::into).collect();
        TokenSource(Source::Exchange(Exchange { service, secret, scope, resources, ttl: None }))
    }

    /// Asks for further scopes of exchanged tokens, besides [`LIFECYCLE_SCOPE`]. A session of this application delegates to
    /// one of `app-b` with `coordinator.delegate_to:app-b` (0.1), and without a resource with `coordinator.delegate_broad`
    /// (1.0). It changes nothing for other sources.
    ///
    /// ```
    /// use nuncio_shared::caracal::{Secret, TokenSource};
    ///
    /// let source = TokenSource::secret("http://sts:8080", Secret::new("s3cret"));
    /// let source = source.scopes(["coordinator.delegate_to:app-b"]);
    /// ```
    pub fn scopes(mut self, scopes: impl IntoIterator<Item: AsRef<str>>) -> TokenSource {
        if let Source::Exchange(exchange) = &mut self.0 {
            LIFECYCLE_SCOPE.clone_into(&mut exchange.scope);
            for scope in scopes {
                exchange.scope.push(' ');
                exchange.scope.push_str(scope.as_ref());
            }
        }
        self
    }

    /// Sets the lifetime of exchanged tokens, in place of the one that the token service chooses. It changes nothing for
    /// other sources.
    pub fn ttl(mut self, lifetime: Ttl) -> TokenSource {
        if let Source::Exchange(exchange) = &mut self.0 {
            exchange.ttl = Some(lifetime);
        }
        self
    }

    /// Names the resources that exchanged tokens are for. It changes nothing for other sources.
    pub fn resources<T: Into<Box<str>>>(mut self, resources: impl IntoIterator<Item = T>) -> TokenSource {
        if let Source::Exchange(exchange) = &mut self.0 {
            exchange.resources = resources.into_iter().map(Into::into).collect();
        }
        self
    }

    /// Returns the fixed token, if it is one.
    pub(crate) fn as_fixed(&self) -> Option<&BearerToken> {
        match &self.0 {
            Source::Fixed(token) => Some(token),
            Source::Function(_) | Source::Exchange(_) => None,
        }
    }

    pub(crate) fn prepare(&self, zone: &ZoneId, application: &ApplicationId) -> Result<Prepared, InvalidEndpoint> {
        Ok(match &self.0 {
            Source::Fixed(token) => Prepared::Fixed(token.clone()),
            Source::Function(supply) => Prepared::Function(Arc::clone(supply)),
            Source::Exchange(Exchange { service, secret, scope, resources, ttl }) => {
                let exchange = TokenExchange {
                    zone: zone.clone(),
                    application: application.clone(),
                    secret: secret.clone(),
                    scope: scope.as_str().into(),
                    resources: resources.clone(),
                    ttl: *ttl,
                };
                Prepared::Exchange(Box::new((Endpoint::parse(service)?, exchange)))
            }
        })
    }
}

impl fmt::Debug for TokenSource {
    /// Shows neither the token nor the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Fixed(_) => "TokenSource(fixed)",
            Source::Function(_) => "TokenSource(function)",
            Source::Exchange(_) => "TokenSource(secret)",
        })
    }
}

/// A source for one application.
pub(crate) enum Prepared {
    Fixed(BearerToken),
    Function(Arc<Supply>),
    Exchange(Box<(Endpoint, TokenExchange)>),
}

impl Prepared {
    /// Returns the URL of the token service, if there is one.
    pub(crate) fn service(&self) -> Option<&Endpoint> {
        match self {
            Prepared::Exchange(exchange) => Some(&exchange.0),
            Prepared::Fixed(_) | Prepared::Function(_) => None,
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Prepared::Fixed(_))
    }

    /// Fetches a token, with the time at which it expires if that is known.
    pub(super) async fn fetch<D: Driver>(
        &self,
        http: &HttpClient<D>,
    ) -> Result<(BearerToken, Option<Time>), TokenFault> {
        match self {
            Prepared::Fixed(token) => Ok((token.clone(), token.expires_at())),
            Prepared::Function(supply) => {
                let supply = Arc::clone(supply);
                let token = caught(async move { supply().await }).await.ok_or(TokenFault::Panicked)??;
                let expires_at = token.expires_at();
                Ok((token, expires_at))
            }
            Prepared::Exchange(exchange) => {
                let (service, exchange) = &**exchange;
                let request = to_http(service, &exchange.request()).map_err(TokenFault::Service)?;
                let response = http.exchange(&request).await.map_err(TokenFault::Service)?;
                let issued = IssuedToken::read(response.status().as_u16(), response.body(), wall());
                let IssuedToken { token, expires_at } = issued.map_err(TokenFault::Exchange)?;
                Ok((token, Some(expires_at)))
            }
        }
    }
}
