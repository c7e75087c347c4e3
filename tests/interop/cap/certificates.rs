//! Certificates for servers that speak TLS.

use std::path::PathBuf;

use nuncio_tests::peers::{Nats, Redis};
use nuncio_tests::temp_dir::TempDir;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// The files of an authority and of a server, whose certificate is for one name.
pub(super) struct Certificates {
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    _directory: TempDir,
}

impl Certificates {
    /// Makes an authority, and a certificate of it.
    pub(super) fn of(name: &str) -> Certificates {
        let directory = TempDir::new();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate with the name of its issuer for one that has signed itself.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let own = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, own).expect("a certificate");
        let pair = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let signed = params.signed_by(&pair, &issuer).expect("a certificate");
        let write = |file: &str, text: String| {
            let path = directory.file(file);
            std::fs::write(&path, text).expect("a file can be written");
            path
        };
        Certificates {
            authority: write("ca.pem", issuer.pem()),
            certificate: write("server.pem", signed.pem()),
            key: write("server.key", pair.serialize_pem()),
            _directory: directory,
        }
    }

    /// Starts a nats-server that speaks TLS.
    pub(super) fn nats(&self) -> Nats {
        let text = |path: &PathBuf| path.to_str().expect("a path of text").to_owned();
        Nats::start(&["--tls", "--tlscert", &text(&self.certificate), "--tlskey", &text(&self.key)])
    }

    /// Starts a redis-server that speaks TLS.
    pub(super) fn redis(&self) -> Redis {
        Redis::start_with_tls(&self.certificate, &self.key, &[])
    }
}
