//! Whose token is this? (§6.1)

use std::fmt;
use std::sync::Arc;

use nuncio_core::arcp::{ErrorCode, Fault, Secret};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

#[cfg(feature = "jwt")]
pub(crate) mod jwt;
#[cfg(feature = "tls")]
pub(crate) mod tls;

use crate::io::BoxFuture;
#[cfg(feature = "jwt")]
pub use jwt::{JwtError, JwtKeyError, JwtKeys, JwtVerifier};
#[cfg(feature = "tls")]
pub use tls::{
    Authorities, CertificateNames, CertificatePrincipals, ClientCertificates, ClientTls, Identity, NameKind,
    NoPrincipal, ServerTls, TlsError,
};

/// What a client claims in its hello.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The bearer token. It is never logged.
    pub token: Secret,
    /// `client.name`, for logs; it proves nothing.
    pub client: String,
    /// The client's certificate, where the connection is mutual TLS. It was verified against the server's authorities.
    pub certificate: Option<PeerCertificate>,
}

impl Claim {
    /// A claim by token alone.
    pub fn new(token: impl Into<String>, client: impl Into<String>) -> Claim {
        Claim { token: Secret::new(token), client: client.into(), certificate: None }
    }
}

/// The certificate of a connection's other end.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate(Arc<[u8]>);

impl PeerCertificate {
    /// From its DER encoding. It is taken as verified.
    pub fn verified(der: impl Into<Arc<[u8]>>) -> PeerCertificate {
        PeerCertificate(der.into())
    }

    /// Its DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate").field("bytes", &self.0.len()).finish()
    }
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// `UNAUTHENTICATED`: the token is wrong, expired or revoked. The client is not told which.
    Invalid,
    /// `INTERNAL_ERROR`: whoever knows could not be asked; a retry can help.
    Unavailable,
}

impl Rejection {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Rejection::Invalid => Fault::new(ErrorCode::Unauthenticated, "the bearer token is not valid"),
            Rejection::Unavailable => {
                Fault::new(ErrorCode::InternalError, "the bearer token could not be checked; try again later")
            }
        }
    }
}

/// Tells whose token it is: the principal that a session's identity consists of.
///
/// It runs on a thread of the driver's own, in a tokio runtime with timers and sockets; one that blocks delays the
/// hellos of others and nothing else. The answer has a deadline, `Config::auth_timeout`; a panic is `Unavailable`.
pub trait Verifier: Send + Sync + 'static {
    /// The principal, or why there is none.
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>>;

    /// Asks another verifier where this one says no. What either knows is enough; a client is told to try again if
    /// neither lets it in and one could not be asked.
    fn or<V: Verifier>(self, other: V) -> Either<Self, V>
    where
        Self: Sized,
    {
        Either { first: self, second: other }
    }
}

/// Two verifiers of which one has to say yes. From [`Verifier::or`].
#[derive(Clone, Debug)]
pub struct Either<A, B> {
    first: A,
    second: B,
}

impl<A: Verifier, B: Verifier> Verifier for Either<A, B> {
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        Box::pin(async move {
            let first = match self.first.verify(claim.clone()).await {
                Ok(principal) => return Ok(principal),
                Err(rejection) => rejection,
            };
            self.second.verify(claim).await.map_err(|second| match (first, second) {
                (Rejection::Invalid, Rejection::Invalid) => Rejection::Invalid,
                (Rejection::Unavailable, _) | (_, Rejection::Unavailable) => Rejection::Unavailable,
            })
        })
    }
}

impl Verifier for Box<dyn Verifier> {
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        (**self).verify(claim)
    }
}

/// A function from claim to principal is a verifier.
impl<F, R> Verifier for F
where
    F: Fn(Claim) -> R + Send + Sync + 'static,
    R: Future<Output = Result<String, Rejection>> + Send + 'static,
{
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        Box::pin(self(claim))
    }
}

/// A fixed list of tokens, compared in constant time.
#[derive(Clone, Default)]
pub struct StaticTokens {
    tokens: Vec<(Secret, Arc<str>)>,
}

impl StaticTokens {
    /// No tokens: nobody is let in.
    pub fn new() -> StaticTokens {
        StaticTokens::default()
    }

    /// Adds a token of a principal; a principal can have several. An empty token is never valid.
    pub fn with(mut self, token: impl Into<String>, principal: &str) -> StaticTokens {
        self.tokens.push((Secret::new(token), Arc::from(principal)));
        self
    }

    /// Compares with every token, whether one was found before or not; only the lengths can be learned from the time.
    fn find(&self, claimed: &Secret) -> Option<&Arc<str>> {
        let mut found = Choice::from(0);
        let mut index = 0_u64;
        for (at, (token, _)) in (0_u64..).zip(&self.tokens) {
            let equal = token.expose().as_bytes().ct_eq(claimed.expose().as_bytes());
            index = u64::conditional_select(&index, &at, equal & !found);
            found |= equal;
        }
        let valid = bool::from(found) && !claimed.expose().is_empty();
        let index = usize::try_from(index).ok().filter(|_| valid)?;
        self.tokens.get(index).map(|(_, principal)| principal)
    }
}

impl Verifier for StaticTokens {
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        let verdict = self.find(&claim.token).map(ToString::to_string).ok_or(Rejection::Invalid);
        Box::pin(std::future::ready(verdict))
    }
}

impl fmt::Debug for StaticTokens {
    /// Shows the principals alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tokens.iter().map(|(_, principal)| principal)).finish()
    }
}
