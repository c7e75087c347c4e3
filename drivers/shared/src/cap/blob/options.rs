//! The options of a connection to Redis.

use std::path::PathBuf;
use std::time::Duration;

use nuncio_core::cap::Secret;

#[cfg(feature = "tls")]
use crate::auth::{Authorities, ClientTls, Identity, TlsError};
use crate::cap::server::{Environment, InvalidOptions, ServerUrl, backoff};

/// How to connect to Redis.
///
/// ```
/// use nuncio_shared::cap::RedisOptions;
///
/// let options = RedisOptions::new("rediss://worker:s3cret@redis.example/2")?;
/// assert!(options.tls.is_some());
/// assert_eq!((options.host.as_str(), options.port, options.database), ("redis.example", 6379, 2));
/// assert!(!format!("{options:?}").contains("s3cret"));
/// # Ok::<(), nuncio_shared::cap::InvalidOptions>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisOptions {
    /// The server's name or IP address, the latter without brackets.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The user, for servers with access control lists.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The number of the database. Default: 0.
    pub database: u32,
    /// How TLS is spoken; `None` for plain text.
    pub tls: Option<RedisTls>,
    /// The limit for one attempt: from the connection by TCP to the answer to the login. Default: 5 s.
    pub connect_timeout: Duration,
    /// The limit for one operation, from the call to its answer. Default: 5 s.
    pub timeout: Duration,
    /// The first pause between attempts to connect. It doubles up to the longest pause. Default: 100 ms.
    pub first_pause: Duration,
    /// The longest pause between attempts to connect. Default: 5 s.
    pub longest_pause: Duration,
    /// How many operations may wait for their answers. Further ones are refused. Default: 1024.
    pub pipeline: usize,
}

/// How TLS is spoken with Redis, as the variables of the environment say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisTls {
    /// A file with the authorities that are trusted, in PEM form (`REDIS_TLS_CA`, otherwise `SSL_CERT_FILE`). Default:
    /// those of the system.
    pub authorities: Option<PathBuf>,
    /// A file with the certificate that is presented, in PEM form (`REDIS_TLS_CERT`).
    pub certificate: Option<PathBuf>,
    /// A file with its key, in PEM form (`REDIS_TLS_KEY`).
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must be for (`REDIS_TLS_SERVER_NAME`). Default: the host of the URL.
    pub server_name: Option<String>,
    /// Whether any certificate is accepted, also one that is for another name (`REDIS_TLS_INSECURE`). Someone in between
    /// can then read and change everything.
    pub insecure: bool,
}

impl RedisOptions {
    /// The server that [`from_env`](RedisOptions::from_env) uses if the environment names none.
    pub const DEFAULT_URL: &str = "redis://127.0.0.1:6379/0";
    /// The port of a URL that names none.
    pub const DEFAULT_PORT: u16 = 6379;

    /// Reads a URL: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss://` for TLS. All but the host may be left out.
    pub fn new(url: &str) -> Result<RedisOptions, InvalidOptions> {
        let parts = ServerUrl::parse(url)?;
        let tls = match parts.scheme.as_str() {
            "redis" => None,
            "rediss" => Some(RedisTls::default()),
            _ => return Err(InvalidOptions::Scheme { found: parts.scheme, expected: "redis:// or rediss://" }),
        };
        let database = match parts.path.as_str() {
            "" => 0,
            path if path.bytes().all(|byte| byte.is_ascii_digit()) => {
                path.parse().map_err(|_| InvalidOptions::Database)?
            }
            _ => return Err(InvalidOptions::Database),
        };
        if parts.user.is_some() && parts.password.is_none() {
            return Err(InvalidOptions::Excess("a user without a password"));
        }
        Ok(RedisOptions {
            host: parts.host,
            port: parts.port.unwrap_or(RedisOptions::DEFAULT_PORT),
            user: parts.user,
            password: parts.password,
            database,
            tls,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            pipeline: 1024,
        })
    }

    /// Returns the pause before an attempt to connect; the first further attempt has the number 1.
    pub fn pause(&self, attempt: u32) -> Duration {
        backoff(self.first_pause, self.longest_pause, attempt)
    }

