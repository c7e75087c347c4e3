//! Who may connect to `nuncio serve`: tokens, JSON Web Tokens, mandates of Caracal, TLS, client certificates, hosts and
//! origins.

mod jwt;
mod mandates;
mod revoked;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nuncio_tokio::arcp::{HostPolicy, ListenOptions, OriginPolicy};
use nuncio_tokio::auth::{
    Authorities, BoxVerifier, CertificatePrincipals, ClientCertificates, JwtKeyError, NameKind, ServerTls, TlsError,
    Verifier,
};
use nuncio_tokio::caracal::{ConfigError, InvalidId};
use serde::Deserialize;

use crate::{files, identity, private};
use tokens::{Token, TokenError};

/// The options, and the table `[security]` of the configuration file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    default,
    expecting = "a table, such as [security] with token-file = \"tokens\""
)]
#[command(next_help_heading = "Authentication")]
pub(super) struct Security {
    /// Accept this bearer token, as this principal. For several tokens, repeat it or separate them with commas
    ///
    /// Other users of this machine can read it in the list of processes; prefer --token-file or the environment variable. If
    /// no flag says who may connect, nuncio generates a token, prints it, and listens only on a loopback address.
    #[arg(
        long = "token",
        value_name = "TOKEN=PRINCIPAL",
        env = "NUNCIO_TOKENS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    #[serde(rename = "token")]
    tokens: Vec<Token>,
    /// Accept the tokens in this file. Each line is TOKEN=PRINCIPAL, or a comment that starts with #
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Let this principal list, watch and cancel every job. It sees no credentials. Repeat it for more
    #[arg(long = "operator", value_name = "PRINCIPAL")]
    #[serde(rename = "operator")]
    operators: Vec<String>,
    /// Let this principal list and watch every job, and answer the questions of its agent. Repeat it for more
    #[arg(long = "approver", value_name = "PRINCIPAL")]
    #[serde(rename = "approver")]
    approvers: Vec<String>,

    /// Accept JSON Web Tokens that are signed with the secret in this file (HS256)
    #[arg(long, value_name = "FILE", group = "jwt_keys")]
    jwt_secret_file: Option<PathBuf>,
    /// Accept JSON Web Tokens whose signature the public key in this PEM file verifies (RS256 or ES256)
    #[arg(long, value_name = "FILE", group = "jwt_keys")]
    jwt_key: Option<PathBuf>,
    /// Accept JSON Web Tokens whose signature a key of this JSON Web Key Set verifies. The file is read again when it
    /// changes
    #[arg(long, value_name = "FILE", group = "jwt_keys")]
    jwt_jwks: Option<PathBuf>,
    /// Accept only JSON Web Tokens for this audience (aud). Repeat it to allow more [default: only tokens without an audience]
    #[arg(long, value_name = "AUDIENCE")]
    jwt_audience: Vec<String>,
    /// Accept only JSON Web Tokens of this issuer (iss). Repeat it to allow more [default: any]
    #[arg(long, value_name = "ISSUER")]
    jwt_issuer: Vec<String>,
    /// Seconds by which the clocks of this machine and of the issuer may differ [default: 60]
    #[arg(long, value_name = "SECONDS")]
    jwt_leeway: Option<u64>,
    /// Claim of a JSON Web Token that is the principal [default: sub]
    #[arg(long, value_name = "CLAIM")]
    jwt_principal: Option<String>,

    /// Accept mandates of Caracal whose signature a key at this URL verifies (ES256): the keys of a token service, such as
    /// `http://127.0.0.1:4000/.well-known/jwks.json`, or its base URL
    ///
    /// The principal is the zone and the application of the mandate, as caracal:my-zone/my-app. nuncio fetches the keys when
    /// it first needs them, and again after 5 minutes. For an unknown key, it fetches them at most every 5 seconds.
    #[arg(long, value_name = "URL")]
    caracal_jwks: Option<String>,
    /// Accept only mandates of this issuer (iss)
    #[arg(long, value_name = "ISSUER")]
    caracal_issuer: Option<String>,
    /// Accept only mandates of this zone (`zone_id`)
    #[arg(long, value_name = "ID")]
    caracal_zone: Option<String>,
    /// Accept only mandates for this audience (aud)
    #[arg(long, value_name = "AUDIENCE")]
    caracal_audience: Option<String>,
    /// Accept only mandates with this scope. Repeat it to require more [default: none]
    #[arg(long = "caracal-scope", value_name = "SCOPE")]
    #[serde(rename = "caracal-scope")]
    caracal_scopes: Vec<String>,
    /// Accept only mandates for this use (use). Repeat it to allow more [default: `ambient`, `per_call`, `resource`]
    #[arg(long = "caracal-use", value_name = "USE")]
    #[serde(rename = "caracal-use")]
    caracal_uses: Vec<String>,
    /// Refuse mandates that have an id in this file: the id of the token (`jti`), of an authority record (`sid`, `root_sid`),
    /// of the session or of the edge. Each line is an id, or a comment that starts with #. The file is read again when it
    /// changes
    #[arg(long, value_name = "FILE")]
    caracal_revoked: Option<PathBuf>,

