use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;

use super::{Authorities, Identity, TlsError};

/// How a server speaks TLS (1.2 and 1.3), and whether it wants to know its clients by certificate.
#[derive(Clone)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
}

/// Whether clients have to have a certificate. One that is shown has to be good in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Without a certificate there is no connection.
    Required,
    /// A client without one has its token alone.
    Optional,
}

impl ServerTls {
    /// Shows this certificate, and asks for none.
    pub fn new(identity: Identity) -> Result<ServerTls, TlsError> {
        ServerTls::build(identity, None)
    }

    /// Mutual TLS: shows this certificate, and takes those that these authorities have signed. What they hold is in
    /// [`Claim::certificate`](crate::auth::Claim::certificate), for [`CertificatePrincipals`](crate::auth::CertificatePrincipals) to
    /// turn into a principal. Lists of revoked certificates are not read: let them live briefly.
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
