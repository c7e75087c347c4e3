//! TLS of clients.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;

use super::{Authorities, Identity, TlsError};

/// The TLS configuration of a client (TLS 1.2 and 1.3): the authorities it trusts, and the certificate it presents.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use nuncio_shared::auth::{Authorities, ClientTls, Identity};
///
/// let tls = ClientTls::mutual(Authorities::from_file("ca.pem")?, Identity::from_files("client.pem", "client.key")?)?;
/// // A client takes it with `Client::builder(url, token)?.tls(tls)`.
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Trusts servers whose certificates one of these authorities has signed.
    pub fn new(authorities: Authorities) -> Result<ClientTls, TlsError> {
        ClientTls::build(authorities, None)
    }

    /// Like [`new`](ClientTls::new), and presents a certificate to servers that request one (mutual TLS).
    pub fn mutual(authorities: Authorities, identity: Identity) -> Result<ClientTls, TlsError> {
        ClientTls::build(authorities, Some(identity))
    }

    /// Sets the name that the server's certificate must be for, if it differs from the host of the URL, as behind a tunnel.
    pub fn server_name(mut self, name: &str) -> Result<ClientTls, TlsError> {
        self.server_name = Some(parse_name(name)?);
        Ok(self)
    }

    fn build(authorities: Authorities, identity: Option<Identity>) -> Result<ClientTls, TlsError> {
        let wrong = |error: rustls::Error| TlsError::Identity(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_root_certificates(authorities.roots);
        let mut config = match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key).map_err(wrong)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ClientTls { config: Arc::new(config), server_name: None })
    }

    /// Returns the name that the certificate of this host must be for.
    pub(super) fn name_of(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
