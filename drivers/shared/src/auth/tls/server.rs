//! TLS of servers.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;

use super::{Authorities, Identity, TlsError};

/// The TLS configuration of a server (TLS 1.2 and 1.3): the certificate it presents, and whether clients present one.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use nuncio_shared::arcp::ListenOptions;
/// use nuncio_shared::auth::{Identity, ServerTls};
///
/// let tls = ServerTls::new(Identity::from_files("server.pem", "server.key")?)?;
/// let options = ListenOptions { tls: Some(tls), ..ListenOptions::default() };
/// // A server takes it with `server.listen_with(address, options)`.
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
}

/// Whether clients must present a certificate. One that is presented must be valid in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// A client without a certificate is refused.
    Required,
    /// A client without a certificate is accepted, and authenticates with its token alone.
    Optional,
}

impl ServerTls {
    /// Presents this certificate and asks clients for none.
    pub fn new(identity: Identity) -> Result<ServerTls, TlsError> {
        ServerTls::build(identity, None)
    }

    /// Presents this certificate, and accepts client certificates that one of these authorities has signed (mutual TLS).
    ///
    /// The certificate of a client is in [`Claim::certificate`](crate::auth::Claim::certificate);
    /// [`CertificatePrincipals`](crate::auth::CertificatePrincipals) turns it into a principal. Revocation lists are not
    /// read, so client certificates should be short-lived.
    pub fn mutual(
        identity: Identity,
        authorities: Authorities,
        clients: ClientCertificates,
    ) -> Result<ServerTls, TlsError> {
        ServerTls::build(identity, Some((authorities, clients)))
    }

    fn build(identity: Identity, clients: Option<(Authorities, ClientCertificates)>) -> Result<ServerTls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Identity(error.to_string()))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some((authorities, clients)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities.roots, provider);
                let verifier = match clients {
                    ClientCertificates::Required => verifier,
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| TlsError::Identity(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(identity.chain, identity.key)
            .map_err(|error| TlsError::Identity(error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ServerTls { config: Arc::new(config) })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}
