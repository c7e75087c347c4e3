//! TLS for servers and clients, and principals from client certificates (feature `tls`).

mod certificate;
mod client;
mod explain;
mod handshake;
mod pem;
mod server;
mod unverified;

pub use certificate::{CertificateNames, CertificatePrincipals, NameKind, NoPrincipal};
pub use client::ClientTls;
pub use explain::TlsConnectError;
pub use pem::{Authorities, Identity};
pub use server::{ClientCertificates, ServerTls};

use std::io;
use std::path::PathBuf;

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A text is not PEM, or does not hold what is needed.
    #[error("{origin} holds no {what} in PEM form: {error}")]
    Pem {
        /// The file, or `the text` for a text in memory.
        origin: String,
        /// What was looked for.
        what: &'static str,
        /// The fault.
        error: String,
    },
    /// A certificate cannot be used as that of an authority.
    #[error("{origin} holds a certificate that cannot be that of an authority: {error}")]
    Authority {
        /// The file, or `the text` for a text in memory.
        origin: String,
        /// The fault.
        error: String,
    },
    /// The system has no list of trusted authorities.
    #[error("this system has no list of trusted certificate authorities ({0}); pass a file of your own")]
    NoSystemAuthorities(String),
    /// The certificate and the key do not belong together, or cannot be used.
    #[error("the certificate and its key cannot be used: {0}")]
    Identity(String),
    /// A server name is neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address, so no certificate can be for it")]
    ServerName(String),
}

impl TlsError {
    /// A certificate and a key that `rustls` does not take.
    fn identity(error: &rustls::Error) -> TlsError {
        TlsError::Identity(match error {
            rustls::Error::InconsistentKeys(_) => {
                "the key is not the one that the certificate was made for; give the key of this certificate".to_owned()
            }
            error => error.to_string(),
        })
    }
}
