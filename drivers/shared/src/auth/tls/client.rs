//! TLS of clients.

use std::fmt;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};

use super::unverified::AnyCertificate;
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

    /// Trusts any server, whatever its certificate says, and presents a certificate to servers that request one. Someone in
    /// between can then read and change everything, so this is for tests and for networks that are protected otherwise.
    pub fn unverified(identity: Option<Identity>) -> Result<ClientTls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(AnyCertificate::new(&provider));
        let builder = ClientTls::builder(provider)?.dangerous().with_custom_certificate_verifier(verifier);
        ClientTls::with_identity(builder, identity)
    }

    /// Sets the name that the server's certificate must be for, if it differs from the host of the URL, as behind a tunnel.
    pub fn server_name(mut self, name: &str) -> Result<ClientTls, TlsError> {
        self.server_name = Some(parse_name(name)?);
        Ok(self)
    }

    /// Offers no protocol by ALPN. The default offers HTTP/1.1, on which WebSocket begins; NATS and Redis name none.
    pub fn without_alpn(mut self) -> ClientTls {
        Arc::make_mut(&mut self.config).alpn_protocols.clear();
        self
    }

    /// Returns the configuration in the form of `rustls`, for clients that make their connections themselves. The
    /// [server name](ClientTls::server_name) is not part of it.
    pub fn rustls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    fn build(authorities: Authorities, identity: Option<Identity>) -> Result<ClientTls, TlsError> {
        let builder = ClientTls::builder(Arc::new(ring::default_provider()))?.with_root_certificates(authorities.roots);
        ClientTls::with_identity(builder, identity)
    }

    fn builder(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::identity(&error))
    }

    fn with_identity(
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
        identity: Option<Identity>,
    ) -> Result<ClientTls, TlsError> {
        let mut config = match identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain, identity.key)
                .map_err(|error| TlsError::identity(&error))?,
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