    /// Reads the environment: `REDIS_URL`, with [`DEFAULT_URL`](RedisOptions::DEFAULT_URL) if it is not set, and for
    /// `rediss://` the variables of [`RedisTls`].
    pub fn from_env() -> Result<RedisOptions, InvalidOptions> {
        RedisOptions::from(&Environment::PROCESS)
    }

    fn from(environment: &Environment<'_>) -> Result<RedisOptions, InvalidOptions> {
        const URL: &str = "REDIS_URL";
        let url = environment.text(URL)?;
        let mut options = RedisOptions::new(url.as_deref().unwrap_or(RedisOptions::DEFAULT_URL))
            .map_err(|error| InvalidOptions::Variable { variable: URL, error: Box::new(error) })?;
        if options.tls.is_some() {
            options.tls = Some(RedisTls::from(environment)?);
        }
        Ok(options)
    }
}

impl RedisTls {
    /// Reads the environment: `REDIS_TLS_CA` or else `SSL_CERT_FILE`, `REDIS_TLS_CERT`, `REDIS_TLS_KEY`,
    /// `REDIS_TLS_SERVER_NAME` and `REDIS_TLS_INSECURE`. An empty variable counts as one that is not set.
    pub fn from_env() -> Result<RedisTls, InvalidOptions> {
        RedisTls::from(&Environment::PROCESS)
    }

    fn from(environment: &Environment<'_>) -> Result<RedisTls, InvalidOptions> {
        const CERTIFICATE: &str = "REDIS_TLS_CERT";
        const KEY: &str = "REDIS_TLS_KEY";
        let file = |name| Ok(environment.text(name)?.map(PathBuf::from));
        let tls = RedisTls {
            authorities: match file("REDIS_TLS_CA")? {
                Some(file) => Some(file),
                None => file("SSL_CERT_FILE")?,
            },
            certificate: file(CERTIFICATE)?,
            key: file(KEY)?,
            server_name: environment.text("REDIS_TLS_SERVER_NAME")?,
            insecure: environment.flag("REDIS_TLS_INSECURE")?,
        };
        match (&tls.certificate, &tls.key) {
            (Some(_), None) => Err(InvalidOptions::HalfIdentity(CERTIFICATE, KEY)),
            (None, Some(_)) => Err(InvalidOptions::HalfIdentity(KEY, CERTIFICATE)),
            _ => Ok(tls),
        }
    }

