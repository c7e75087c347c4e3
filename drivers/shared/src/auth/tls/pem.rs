//! Certificates and keys, from files and from memory.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::TlsError;
use super::explain::OF_AUTHORITY;

/// A certificate with its intermediate certificates and its private key.
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads PEM text: the certificate followed by intermediate certificates, and the key (PKCS#8, PKCS#1 or SEC1, not
    /// encrypted).
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Identity, TlsError> {
        const MEMORY: &str = "the text";
        Ok(Identity { chain: chain(certificates, MEMORY)?, key: private_key(key, MEMORY)? })
    }

    /// Reads two PEM files, which may be the same file.
    pub fn from_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Identity, TlsError> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        Ok(Identity {
            chain: chain(&read(certificates)?, &certificates.display().to_string())?,
            key: private_key(&read(key)?, &key.display().to_string())?,
        })
    }

    /// Returns why clients refuse this certificate as that of a server, such as `is that of an authority (CA:TRUE), …`, as far
    /// as the certificate itself tells. A server can still present it to clients that accept it.
    pub fn unfit_for_server(&self) -> Option<&'static str> {
        let (_, parsed) = X509Certificate::from_der(self.chain.first()?).ok()?;
        parsed.is_ca().then_some(OF_AUTHORITY)
    }
}

impl Clone for Identity {
    fn clone(&self) -> Identity {
        Identity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for Identity {
    /// Does not show the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Certificate authorities whose signatures are trusted.
#[derive(Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
}

impl Authorities {
    /// Trusts the authorities in a PEM text and no others.
    pub fn from_pem(certificates: &[u8]) -> Result<Authorities, TlsError> {
        Authorities::of(certificates, "the text")
    }

    /// Trusts the authorities in a PEM file and no others.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Authorities, TlsError> {
        let path = path.as_ref();
        Authorities::of(&read(path)?, &path.display().to_string())
    }

    /// Trusts the authorities of the system, or those in the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    /// Certificates that cannot be used are skipped; most systems have some.
    pub fn system() -> Result<Authorities, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string);
            return Err(TlsError::NoSystemAuthorities(why));
        }
        Ok(Authorities { roots: Arc::new(roots) })
    }

    fn of(certificates: &[u8], origin: &str) -> Result<Authorities, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in chain(certificates, origin)? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::Authority { origin: origin.to_owned(), error: error.to_string() })?;
        }
        Ok(Authorities { roots: Arc::new(roots) })
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("count", &self.roots.len()).finish()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::File { path: path.to_owned(), error })
}

fn chain(pem: &[u8], origin: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.and_then(|chain| if chain.is_empty() { Err(PemError::NoItemsFound) } else { Ok(chain) });
    chain.map_err(|error| wrong(origin, "certificate", &error))
}

fn private_key(pem: &[u8], origin: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| wrong(origin, "unencrypted private key", &error))
}

/// Describes a PEM error without the bytes of the text that it may hold, since they may be secret.
fn wrong(origin: &str, what: &'static str, error: &PemError) -> TlsError {
    let error = match error {
        PemError::MissingSectionEnd { .. } => "a section has no end",
        PemError::IllegalSectionStart { .. } => "a section does not begin as it should",
        PemError::Base64Decode(_) => "a section is not base64",
        PemError::NoItemsFound => "there is no block of that kind",
        _ => "it cannot be read",
    };
    TlsError::Pem { origin: origin.to_owned(), what, error: error.to_owned() }
}