    /// Serve TLS with the certificate in this PEM file. Intermediate certificates may follow it
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_key: Option<PathBuf>,
    /// Require a client certificate that an authority in this PEM file has signed. A name in it is the principal
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    client_ca: Option<PathBuf>,
    /// Also accept clients that have a token and no certificate
    #[arg(long, help_heading = "TLS")]
    client_cert_optional: bool,
    /// Kind of name in a client certificate that is the principal. Repeat it for more; the first kind that the
    /// certificate has is used [default: uri, email, dns, common-name]
    #[arg(long, value_name = "KIND", value_enum, help_heading = "TLS")]
    client_principal: Vec<CertificateName>,

    /// Accept only requests to this host, such as agents.example or agents.example:7777. Repeat it for more [default: this
    /// machine's own names if it listens on loopback, else any]
    #[arg(long = "allow-host", value_name = "HOST", help_heading = "Web access")]
    #[serde(rename = "allow-host")]
    hosts: Vec<String>,
    /// Accept connections from web pages of this origin, such as `https://console.example`. Repeat it for more [default:
    /// none]
    #[arg(long = "allow-origin", value_name = "ORIGIN", help_heading = "Web access")]
    #[serde(rename = "allow-origin")]
    origins: Vec<String>,
}

/// A kind of name in a client certificate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum CertificateName {
    /// URI alternative name, such as a SPIFFE id
    Uri,
    /// E-mail alternative name
    Email,
    /// DNS alternative name
    Dns,
    /// Common name of the subject
    CommonName,
}

impl From<CertificateName> for NameKind {
    fn from(name: CertificateName) -> NameKind {
        match name {
            CertificateName::Uri => NameKind::Uri,
            CertificateName::Email => NameKind::Email,
            CertificateName::Dns => NameKind::Dns,
            CertificateName::CommonName => NameKind::CommonName,
        }
    }
}

