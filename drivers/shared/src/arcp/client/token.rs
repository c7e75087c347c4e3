//! Where the bearer token of a client comes from.

use std::error::Error;
use std::sync::Arc;

use nuncio_core::arcp::Secret;

use super::error::ConnectError;
use crate::io::BoxFuture;

/// The source of a client's bearer token: a fixed token, or a function that is asked for one.
///
/// A runtime may refuse the token of a session that it has known for a while, because the token has expired. A function is
/// asked again then, and the session is resumed with the newer token. A client whose source has no newer token is closed.
///
/// A text is a fixed token.
///
/// ```
/// # use nuncio_smol::arcp::{Client, Secret, Server, TokenSource};
/// # use nuncio_smol::auth::StaticTokens;
/// # async fn fetch() -> std::io::Result<String> { Ok("secret".to_owned()) }
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).build()?;
/// # let listening = server.listen("127.0.0.1:0").await?;
/// let source = TokenSource::new(|| async { fetch().await.map(Secret::new) });
/// let client = Client::builder(listening.url(), source)?.connect().await?;
/// assert!(client.welcome().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct TokenSource {
    /// The token of the first connection, if it is known.
    first: Option<Secret>,
    ask: Option<Ask>,
}

type Ask = Box<dyn FnMut() -> BoxFuture<'static, Result<Secret, Arc<dyn Error + Send + Sync>>> + Send>;

impl TokenSource {
    /// Returns a source with one token.
    pub fn fixed(token: Secret) -> TokenSource {
        TokenSource { first: Some(token), ask: None }
    }

    /// Returns a source that asks a function: for the token of the first connection, and whenever the runtime has refused
    /// the last one. It is called on the client's thread, within
    /// [`connect_timeout`](super::ClientBuilder::connect_timeout). After an error it is asked again as connections are tried
    /// again ([`Reconnect`](super::Reconnect)).
    pub fn new<F, R, E>(mut ask: F) -> TokenSource
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = Result<Secret, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let ask: Ask = Box::new(move || {
            let token = ask();
            Box::pin(async move { token.await.map_err(|error| Arc::from(error.into())) })
        });
        TokenSource { first: None, ask: Some(ask) }
    }

    /// Sets the token of the first connection, for which the function is not asked.
    #[must_use]
    pub fn starting_with(mut self, token: Secret) -> TokenSource {
        self.first = Some(token);
        self
    }

    /// Whether it may have another token later.
    pub(super) fn renews(&self) -> bool {
        self.ask.is_some()
    }

    pub(super) fn take_first(&mut self) -> Option<Secret> {
        self.first.take()
    }

    /// Asks for a token.
    pub(super) async fn ask(&mut self) -> Result<Secret, ConnectError> {
        match &mut self.ask {
            Some(ask) => ask().await.map_err(ConnectError::Token),
            None => Err(ConnectError::Token(Arc::from(Box::<dyn Error + Send + Sync>::from("it has one token only")))),
        }
    }
}

impl From<Secret> for TokenSource {
    fn from(token: Secret) -> TokenSource {
        TokenSource::fixed(token)
    }
}

impl From<String> for TokenSource {
    fn from(token: String) -> TokenSource {
        TokenSource::fixed(Secret::new(token))
    }
}

impl From<&String> for TokenSource {
    fn from(token: &String) -> TokenSource {
        TokenSource::fixed(Secret::new(token))
    }
}

impl From<&str> for TokenSource {
    fn from(token: &str) -> TokenSource {
        TokenSource::fixed(Secret::new(token))
    }
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSource").field("renews", &self.renews()).finish_non_exhaustive()
    }
}
