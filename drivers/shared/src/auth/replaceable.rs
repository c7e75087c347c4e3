//! A verifier that is replaced while it is used.

use std::sync::{Arc, Mutex};

use super::verifier::{BoxVerifier, Claim, Rejection, Verifier};
use crate::io::sync::lock;

/// A verifier that can be replaced while a server uses it, for tokens and keys that change. Clones share the verifier.
///
/// Sessions that are open go on: a verifier is asked about new connections only.
///
/// ```
/// use nuncio_shared::auth::{Claim, ReplaceableVerifier, StaticTokens, Verifier as _};
///
/// let verifier = ReplaceableVerifier::new(StaticTokens::new().with("old", "me@example.com"));
/// // A server takes a clone with `Server::builder().verifier(verifier.clone())`. Later, the file of tokens has changed:
/// verifier.replace(StaticTokens::new().with("new", "me@example.com"));
/// # futures_lite::future::block_on(async {
/// assert!(verifier.verify(Claim::new("old", "a client")).await.is_err());
/// assert!(verifier.verify(Claim::new("new", "a client")).await.is_ok());
/// # })
/// ```
#[derive(Clone, Debug)]
pub struct ReplaceableVerifier(Arc<Mutex<BoxVerifier>>);

impl ReplaceableVerifier {
    /// Returns a verifier that asks `first` until it is replaced.
    pub fn new(first: impl Verifier) -> ReplaceableVerifier {
        ReplaceableVerifier(Arc::new(Mutex::new(first.boxed())))
    }

    /// Asks `next` from now on. A claim that is being verified is still answered by the verifier before.
    pub fn replace(&self, next: impl Verifier) {
        *lock(&self.0) = next.boxed();
    }
}

impl Verifier for ReplaceableVerifier {
    async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
        let current = lock(&self.0).clone();
        current.verify(claim).await
    }
}
