//! Authentication: verifiers of tokens and certificates (§6.1).
//!
//! A server asks its [`Verifier`] for the principal of every hello. [`StaticTokens`] is a fixed list of tokens,
//! `JwtVerifier` (feature `jwt`) accepts JSON Web Tokens, and `CertificatePrincipals` (feature `tls`) client certificates.
//! Verifiers are combined with [`Verifier::or`]. A [`ReplaceableVerifier`] takes other tokens and keys while the server runs,
//! and `ServerTls::replace` another certificate.

#[cfg(feature = "jwt")]
mod jwt;
mod replaceable;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod tokens;
mod verifier;

#[cfg(feature = "jwt")]
pub use jwt::{JwtError, JwtKeyError, JwtKeys, JwtVerifier};
#[cfg(all(feature = "jwt", feature = "caracal"))]
pub(crate) use jwt::{JwtKey, choose, read_keys};
pub use replaceable::ReplaceableVerifier;
#[cfg(feature = "tls")]
pub use tls::{
    Authorities, CertificateNames, CertificatePrincipals, ClientCertificates, ClientTls, Identity, NameKind,
    NoPrincipal, ServerTls, TlsConnectError, TlsError,
};
pub use tokens::StaticTokens;
pub(crate) use verifier::Explanation;
pub use verifier::{BoxVerifier, Claim, Either, PeerCertificate, Rejection, Verifier};
