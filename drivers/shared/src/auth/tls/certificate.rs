//! Principals from client certificates.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::auth::{Claim, PeerCertificate, Rejection, Verifier};

/// The names in a certificate, those of each kind in their order in the certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// URIs of the subject's alternative names, such as `spiffe://example.org/worker`.
    pub uris: Vec<String>,
    /// Mail addresses of the subject's alternative names.
    pub emails: Vec<String>,
    /// DNS names of the subject's alternative names.
    pub dns_names: Vec<String>,
    /// Common names of the subject.
    pub common_names: Vec<String>,
}

impl CertificateNames {
    /// Reads the names of a certificate. Returns `None` if it cannot be parsed. A certificate that TLS has verified can
    /// be parsed.
    pub fn of(certificate: &PeerCertificate) -> Option<CertificateNames> {
        let (_, parsed) = X509Certificate::from_der(certificate.der()).ok()?;
        let mut names = CertificateNames::default();
        for name in parsed.subject().iter_common_name() {
            names.common_names.push(name.as_str().ok()?.to_owned());
        }
        let alternative = parsed.subject_alternative_name().ok()?;
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(email) => names.emails.push((*email).to_owned()),
                GeneralName::DNSName(dns) => names.dns_names.push((*dns).to_owned()),
                _ => {}
            }
        }
        Some(names)
    }

    fn kind(&self, kind: NameKind) -> &[String] {
        match kind {
            NameKind::Uri => &self.uris,
            NameKind::Email => &self.emails,
            NameKind::Dns => &self.dns_names,
            NameKind::CommonName => &self.common_names,
        }
    }
}

/// A kind of name in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A URI among the alternative names.
    Uri,
    /// A mail address among the alternative names.
    Email,
    /// A DNS name among the alternative names.
    Dns,
    /// The subject's common name.
    CommonName,
}

/// A verifier that takes the principal from the client's certificate and ignores the token.
///
/// The authorities given to [`ServerTls::mutual`](crate::auth::ServerTls::mutual) decide who can claim which name, so they
/// must be authorities that sign for clients of this server only.
///
/// ```
/// use nuncio_shared::auth::{CertificatePrincipals, NameKind, StaticTokens, Verifier as _};
///
/// // The principal of a certificate is its URI, such as `spiffe://example.org/worker`. A client without a certificate
/// // needs a token.
/// let verifier = CertificatePrincipals::by([NameKind::Uri]).or(StaticTokens::new().with("secret", "me@example.com"));
/// ```
#[derive(Clone, Debug)]
pub struct CertificatePrincipals {
    kinds: Vec<NameKind>,
}

impl CertificatePrincipals {
    /// Takes the first of these names that the certificate has: URI, mail address, DNS name, common name.
    pub fn new() -> CertificatePrincipals {
        CertificatePrincipals { kinds: vec![NameKind::Uri, NameKind::Email, NameKind::Dns, NameKind::CommonName] }
    }

    /// Takes the first of these kinds of names that the certificate has.
    pub fn by(kinds: impl IntoIterator<Item = NameKind>) -> CertificatePrincipals {
        CertificatePrincipals { kinds: kinds.into_iter().collect() }
    }

    /// Returns the principal of a certificate.
    ///
    /// Errors: the certificate has no name of these kinds, or it has several of the first kind that occurs in it.
    pub fn principal(&self, certificate: &PeerCertificate) -> Result<String, NoPrincipal> {
        let names = CertificateNames::of(certificate).ok_or(NoPrincipal::Unreadable)?;
        let found = self.kinds.iter().map(|kind| (*kind, names.kind(*kind))).find(|(_, names)| !names.is_empty());
        match found {
            Some((_, [name])) if !name.is_empty() => Ok(name.clone()),
            Some((kind, _)) => Err(NoPrincipal::Ambiguous(kind)),
            None => Err(NoPrincipal::Nameless),
        }
    }
}

impl Default for CertificatePrincipals {
    fn default() -> CertificatePrincipals {
        CertificatePrincipals::new()
    }
}

impl Verifier for CertificatePrincipals {
    async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
        let certificate = claim.certificate.as_ref().ok_or(Rejection::Invalid)?;
        self.principal(certificate).map_err(|error| {
            claim.explain(error);
            Rejection::Invalid
        })
    }
}

/// Why a certificate has no principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPrincipal {
    /// It cannot be parsed.
    #[error("the certificate cannot be parsed")]
    Unreadable,
    /// It has no name of the accepted kinds.
    #[error("the certificate has no name of a kind that can be a principal")]
    Nameless,
    /// It has several names of the kind, or an empty one.
    #[error("the certificate must have exactly one name of the kind {0:?}, and not an empty one")]
    Ambiguous(NameKind),
}
