//! Who may connect, and how connections are kept from others: what `nuncio serve` and the commands of a client share.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use nuncio_tokio::arcp::{HostPolicy, ListenOptions, OriginPolicy, Secret};
use nuncio_tokio::auth::{
    Authorities, CertificatePrincipals, ClientCertificates, ClientTls, Identity, JwtKeyError, JwtKeys, JwtVerifier,
    NameKind, ServerTls, StaticTokens, TlsError, Verifier,
};
use serde::{Deserialize, Deserializer};

/// Who is let in, from where, and over what.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[command(next_help_heading = "Security")]
pub(crate) struct Security {
    /// A bearer token and whose it is; may be repeated, and `NUNCIO_TOKENS` may hold several with commas between
    #[arg(
        long = "token",
        value_name = "TOKEN=PRINCIPAL",
        env = "NUNCIO_TOKENS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    #[serde(rename = "token")]
    tokens: Vec<Token>,
    /// A file with a TOKEN=PRINCIPAL on every line, besides comments that begin with #
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Lets JSON Web Tokens in that are signed (HS256) with the secret in this file
    #[arg(long, value_name = "FILE", group = "jwt_keys")]
    jwt_secret_file: Option<PathBuf>,
    /// Lets JSON Web Tokens in that are signed (RS256, ES256) with the key whose public half is in this PEM file
    #[arg(long, value_name = "FILE", group = "jwt_keys")]
    jwt_key: Option<PathBuf>,
    /// Lets JSON Web Tokens in that are signed with a key of this JSON Web Key Set; it is read again when it changes
    #[arg(long, value_name = "FILE", group = "jwt_keys")]
    jwt_jwks: Option<PathBuf>,
    /// An audience (aud) a JSON Web Token may be for; may be repeated
    #[arg(long, value_name = "AUDIENCE")]
    jwt_audience: Vec<String>,
    /// An issuer (iss) a JSON Web Token may be from; may be repeated
    #[arg(long, value_name = "ISSUER")]
    jwt_issuer: Vec<String>,
    /// How far the issuer's clock may be off [default: 60]
    #[arg(long, value_name = "SECONDS")]
    jwt_leeway: Option<u64>,
    /// Which claim of a JSON Web Token is the principal [default: sub]
    #[arg(long, value_name = "CLAIM")]
    jwt_principal: Option<String>,

    /// Speaks TLS with the certificate in this PEM file, which intermediate ones may follow
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Wants clients to show a certificate that an authority in this PEM file has signed; its name is a principal
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Lets clients leave their certificate out and come with a token
    #[arg(long)]
    client_cert_optional: bool,
    /// Which name of a client's certificate is the principal; may be repeated, the first it has counts
    /// [default: uri, email, dns, common-name]
    #[arg(long, value_name = "KIND", value_enum)]
    client_principal: Vec<CertificateName>,

    /// A host that clients may name, as in agents.example or agents.example:7777; may be repeated
    /// [default: this machine's on a loopback address, any elsewhere]
    #[arg(long = "allow-host", value_name = "HOST")]
    #[serde(rename = "allow-host")]
    hosts: Vec<String>,
    /// A web page that may connect, by its origin, scheme and host; may be repeated [default: none]
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    #[serde(rename = "allow-origin")]
    origins: Vec<String>,
}

/// A name in a client's certificate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum CertificateName {
    /// A URI among the alternative names, such as a SPIFFE id
    Uri,
    /// A mail address among the alternative names
    Email,
    /// A DNS name among the alternative names
    Dns,
    /// The subject's common name
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

