//! TLS of servers.

use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;

use super::{Authorities, Identity, TlsError};
use crate::io::sync::lock;

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
    config: Arc<Mutex<Arc<ServerConfig>>>,
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
            .map_err(|error| TlsError::identity(&error))?;
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
        let mut config =
            builder.with_single_cert(identity.chain, identity.key).map_err(|error| TlsError::identity(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ServerTls { config: Arc::new(Mutex::new(Arc::new(config))) })
    }

    /// Takes the certificate and the authorities of `next` for handshakes from now on, in this configuration and all clones of
    /// it. Connections that are open go on.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use nuncio_shared::auth::{Identity, ServerTls};
    ///
    /// let tls = ServerTls::new(Identity::from_files("server.pem", "server.key")?)?;
    /// // A server listens with a clone. Later, the files have another certificate:
    /// tls.replace(&ServerTls::new(Identity::from_files("server.pem", "server.key")?)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace(&self, next: &ServerTls) {
        let next = next.current();
        *lock(&self.config) = next;
    }

    /// Returns the configuration of the next handshake.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.config))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}
