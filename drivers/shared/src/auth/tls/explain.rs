//! TLS errors of clients as sentences that say what is wrong.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why the certificate of an authority cannot be that of a server.
pub(super) const OF_AUTHORITY: &str = "is that of an authority (CA:TRUE), which no server may use: make one with \
     basicConstraints CA:FALSE, as `openssl req -x509` does with `-addext basicConstraints=critical,CA:FALSE`";

/// Why the TLS connection of a client failed, in the handshake or later.
///
/// A client reports it as [`ConnectError::Io`](crate::arcp::ConnectError::Io), whose [`io::Error`] contains this error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConnectError {
    /// No authority that the client trusts has signed the certificate of the server.
    #[error("the certificate of {host} is not trusted: no trusted authority has signed it")]
    UnknownAuthority {
        /// The host that the client connects to.
        host: String,
    },
    /// The certificate of the server cannot be trusted for another reason.
    #[error("the certificate of {host} {reason}")]
    ServerCertificate {
        /// The host that the client connects to.
        host: String,
        /// What is wrong, such as `is not trusted: it has expired`.
        reason: String,
    },
    /// The server requires a client certificate, and the client has presented none.
    #[error("{host} requires a client certificate")]
    CertificateRequired {
        /// The host that the client connects to.
        host: String,
    },
    /// The server does not accept the client certificate.
    #[error("{host} does not accept the client certificate ({alert}); present one that its authority has signed")]
    CertificateRefused {
        /// The host that the client connects to.
        host: String,
        /// The name of the TLS alert that the server sent, such as `UnknownCA`.
        alert: String,
    },
    /// The server does not speak TLS at this port.
    #[error("{host} does not speak TLS at this port; does the URL ask for TLS by mistake?")]
    NotTls {
        /// The host that the client connects to.
        host: String,
    },
    /// Any other failure of the protocol.
    #[error("the TLS connection to {host} failed: {reason}")]
    Protocol {
        /// The host that the client connects to.
        host: String,
        /// What went wrong.
        reason: String,
    },
}

impl TlsConnectError {
    /// Returns what is wrong with the TLS connection to `host` if one of the causes of `error` is an error of TLS.
    pub fn cause(host: &str, error: &(dyn std::error::Error + 'static)) -> Option<TlsConnectError> {
        let mut next = Some(error);
        while let Some(error) = next {
            // The source of an `io::Error` is that of the error within it.
            let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let within = within.and_then(|within| within.downcast_ref::<Error>());
            if let Some(tls) = error.downcast_ref::<Error>().or(within) {
                return Some(explained(host.to_owned(), tls));
            }
            next = error.source();
        }
        None
    }
}

/// Replaces a TLS error of a client's connection to `host` by a [`TlsConnectError`] of the same kind.
pub(super) fn explain(host: &str, error: io::Error) -> io::Error {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return error;
    };
    io::Error::new(error.kind(), explained(host.to_owned(), tls))
}

fn explained(host: String, error: &Error) -> TlsConnectError {
    match error {
        Error::InvalidCertificate(wrong) => server_certificate(host, wrong),
        Error::AlertReceived(AlertDescription::CertificateRequired) => TlsConnectError::CertificateRequired { host },
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied),
        ) => TlsConnectError::CertificateRefused { host, alert: format!("{alert:?}") },
        Error::InvalidMessage(_) => TlsConnectError::NotTls { host },
        other => TlsConnectError::Protocol { host, reason: other.to_string() },
    }
}

fn server_certificate(host: String, wrong: &CertificateError) -> TlsConnectError {
    let reason = match wrong {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            return TlsConnectError::UnknownAuthority { host };
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("is for another name: {wrong}; connect to a name that it is for, or set the server name")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "is not trusted: it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not trusted: it is not valid yet; is this machine's clock right?".to_owned()
        }
        // webpki's own error, which this crate does not name; a test sees that it is still called so.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => OF_AUTHORITY.to_owned(),
        CertificateError::Revoked => "is not trusted: it is revoked".to_owned(),
        other => format!("is not trusted: {other}"),
    };
    TlsConnectError::ServerCertificate { host, reason }
}