/// Why nobody can be let in safely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecurityError {
    #[error("{flag}: {} cannot be read: {error}", path.display())]
    File { flag: &'static str, path: PathBuf, error: std::io::Error },
    #[error("--token-file: line {line} of {} is no token: {error}", path.display())]
    TokenFile { path: PathBuf, line: usize, error: &'static str },
    #[error("{flag}: {error}")]
    Jwt { flag: &'static str, error: JwtKeyError },
    #[error("give one of --jwt-secret-file, --jwt-key and --jwt-jwks, not several")]
    ManyJwtKeys,
    #[error("{0} is about JSON Web Tokens; give a key for them, too: --jwt-secret-file, --jwt-key or --jwt-jwks")]
    NoJwtKey(&'static str),
    #[error("{flag}: {error}")]
    Tls { flag: &'static str, error: TlsError },
    #[error("{given} needs {missing}, too")]
    Incomplete { given: &'static str, missing: &'static str },
    #[error("--allow-host or --allow-origin: {0}")]
    Policy(#[from] nuncio_tokio::arcp::InvalidPolicy),
}

impl Security {
    /// This, and for the rest the other. What belongs together is taken together: JSON Web Tokens, TLS.
    pub(crate) fn or(self, other: Security) -> Security {
        let (mine, theirs) = (self.has_tokens(), other);
        let jwt = self.has_jwt();
        let tls = self.has_tls();
        Security {
            tokens: pick(mine, self.tokens, theirs.tokens),
            token_file: pick(mine, self.token_file, theirs.token_file),
            jwt_secret_file: pick(jwt, self.jwt_secret_file, theirs.jwt_secret_file),
            jwt_key: pick(jwt, self.jwt_key, theirs.jwt_key),
            jwt_jwks: pick(jwt, self.jwt_jwks, theirs.jwt_jwks),
            jwt_audience: pick(!self.jwt_audience.is_empty(), self.jwt_audience, theirs.jwt_audience),
            jwt_issuer: pick(!self.jwt_issuer.is_empty(), self.jwt_issuer, theirs.jwt_issuer),
            jwt_leeway: self.jwt_leeway.or(theirs.jwt_leeway),
            jwt_principal: self.jwt_principal.or(theirs.jwt_principal),
            tls_cert: pick(tls, self.tls_cert, theirs.tls_cert),
            tls_key: pick(tls, self.tls_key, theirs.tls_key),
            client_ca: self.client_ca.or(theirs.client_ca),
            client_cert_optional: self.client_cert_optional || theirs.client_cert_optional,
            client_principal: pick(!self.client_principal.is_empty(), self.client_principal, theirs.client_principal),
            hosts: pick(!self.hosts.is_empty(), self.hosts, theirs.hosts),
            origins: pick(!self.origins.is_empty(), self.origins, theirs.origins),
        }
    }

    /// Whether nobody would be let in.
    pub(crate) fn is_open(&self) -> bool {
        !self.has_tokens() && !self.has_jwt() && self.client_ca.is_none()
    }

    /// In a few words, without a secret.
    pub(crate) fn summary(&self) -> String {
        let mut principals: Vec<&str> = self.tokens.iter().map(|token| &*token.principal).collect();
        principals.sort_unstable();
        principals.dedup();
        let mut said = Vec::new();
        if !principals.is_empty() {
            said.push(format!("tokens of {}", principals.join(", ")));
        }
        if let Some(path) = &self.token_file {
            said.push(format!("tokens in {}", path.display()));
        }
        if self.has_jwt() {
            said.push("JSON Web Tokens".to_owned());
        }
        if self.client_ca.is_some() {
            said.push("client certificates".to_owned());
        }
        if said.is_empty() { "nobody".to_owned() } else { said.join("; ") }
    }

    /// Who knows whom: tokens first, then JSON Web Tokens, then certificates.
    pub(crate) fn verifier(&self) -> Result<Box<dyn Verifier>, SecurityError> {
        let mut tokens = StaticTokens::new();
        for token in self.tokens.iter().chain(&self.tokens_of_file()?) {
            tokens = tokens.with(token.secret.expose(), &token.principal);
        }
        let mut verifier: Box<dyn Verifier> = Box::new(tokens);
        if let Some(jwt) = self.jwt()? {
            verifier = Box::new(verifier.or(jwt));
        }
        if self.client_ca.is_some() {
            let kinds = self.client_principal.iter().copied().map(NameKind::from);
            let certificates = if self.client_principal.is_empty() {
                CertificatePrincipals::new()
            } else {
                CertificatePrincipals::by(kinds)
            };
            verifier = Box::new(verifier.or(certificates));
        }
        Ok(verifier)
    }

    /// How it is listened; the path is another's to say.
    pub(crate) fn listen_options(&self) -> Result<ListenOptions, SecurityError> {
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

    fn has_tls(&self) -> bool {
        self.tls_cert.is_some() || self.tls_key.is_some()
    }

    fn tokens_of_file(&self) -> Result<Vec<Token>, SecurityError> {
        let Some(path) = &self.token_file else { return Ok(Vec::new()) };
        let text = read("--token-file", path)?;
        let text = String::from_utf8_lossy(&text);
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|(line, text)| {
                text.parse().map_err(|error| SecurityError::TokenFile { path: path.clone(), line, error })
            })
            .collect()
    }

    fn jwt(&self) -> Result<Option<JwtVerifier>, SecurityError> {
        let (flag, keys) = match (&self.jwt_secret_file, &self.jwt_key, &self.jwt_jwks) {
            (None, None, None) => return self.no_jwt(),
            (Some(path), None, None) => {
                let secret = read("--jwt-secret-file", path)?;
                // Editors end a file with a line's end, which is not meant.
                ("--jwt-secret-file", JwtKeys::secret(secret.trim_ascii_end()))
            }
            (None, Some(path), None) => ("--jwt-key", JwtKeys::pem(&read("--jwt-key", path)?)),
            (None, None, Some(path)) => ("--jwt-jwks", JwtKeys::jwks_file(path)),
            _ => return Err(SecurityError::ManyJwtKeys),
        };
        let mut jwt = JwtVerifier::new(keys.map_err(|error| SecurityError::Jwt { flag, error })?);
        if !self.jwt_audience.is_empty() {
            jwt = jwt.audience(self.jwt_audience.iter().cloned());
        }
        if !self.jwt_issuer.is_empty() {
            jwt = jwt.issuer(self.jwt_issuer.iter().cloned());
        }
        if let Some(seconds) = self.jwt_leeway {
            jwt = jwt.leeway(Duration::from_secs(seconds));
        }
        if let Some(claim) = &self.jwt_principal {
            jwt = jwt.principal_claim(claim);
        }
        Ok(Some(jwt))
    }

    fn no_jwt(&self) -> Result<Option<JwtVerifier>, SecurityError> {
        let given = [
            ("--jwt-audience", !self.jwt_audience.is_empty()),
            ("--jwt-issuer", !self.jwt_issuer.is_empty()),
            ("--jwt-leeway", self.jwt_leeway.is_some()),
            ("--jwt-principal", self.jwt_principal.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(SecurityError::NoJwtKey(flag)),
            None => Ok(None),
        }
    }

    fn tls(&self) -> Result<Option<ServerTls>, SecurityError> {
        let tls_flag = |flag| move |error| SecurityError::Tls { flag, error };
        let incomplete = |given, missing| Err(SecurityError::Incomplete { given, missing });
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Identity::from_files(certificate, key).map_err(tls_flag("--tls-cert"))?,
            (Some(_), None) => return incomplete("--tls-cert", "--tls-key"),
            (None, Some(_)) => return incomplete("--tls-key", "--tls-cert"),
            (None, None) if self.client_ca.is_some() => return incomplete("--client-ca", "--tls-cert and --tls-key"),
            (None, None) => return Ok(None),
        };
        let tls = match &self.client_ca {
            None if self.client_cert_optional => return incomplete("--client-cert-optional", "--client-ca"),
            None if !self.client_principal.is_empty() => return incomplete("--client-principal", "--client-ca"),
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

fn pick<T>(own: bool, mine: T, theirs: T) -> T {
    if own { mine } else { theirs }
}

/// Whom a client of a wss:// URL trusts, and as whom it shows itself.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct ClientSecurity {
    /// Trusts runtimes that an authority in this PEM file has signed [default: those this system trusts]
    #[arg(long, value_name = "FILE", env = "NUNCIO_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Shows the certificate in this PEM file
    #[arg(long, value_name = "FILE", env = "NUNCIO_CLIENT_CERT", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", env = "NUNCIO_CLIENT_KEY", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl ClientSecurity {
    /// For `ClientBuilder::tls`; `None` is the builder's own default.
    pub(crate) fn tls(&self) -> Result<Option<ClientTls>, SecurityError> {
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => {
                let identity = Identity::from_files(certificate, key);
                Some(identity.map_err(|error| SecurityError::Tls { flag: "--client-cert", error })?)
            }
            (None, None) if self.ca_file.is_none() => return Ok(None),
            (None, None) => None,
            (Some(_), None) => {
                return Err(SecurityError::Incomplete { given: "--client-cert", missing: "--client-key" });
            }
            (None, Some(_)) => {
                return Err(SecurityError::Incomplete { given: "--client-key", missing: "--client-cert" });
            }
        };
        let authorities = match &self.ca_file {
            Some(path) => Authorities::from_file(path),
            None => Authorities::system(),
        };
        let authorities = authorities.map_err(|error| SecurityError::Tls { flag: "--ca-file", error })?;
        let tls = match identity {
            Some(identity) => ClientTls::mutual(authorities, identity),
            None => ClientTls::new(authorities),
        };
        tls.map(Some).map_err(|error| SecurityError::Tls { flag: "--client-cert", error })
    }
}

/// A token and whose it is.
#[derive(Clone, Debug)]
struct Token {
    secret: Secret,
    principal: String,
}

impl FromStr for Token {
    type Err = &'static str;

    /// A token may hold `=`, as base64 does; a principal may not.
    fn from_str(text: &str) -> Result<Token, &'static str> {
        let (secret, principal) = text.rsplit_once('=').ok_or("write it as TOKEN=PRINCIPAL")?;
        if secret.is_empty() || principal.is_empty() {
            return Err("neither the token nor the principal may be empty");
        }
        Ok(Token { secret: Secret::new(secret), principal: principal.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Token, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, SecurityError> {
    std::fs::read(path).map_err(|error| SecurityError::File { flag, path: path.to_owned(), error })
}