    /// Reads the files.
    #[cfg(feature = "tls")]
    pub fn client_tls(&self) -> Result<ClientTls, TlsError> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(Identity::from_files(certificate, key)?),
            (None, None) => None,
            _ => return Err(TlsError::Identity("a certificate and its key are needed together".to_owned())),
        };
        let mut tls = if self.insecure {
            ClientTls::unverified(identity)?
        } else {
            let authorities = match &self.authorities {
                Some(file) => Authorities::from_file(file)?,
                None => Authorities::system()?,
            };
            match identity {
                Some(identity) => ClientTls::mutual(authorities, identity)?,
                None => ClientTls::new(authorities)?,
            }
        };
        if let Some(name) = &self.server_name {
            tls = tls.server_name(name)?;
        }
        Ok(tls.without_alpn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_server_the_login_and_the_database() {
        let options = RedisOptions::new("redis://h").expect("it is valid");
        assert_eq!((options.host.as_str(), options.port, options.database, options.tls), ("h", 6379, 0, None));
        let options = RedisOptions::new("rediss://:p%40ss@[::1]:7000/15").expect("it is valid");
        assert_eq!((options.host.as_str(), options.port, options.database), ("::1", 7000, 15));
        assert_eq!((options.user, options.password), (None, Some(Secret::new("p@ss"))));
        assert_eq!(options.tls, Some(RedisTls::default()));
        assert_eq!(RedisOptions::new("redis://u:p@h/").expect("it is valid").user.as_deref(), Some("u"));
    }

    #[test]
    fn wrong_urls_are_refused_without_repeating_a_password() {
        let scheme = InvalidOptions::Scheme { found: "http".to_owned(), expected: "redis:// or rediss://" };
        for (url, expected) in [
            ("http://u:s3cret@h", scheme),
            ("redis://", InvalidOptions::Host),
            ("redis://u:s3cret@h:0", InvalidOptions::Port),
            ("redis://u:s3cret@h/one", InvalidOptions::Database),
            ("redis://u:s3cret@h/-1", InvalidOptions::Database),
            ("redis://u:s3cret@h/4294967296", InvalidOptions::Database),
            ("redis://u:s3cret@h/0?x=1", InvalidOptions::Excess("a query")),
            ("redis://user@h", InvalidOptions::Excess("a user without a password")),
        ] {
            let error = RedisOptions::new(url).expect_err("it is wrong");
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    fn with(variables: &[(&str, &str)]) -> Result<RedisOptions, InvalidOptions> {
        RedisOptions::from(&Environment::of(&|name| {
            Ok(variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
        }))
    }

    #[test]
    fn the_environment_names_the_server() {
        assert_eq!(
            with(&[]).expect("it is valid"),
            RedisOptions::new("redis://127.0.0.1:6379/0").expect("it is valid")
        );
        assert_eq!(
            with(&[("REDIS_URL", "redis://h/1")]).expect("it is valid"),
            RedisOptions::new("redis://h/1").expect("it is valid")
        );
        let error = with(&[("REDIS_URL", "mem://")]).expect_err("it is wrong");
        assert!(error.to_string().starts_with("the environment variable REDIS_URL cannot be used: "), "{error}");
    }

    /// wire.md §4 row 16: the Python SDK reads these variables and does not use them.
    #[test]
    fn the_environment_says_how_tls_is_spoken() {
        const URL: (&str, &str) = ("REDIS_URL", "rediss://h");
        let tls =
            |more: &[(&str, &str)]| with(&[&[URL], more].concat()).map(|options| options.tls.expect("it is valid"));
        let path = |file: &str| Some(PathBuf::from(file));
        assert_eq!(tls(&[]), Ok(RedisTls::default()));
        assert_eq!(tls(&[("SSL_CERT_FILE", "system.pem")]).expect("it is valid").authorities, path("system.pem"));
        let both = [("SSL_CERT_FILE", "system.pem"), ("REDIS_TLS_CA", "own.pem")];
        assert_eq!(tls(&both).expect("it is valid").authorities, path("own.pem"));
        let mutual = tls(&[("REDIS_TLS_CERT", "c.pem"), ("REDIS_TLS_KEY", "k.pem")]).expect("it is valid");
        assert_eq!((mutual.certificate, mutual.key), (path("c.pem"), path("k.pem")));
        assert_eq!(tls(&[("REDIS_TLS_SERVER_NAME", "n")]).expect("it is valid").server_name.as_deref(), Some("n"));
        assert!(tls(&[("REDIS_TLS_INSECURE", "True")]).expect("it is valid").insecure);
        assert!(!tls(&[("REDIS_TLS_INSECURE", "0")]).expect("it is valid").insecure);
        assert!(!tls(&[("REDIS_TLS_INSECURE", "")]).expect("it is valid").insecure);
        assert_eq!(tls(&[("REDIS_TLS_INSECURE", "perhaps")]), Err(InvalidOptions::Flag("REDIS_TLS_INSECURE")));
        let half = InvalidOptions::HalfIdentity("REDIS_TLS_KEY", "REDIS_TLS_CERT");
        assert_eq!(tls(&[("REDIS_TLS_KEY", "k.pem")]), Err(half));
        let half = InvalidOptions::HalfIdentity("REDIS_TLS_CERT", "REDIS_TLS_KEY");
        assert_eq!(tls(&[("REDIS_TLS_CERT", "c.pem")]), Err(half));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_and_its_key_are_used_together_or_not_at_all() {
        let (file, without) = (Some(PathBuf::from("/none/x.pem")), RedisTls { insecure: true, ..RedisTls::default() });
        assert!(without.client_tls().is_ok());
        let both = RedisTls { certificate: file.clone(), key: file.clone(), ..without.clone() };
        let refused = |tls: &RedisTls| tls.client_tls().map(drop).expect_err("it cannot be used").to_string();
        assert!(refused(&both).contains("/none/x.pem"), "{}", refused(&both));
        assert!(refused(&RedisTls { certificate: file, ..without }).contains("are needed together"));
    }
}
