//! A client of `reqwest` whose requests carry the context.

use std::fmt;
use std::time::Duration;

use nuncio_shared::caracal::{InjectError, http_types};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Body, Client, ClientBuilder, IntoUrl, Method, Request, RequestBuilder, Response};

use super::Caracal;
#[cfg(feature = "tls")]
use crate::auth::TlsError;

/// Why a request of a [`WebTransport`] has no response, or why there is no such client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The request cannot carry the context. It was not sent.
    #[error(transparent)]
    Inject(#[from] InjectError),
    /// The request or the client is wrong, or the request has no response.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// There is no TLS configuration.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a redirect is not followed.
#[derive(Debug, thiserror::Error)]
enum RefusedRedirect {
    #[error("the redirect leads to where the context must not go; send a request to its target if it is to be trusted")]
    Elsewhere,
    #[error("there were more than {MOST_REDIRECTS} redirects")]
    TooMany,
}

/// How many redirects of one request are followed.
const MOST_REDIRECTS: usize = 10;

/// An HTTP client of the crate [`reqwest`], on which every request carries the present context as
/// [`Caracal::inject`](super::Caracal::inject) decides. Clones share their connections.
///
/// Redirects are followed, up to 10 for a request. One that carries the context stays at its origin and below the prefix of
/// a resource, and fails otherwise. With the feature `tls` it uses the TLS configuration of the application for `https://`.
///
/// ```no_run
/// use nuncio_tokio::caracal::{Caracal, WebTransport};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let caracal = Caracal::from_env()?;
/// let client = WebTransport::new(&caracal)?;
/// let scope = caracal.spawn().await?;
/// let response = scope.run(async { client.get("http://inventory:8080/items").send().await }).await?;
/// println!("{}", response.text().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebTransport {
    caracal: Caracal,
    client: Client,
}

impl WebTransport {
    /// Returns a client with the default settings of `reqwest`.
    pub fn new(caracal: &Caracal) -> Result<WebTransport, WebError> {
        WebTransport::with(caracal, ClientBuilder::new())
    }

    /// Returns a client with these settings. Its redirects and TLS are those of this type.
    pub fn with(caracal: &Caracal, settings: ClientBuilder) -> Result<WebTransport, WebError> {
        let policy = {
            let caracal = caracal.clone();
            Policy::custom(move |attempt| match refusal(&caracal, &attempt) {
                Some(refused) => attempt.error(refused),
                None => attempt.follow(),
            })
        };
        let settings = settings.redirect(policy);
        // Without a configuration, reqwest looks for a crypto provider of the process, and panics if there is none.
        #[cfg(feature = "tls")]
        let settings = settings.tls_backend_preconfigured((*caracal.client_tls()?.rustls()).clone());
        Ok(WebTransport { caracal: caracal.clone(), client: settings.build()? })
    }

    /// Returns a request of the method `GET`.
    pub fn get(&self, url: impl IntoUrl) -> WebRequest {
        self.request(Method::GET, url)
    }

    /// Returns a request of the method `POST`.
    pub fn post(&self, url: impl IntoUrl) -> WebRequest {
        self.request(Method::POST, url)
    }

    /// Returns a request of any method.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> WebRequest {
        WebRequest { transport: self.clone(), request: self.client.request(method, url) }
    }

    /// Sends a request, to which the present context is added, and waits for the head of the response.
    pub async fn execute(&self, request: Request) -> Result<Response, WebError> {
        let mut request = http_types::Request::<Body>::try_from(request)?;
        self.caracal.inject(&mut request).await?;
        Ok(self.client.execute(request.try_into()?).await?)
    }
}

/// Returns why a redirect is not followed.
fn refusal(caracal: &Caracal, attempt: &Attempt<'_>) -> Option<RefusedRedirect> {
    let (previous, next) = (attempt.previous(), attempt.url().as_str());
    if previous.len() > MOST_REDIRECTS {
        return Some(RefusedRedirect::TooMany);
    }
    // The first URL says whether the request carries the context.
    let first = previous.first()?;
    (!caracal.allows_redirect(first.as_str(), next)).then_some(RefusedRedirect::Elsewhere)
}

impl fmt::Debug for WebTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTransport").field("caracal", &self.caracal).finish_non_exhaustive()
    }
}

/// A request to send, from [`WebTransport::request`].
#[must_use = "nothing is sent before `send` is called"]
pub struct WebRequest {
    transport: WebTransport,
    request: RequestBuilder,
}

impl WebRequest {
    /// Adds a header field. What is wrong with it is an error of [`send`](WebRequest::send).
    pub fn header(mut self, name: &str, value: &str) -> WebRequest {
        self.request = self.request.header(name, value);
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Body>) -> WebRequest {
        self.request = self.request.body(body);
        self
    }

    /// Sets how long the request and its response may take. Without it, there is no limit.
    pub fn timeout(mut self, limit: Duration) -> WebRequest {
        self.request = self.request.timeout(limit);
        self
    }

    /// Sends the request in the present context, and waits for the head of the response.
    pub async fn send(self) -> Result<Response, WebError> {
        self.transport.execute(self.request.build()?).await
    }
}

impl fmt::Debug for WebRequest {
    /// Shows no header field, because some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRequest").finish_non_exhaustive()
    }
}
