//! Whose certificate is this?

use tracing::warn;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::auth::{Claim, PeerCertificate, Rejection, Verifier};
use crate::io::BoxFuture;

/// The names a certificate holds, each kind in the order of the certificate.
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
    /// Reads them; `None` if that is no certificate, which TLS has ruled out for one that it verified.
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

/// Takes the principal from the client's certificate; its token is not looked at.
///
/// The authorities given to [`ServerTls::mutual`](crate::auth::ServerTls::mutual) decide who is who: they have to be ones that
/// sign for clients of this server only.
#[derive(Clone, Debug)]
pub struct CertificatePrincipals {
    kinds: Vec<NameKind>,
}

impl CertificatePrincipals {
    /// The principal is the first of these that the certificate has: its URI, mail address, DNS name, common name.
    pub fn new() -> CertificatePrincipals {
        CertificatePrincipals { kinds: vec![NameKind::Uri, NameKind::Email, NameKind::Dns, NameKind::CommonName] }
    }

    /// The principal is the first of these that the certificate has.
    pub fn by(kinds: impl IntoIterator<Item = NameKind>) -> CertificatePrincipals {
        CertificatePrincipals { kinds: kinds.into_iter().collect() }
    }

    /// The principal of a certificate. Two names of the kind that decides leave open who it is, and so do none.
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
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        let verdict = match &claim.certificate {
            Some(certificate) => self.principal(certificate).map_err(|error| {
                warn!(client = claim.client, %error, "a client certificate names nobody");
                Rejection::Invalid
            }),
            None => Err(Rejection::Invalid),
        };
        Box::pin(std::future::ready(verdict))
    }
}

/// Why a certificate is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPrincipal {
    /// It cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// There is none of the kinds of names that are looked for.
    #[error("the certificate holds no name of the kinds that can be a principal")]
    Nameless,
    /// There are several, or an empty one.
    #[error("the certificate's names of the kind {0:?} do not leave exactly one principal")]
    Ambiguous(NameKind),
}
