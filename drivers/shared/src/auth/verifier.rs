//! What a client claims to be, and the verifiers that check the claim.

use std::fmt;
use std::sync::{Arc, Mutex};

use nuncio_core::arcp::{ErrorCode, Fault, Secret};

use crate::io::BoxFuture;
use crate::io::sync::lock;

/// What a client presents in its hello.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// The bearer token. It is never logged.
    pub token: Secret,
    /// The client's `client.name`, for logs. It is not authenticated.
    pub client: String,
    /// The client's certificate, if the connection is mutual TLS. The server's authorities have signed it.
    pub certificate: Option<PeerCertificate>,
    /// Why it is refused, for logs.
    pub(crate) explanation: Explanation,
}

impl Claim {
    /// Returns a claim without a certificate.
    pub fn new(token: impl Into<String>, client: impl Into<String>) -> Claim {
        Claim {
            token: Secret::new(token),
            client: client.into(),
            certificate: None,
            explanation: Explanation::default(),
        }
    }

    /// Adds the client's certificate.
    pub fn with_certificate(mut self, certificate: Option<PeerCertificate>) -> Claim {
        self.certificate = certificate;
        self
    }

    /// Says why the claim is refused: the line in the server's log about the refusal shows it, and the client does not learn
    /// it. It must not have a part of the token in it.
    pub fn explain(&self, reason: impl fmt::Display) {
        lock(&self.explanation.0).push(reason.to_string());
    }
}

/// Why a claim is refused, by each verifier that says so. Copies of a claim share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Explanation(Arc<Mutex<Vec<String>>>);

impl Explanation {
    /// Returns all of it as one text.
    pub(crate) fn text(&self) -> Option<String> {
        let reasons = lock(&self.0);
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// The certificate of the other end of a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate(Arc<[u8]>);

impl PeerCertificate {
    /// Takes the DER encoding of a certificate that the caller has verified.
    pub fn verified(der: impl Into<Arc<[u8]>>) -> PeerCertificate {
        PeerCertificate(der.into())
    }

    /// Returns the DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate").field("bytes", &self.0.len()).finish()
    }
}

/// Why a claim has no principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// `UNAUTHENTICATED`: the token is wrong, expired or revoked. The client does not learn which.
    Invalid,
    /// `UNAUTHENTICATED`, and the client is told this sentence. It must not help to guess a token.
    Refused(&'static str),
    /// `INTERNAL_ERROR`: the token could not be checked. A retry may help.
    Unavailable,
}

impl Rejection {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Rejection::Invalid => Fault::new(ErrorCode::Unauthenticated, "the bearer token is not valid"),
            Rejection::Refused(sentence) => Fault::new(ErrorCode::Unauthenticated, sentence),
            Rejection::Unavailable => {
                Fault::new(ErrorCode::InternalError, "the bearer token could not be checked; try again later")
            }
        }
    }
}

/// Finds the principal of a client: the name that its sessions and jobs belong to.
///
/// A verifier is a type with an `async fn verify`, or an async function. It runs on a thread of the server's own, in
/// the driver's async runtime; one that blocks the thread delays other hellos and nothing else. An answer that takes
/// longer than `Config::auth_timeout` comes too late. A panic counts as [`Rejection::Unavailable`].
///
/// ```
/// use nuncio_shared::auth::{Claim, Rejection, StaticTokens, Verifier};
///
/// /// Asks a directory whose session a token is.
/// struct Directory;
///
/// impl Verifier for Directory {
///     async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
///         match claim.token.expose() {
///             "session-1" => Ok("me@example.com".to_owned()),
///             _ => Err(Rejection::Invalid),
///         }
///     }
/// }
///
/// // Either of them is enough. A server takes it with `Server::builder().verifier(verifier)`.
/// let verifier = StaticTokens::new().with("secret", "operator@example.com").or(Directory);
/// # futures_lite::future::block_on(async {
/// assert_eq!(verifier.verify(Claim::new("session-1", "a client")).await.unwrap(), "me@example.com");
/// # })
/// ```
pub trait Verifier: Send + Sync + 'static {
    /// Returns the principal of a claim.
    fn verify(&self, claim: Claim) -> impl Future<Output = Result<String, Rejection>> + Send;

    /// Returns a verifier that asks `other` for the claims that this one rejects.
    ///
    /// If both reject a claim, the rejection is [`Rejection::Unavailable`] if that of either is, and otherwise the last one
    /// with a sentence.
    fn or<V: Verifier>(self, other: V) -> Either<Self, V>
    where
        Self: Sized,
    {
        Either { first: self, second: other }
    }

    /// Returns the verifier as a type of its own, for one that is chosen at run time.
    fn boxed(self) -> BoxVerifier
    where
        Self: Sized,
    {
        BoxVerifier(Arc::new(self))
    }
}

/// Two verifiers, either of which is enough. From [`Verifier::or`].
#[derive(Clone, Debug)]
pub struct Either<A, B> {
    first: A,
    second: B,
}

impl<A: Verifier, B: Verifier> Verifier for Either<A, B> {
    async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
        let first = match self.first.verify(claim.clone()).await {
            Ok(principal) => return Ok(principal),
            Err(rejection) => rejection,
        };
        self.second.verify(claim).await.map_err(|second| match (first, second) {
            (Rejection::Unavailable, _) | (_, Rejection::Unavailable) => Rejection::Unavailable,
            (first, Rejection::Invalid) => first,
            (_, second) => second,
        })
    }
}

/// An async function from a claim to a principal is a verifier.
impl<F, R> Verifier for F
where
    F: Fn(Claim) -> R + Send + Sync + 'static,
    R: Future<Output = Result<String, Rejection>> + Send + 'static,
{
    fn verify(&self, claim: Claim) -> impl Future<Output = Result<String, Rejection>> + Send {
        self(claim)
    }
}

/// A verifier of any type. From [`Verifier::boxed`].
#[derive(Clone)]
pub struct BoxVerifier(Arc<dyn DynVerifier>);

impl Verifier for BoxVerifier {
    fn verify(&self, claim: Claim) -> impl Future<Output = Result<String, Rejection>> + Send {
        self.0.verify_boxed(claim)
    }

    fn boxed(self) -> BoxVerifier {
        self
    }
}

impl fmt::Debug for BoxVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxVerifier").finish_non_exhaustive()
    }
}

/// [`Verifier`] in a form that can be a trait object.
trait DynVerifier: Send + Sync {
    fn verify_boxed(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>>;
}

impl<V: Verifier> DynVerifier for V {
    fn verify_boxed(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        Box::pin(self.verify(claim))
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    fn refuses(reason: &'static str) -> impl Verifier {
        move |claim: Claim| {
            claim.explain(reason);
            std::future::ready(Err::<String, _>(Rejection::Invalid))
        }
    }

    #[test]
    fn the_log_has_the_reason_of_each_verifier() {
        let claim = Claim::new("t", "a client");
        let verdict = block_on(refuses("it has expired").or(refuses("no such key")).boxed().verify(claim.clone()));
        assert_eq!(verdict, Err(Rejection::Invalid));
        assert_eq!(claim.explanation.text().as_deref(), Some("it has expired; no such key"));
        assert_eq!(Claim::new("t", "another client").explanation.text(), None);
    }
}
