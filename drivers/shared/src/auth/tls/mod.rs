//! TLS on both sides, and principals by client certificates (feature `tls`).
//!
//! Configurations of rustls from PEM, handshakes over any stream, and who a certificate's owner is.

mod certificate;
mod client;
mod explain;
mod handshake;
mod pem;
mod server;

pub use certificate::{CertificateNames, CertificatePrincipals, NameKind, NoPrincipal};
pub use client::ClientTls;
pub use pem::{Authorities, Identity};
pub use server::{ClientCertificates, ServerTls};

use std::io;
use std::path::PathBuf;

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A text is no PEM, or holds nothing of what is needed.
    #[error("{origin} holds no {what} in the form of PEM: {error}")]
    Pem {
        /// The file, or that it came from memory.
        origin: String,
        /// What was looked for.
        what: &'static str,
        /// What is wrong.
        error: String,
    },
    /// A certificate cannot be one of an authority.
    #[error("{origin} holds a certificate that cannot be an authority's: {error}")]
    Authority {
        /// The file, or that it came from memory.
        origin: String,
        /// What is wrong.
        error: String,
    },
    /// The system has no authorities that it trusts.
    #[error("this system has no list of trusted certificate authorities ({0}); give one of your own")]
    NoSystemAuthorities(String),
    /// Key and certificate do not belong together, or neither can be used.
    #[error("the certificate and its key cannot be used: {0}")]
    Identity(String),
    /// A server name that no certificate could be for.
    #[error("{0:?} is neither a DNS name nor an IP address, so no certificate can be for it")]
    ServerName(String),
}
