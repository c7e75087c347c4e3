//! TLS errors as sentences that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Rewrites an error of a client's connection to `host`, in the handshake or later.
pub(super) fn explain(host: &str, error: io::Error) -> io::Error {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return error;
    };
    io::Error::new(error.kind(), sentence(host, tls))
}

fn sentence(host: &str, error: &Error) -> String {
    match error {
        Error::InvalidCertificate(wrong) => certificate(host, wrong),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{host} wants a client certificate; pass one (--client-cert and --client-key)")
        }
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied),
        ) => {
            format!("{host} does not accept the client certificate ({alert:?}); pass one that its authority has signed")
        }
        Error::InvalidMessage(_) => format!("{host} does not speak TLS at this port; is it a ws:// URL?"),
        other => format!("the TLS connection to {host} failed: {other}"),
    }
}

fn certificate(host: &str, wrong: &CertificateError) -> String {
    let why = match wrong {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            return format!(
                "the certificate of {host} is not trusted: no known authority has signed it; \
                 pass the certificate of the one that did (--ca-file)"
            );
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            return format!(
                "the certificate of {host} is for another name: {wrong}; connect to a name that it is for, or set the server name"
            );
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is this machine's clock right?"
        }
        CertificateError::Revoked => "it is revoked",
        other => return format!("the certificate of {host} is not trusted: {other}"),
    };
    format!("the certificate of {host} is not trusted: {why}")
}
