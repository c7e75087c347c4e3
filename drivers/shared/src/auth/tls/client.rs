use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;

use super::{Authorities, Identity, TlsError};

/// How a client speaks TLS (1.2 and 1.3): whom it trusts, and as whom it shows itself.
#[derive(Clone)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Trusts servers that one of these authorities has signed.
    pub fn new(authorities: Authorities) -> Result<ClientTls, TlsError> {
        ClientTls::build(authorities, None)
    }

    /// Mutual TLS: the same, and shows a certificate to servers that ask for one.
    pub fn mutual(authorities: Authorities, identity: Identity) -> Result<ClientTls, TlsError> {
        ClientTls::build(authorities, Some(identity))
    }

    /// Whom the server's certificate has to be for, where that is not the host of the URL: behind a tunnel, say.
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

    /// Whom the certificate of this host has to be for.
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