/// Options that contradict each other, or name a file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecurityError {
    #[error("{flag}: cannot read {}: {error}{}", path.display(), files::advice(error))]
    File { flag: &'static str, path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{flag}: {error}{}", files::jwt_advice(error))]
    Jwt { flag: &'static str, error: JwtKeyError },
    #[error("give only one of --jwt-secret-file, --jwt-key and --jwt-jwks")]
    ManyJwtKeys,
    #[error("{0} needs a key for JSON Web Tokens: --jwt-secret-file, --jwt-key or --jwt-jwks")]
    NoJwtKey(&'static str),
    #[error("--caracal-jwks: {0}")]
    Mandates(ConfigError),
    #[error("--caracal-zone: {0}")]
    Zone(InvalidId),
    #[error("{flag}: {error}{}", files::tls_advice(error))]
    Tls { flag: &'static str, error: TlsError },
    #[error("{0} names no principal; write the one that a token has")]
    NoPrincipal(&'static str),
    #[error("{given} needs {missing}")]
    Incomplete { given: &'static str, missing: &'static str },
    #[error("--allow-host or --allow-origin: {0}")]
    Policy(#[from] nuncio_tokio::arcp::InvalidPolicy),
}

impl Security {
    /// These options, and `others` where they are not given. Tokens are replaced together, and so are keys for JSON Web
    /// Tokens, and the certificate with its key. The options for mandates belong together, too.
    pub(super) fn or(self, others: Security) -> Security {
        let (tokens, jwt, tls) = (self.has_tokens(), self.has_jwt(), self.has_tls());
        let caracal = self.caracal_jwks.is_some();
        Security {
            tokens: pick(tokens, self.tokens, others.tokens),
            token_file: pick(tokens, self.token_file, others.token_file),
            operators: pick(!self.operators.is_empty(), self.operators, others.operators),
            approvers: pick(!self.approvers.is_empty(), self.approvers, others.approvers),
            jwt_secret_file: pick(jwt, self.jwt_secret_file, others.jwt_secret_file),
            jwt_key: pick(jwt, self.jwt_key, others.jwt_key),
            jwt_jwks: pick(jwt, self.jwt_jwks, others.jwt_jwks),
            jwt_audience: pick(!self.jwt_audience.is_empty(), self.jwt_audience, others.jwt_audience),
            jwt_issuer: pick(!self.jwt_issuer.is_empty(), self.jwt_issuer, others.jwt_issuer),
            jwt_leeway: self.jwt_leeway.or(others.jwt_leeway),
            jwt_principal: self.jwt_principal.or(others.jwt_principal),
            caracal_jwks: pick(caracal, self.caracal_jwks, others.caracal_jwks),
            caracal_issuer: pick(caracal, self.caracal_issuer, others.caracal_issuer),
            caracal_zone: pick(caracal, self.caracal_zone, others.caracal_zone),
            caracal_audience: pick(caracal, self.caracal_audience, others.caracal_audience),
            caracal_scopes: pick(caracal, self.caracal_scopes, others.caracal_scopes),
            caracal_uses: pick(caracal, self.caracal_uses, others.caracal_uses),
            caracal_revoked: pick(caracal, self.caracal_revoked, others.caracal_revoked),
            tls_cert: pick(tls, self.tls_cert, others.tls_cert),
            tls_key: pick(tls, self.tls_key, others.tls_key),
            client_ca: self.client_ca.or(others.client_ca),
            client_cert_optional: self.client_cert_optional || others.client_cert_optional,
            client_principal: pick(!self.client_principal.is_empty(), self.client_principal, others.client_principal),
            hosts: pick(!self.hosts.is_empty(), self.hosts, others.hosts),
            origins: pick(!self.origins.is_empty(), self.origins, others.origins),
        }
    }

    /// Returns whether there is no way to authenticate.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_tokens() && !self.has_jwt() && self.caracal_jwks.is_none() && self.client_ca.is_none()
    }

    /// The principals that may list, watch and cancel every job.
    pub(super) fn operators(&self) -> &[String] {
        &self.operators
    }

    /// The principals that may list and watch every job and answer its questions.
    pub(super) fn approvers(&self) -> &[String] {
        &self.approvers
    }

    /// The line of `--check`: the ways to authenticate, without a secret.
    pub(super) fn summary(&self) -> String {
        let mut principals: Vec<&str> = self.tokens.iter().map(|token| &*token.principal).collect();
        principals.sort_unstable();
        principals.dedup();
        let mut ways = Vec::new();
        if !principals.is_empty() {
            ways.push(format!("tokens of {}", principals.join(", ")));
        }
        if let Some(path) = &self.token_file {
            ways.push(format!("tokens of the file {}", path.display()));
        }
        if self.has_jwt() {
            ways.push("JSON Web Tokens".to_owned());
        }
        if self.caracal_jwks.is_some() {
            ways.push(format!("mandates of the zone {}", self.caracal_zone.as_deref().unwrap_or_default()));
        }
        if self.client_ca.is_some() {
            ways.push("client certificates".to_owned());
        }
        ways.join("; ")
    }

    /// The certificate, and whether clients have one, for people.
    pub(super) fn tls_summary(&self) -> Option<String> {
        let certificate = self.tls_cert.as_ref()?.display();
        let clients = match (&self.client_ca, self.client_cert_optional) {
            (None, _) => "",
            (Some(_), true) => "; clients may present a certificate",
            (Some(_), false) => "; clients have to present a certificate",
        };
        Some(format!("with the certificate {certificate}{clients}"))
    }

    /// The files that are read again when something has changed.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let tokens = [&self.token_file, &self.jwt_secret_file, &self.jwt_key, &self.jwt_jwks];
        let tls = [&self.tls_cert, &self.tls_key, &self.client_ca];
        tokens.into_iter().chain(tls).flatten()
    }

    /// Verifies tokens first, then JSON Web Tokens, then mandates by their verifier, then client certificates.
    pub(super) fn verifier(&self, mandates: Option<BoxVerifier>) -> Result<BoxVerifier, SecurityError> {
        for (flag, principals) in [("--operator", &self.operators), ("--approver", &self.approvers)] {
            if principals.iter().any(String::is_empty) {
                return Err(SecurityError::NoPrincipal(flag));
            }
        }
        if let Some(path) = &self.token_file {
            private::warn_of_readers(path);
        }
        let mut verifier = tokens::verifier(self.tokens.iter().chain(&self.tokens_of_file()?))?.boxed();
        if let Some(jwt) = self.jwt()? {
            verifier = verifier.or(jwt).boxed();
        }
        if let Some(mandates) = mandates {
            verifier = verifier.or(mandates).boxed();
        }
        if self.client_ca.is_some() {
            let kinds = self.client_principal.iter().copied().map(NameKind::from);
            let certificates = if self.client_principal.is_empty() {
                CertificatePrincipals::new()
            } else {
                CertificatePrincipals::by(kinds)
            };
            verifier = verifier.or(certificates).boxed();
        }
        Ok(verifier)
    }

    fn tokens_of_file(&self) -> Result<Vec<Token>, TokenError> {
        self.token_file.as_deref().map_or_else(|| Ok(Vec::new()), tokens::read)
    }

    /// Returns the operators and approvers that can never log in, because tokens are the only way and they have none. Each
    /// comes with its option. `generated` has a token if none is given.
    pub(super) fn without_token(&self, generated: &str) -> Vec<(&'static str, &str)> {
        if self.has_jwt() || self.caracal_jwks.is_some() || self.client_ca.is_some() {
            return Vec::new();
        }
        // A file that cannot be read is reported elsewhere.
        let Ok(of_file) = self.tokens_of_file() else { return Vec::new() };
        let mut known: BTreeSet<&str> = self.tokens.iter().chain(&of_file).map(|token| &*token.principal).collect();
        if !self.has_tokens() {
            known.insert(generated);
        }
        let operators = self.operators.iter().map(|principal| ("--operator", principal.as_str()));
        let approvers = self.approvers.iter().map(|principal| ("--approver", principal.as_str()));
        operators.chain(approvers).filter(|(_, principal)| !known.contains(principal)).collect()
    }

    /// TLS, hosts and origins. The path is left to the caller.
    pub(super) fn listen_options(&self) -> Result<ListenOptions, SecurityError> {
        let mut options = ListenOptions { tls: self.tls()?, ..ListenOptions::default() };
        if !self.hosts.is_empty() {
            options.hosts = Some(HostPolicy::list(self.hosts.iter().map(String::as_str))?);
        }
        if !self.origins.is_empty() {
            options.origins = Some(OriginPolicy::list(self.origins.iter().map(String::as_str))?);
        }
        Ok(options)
    }

    fn has_tokens(&self) -> bool {
        !self.tokens.is_empty() || self.token_file.is_some()
    }

    fn has_jwt(&self) -> bool {
        self.jwt_secret_file.is_some() || self.jwt_key.is_some() || self.jwt_jwks.is_some()
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls_cert.is_some() || self.tls_key.is_some()
    }

    pub(super) fn tls(&self) -> Result<Option<ServerTls>, SecurityError> {
        let tls_flag = |flag| move |error| SecurityError::Tls { flag, error };
        let incomplete = |given, missing| Err(SecurityError::Incomplete { given, missing });
        if self.client_ca.is_none() && self.client_cert_optional {
            return incomplete("--client-cert-optional", "--client-ca");
        }
        if self.client_ca.is_none() && !self.client_principal.is_empty() {
            return incomplete("--client-principal", "--client-ca");
        }
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => identity::of_server(certificate, key).map_err(tls_flag("--tls-cert"))?,
            (Some(_), None) => return incomplete("--tls-cert", "--tls-key"),
            (None, Some(_)) => return incomplete("--tls-key", "--tls-cert"),
            (None, None) if self.client_ca.is_some() => return incomplete("--client-ca", "--tls-cert and --tls-key"),
            (None, None) => return Ok(None),
        };
        let tls = match &self.client_ca {
            None => ServerTls::new(identity),
            Some(path) => {
                let authorities = Authorities::from_file(path).map_err(tls_flag("--client-ca"))?;
                let clients =
                    if self.client_cert_optional { ClientCertificates::Optional } else { ClientCertificates::Required };
                ServerTls::mutual(identity, authorities, clients)
            }
        };
        tls.map(Some).map_err(tls_flag("--tls-cert"))
    }
}

fn pick<T>(is_given: bool, own: T, other: T) -> T {
    if is_given { own } else { other }
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, SecurityError> {
    std::fs::read(path).map_err(|error| SecurityError::File { flag, path: path.to_owned(), error })
}
