//! TLS options of a client: which runtimes it trusts, and the certificate it presents.

use std::path::PathBuf;

use clap::Args;
use nuncio_tokio::auth::{Authorities, ClientTls, Identity, TlsError};

use crate::error::Error;
use crate::files;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsOptions {
    /// PEM file of the certificate authorities to trust for wss:// URLs [default: those of the system]
    #[arg(long, value_name = "FILE", env = "NUNCIO_CA_FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// PEM file of the certificate to present to the runtime
    #[arg(long, value_name = "FILE", env = "NUNCIO_CLIENT_CERT", hide_env_values = true, requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, value_name = "FILE", env = "NUNCIO_CLIENT_KEY", hide_env_values = true, requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl TlsOptions {
    /// The options of a command whose help names another server than a runtime.
    pub(crate) fn new(
        ca_file: Option<PathBuf>,
        client_cert: Option<PathBuf>,
        client_key: Option<PathBuf>,
    ) -> TlsOptions {
        TlsOptions { ca_file, client_cert, client_key }
    }

    /// The settings that were given, or `None` for the client's own default.
    pub(crate) fn client_tls(&self) -> Result<Option<ClientTls>, Error> {
        let of = |flag: &'static str| {
            move |error: TlsError| Error::Usage(format!("{flag}: {error}{}", files::tls_advice(&error)))
        };
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => {
                Some(Identity::from_files(certificate, key).map_err(of("--client-cert"))?)
            }
            (None, None) if self.ca_file.is_none() => return Ok(None),
            (None, None) => None,
            _ => return Err(Error::Usage("give --client-cert and --client-key together".to_owned())),
        };
        let authorities = match &self.ca_file {
            Some(path) => Authorities::from_file(path),
            None => Authorities::system(),
        };
        let authorities = authorities.map_err(of("--ca-file"))?;
        let tls = match identity {
            Some(identity) => ClientTls::mutual(authorities, identity),
            None => ClientTls::new(authorities),
        };
        tls.map(Some).map_err(of("--client-cert"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

    use clap::Parser;
    use rcgen::CertifiedKey;

    use super::TlsOptions;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        tls: TlsOptions,
    }

    fn options(flags: &[&str]) -> TlsOptions {
        Command::try_parse_from([&["nuncio"], flags].concat()).unwrap().tls
    }

    #[test]
    fn certificates_are_read_from_files() {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (certificate, key) = (file("cert", cert.pem()), file("key", signing_key.serialize_pem()));
        let flags = ["--ca-file", &certificate, "--client-cert", &certificate, "--client-key", &key];
        assert!(options(&flags).client_tls().unwrap().is_some());
        assert!(options(&[]).client_tls().unwrap().is_none());
    }

    #[test]
    fn errors_name_the_flag() {
        let missing = options(&["--ca-file", "/nowhere/ca.pem"]).client_tls().unwrap_err().to_string();
        assert!(missing.starts_with("--ca-file: /nowhere/ca.pem cannot be read"), "{missing}");
        assert!(Command::try_parse_from(["nuncio", "--client-cert", "a"]).is_err());
    }
}
