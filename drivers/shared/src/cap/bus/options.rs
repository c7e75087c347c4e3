//! The options of a connection to NATS.

use std::path::Path;
use std::time::Duration;

use nuncio_core::cap::Secret;

use super::jetstream::JetStreamOptions;
#[cfg(feature = "tls")]
use crate::auth::ClientTls;
use crate::cap::server::{Environment, InvalidOptions, ServerUrl, backoff};

/// How to connect to NATS.
///
/// ```
/// use nuncio_shared::cap::{NatsLogin, NatsOptions};
///
/// let mut options = NatsOptions::new("nats://worker:s3cret@nats-1.example,nats://worker:s3cret@nats-2.example:4223")?;
/// options.name = "worker-1".to_owned();
/// assert_eq!(options.servers[1].port, 4223);
/// assert!(matches!(&options.login, NatsLogin::Password { user, .. } if user == "worker"));
/// assert!(!format!("{options:?}").contains("s3cret"));
/// # Ok::<(), nuncio_shared::cap::InvalidOptions>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NatsOptions {
    /// The servers of one cluster. They are tried in an order that is shuffled for each client.
    pub servers: Vec<NatsServer>,
    /// The name of the client that servers show in their monitoring. Default: `nuncio`.
    pub name: String,
    /// How the client logs in. Default: that of the URL.
    pub login: NatsLogin,
    /// Whether the client gets the messages that it has published itself, if it has subscribed to them. Default: true.
    pub echo: bool,
    /// A durable stream for submitted jobs and their results, for the bus of a router (tokio only). Default: none, and what
    /// is published while no router is connected is lost until it is sent again.
    pub jetstream: Option<JetStreamOptions>,
    /// The authorities that are trusted and the certificate that is presented, for a connection that uses TLS: one by
    /// `tls://`, or to a server that requires it. Default: `None`, the authorities of the system.
    #[cfg(feature = "tls")]
    pub tls: Option<ClientTls>,
    /// The limit for one attempt: from the connection by TCP to the answer to the login. Default: 5 s.
    pub connect_timeout: Duration,
    /// For how long the first connection is tried again. With zero there is one attempt per server. Default: 5 s.
    pub connect_within: Duration,
    /// The first pause between attempts. It doubles up to the longest pause, and each is shortened at random by up to a
    /// half. Default: 100 ms.
    pub first_pause: Duration,
    /// The longest pause between attempts. Default: 10 s.
    pub longest_pause: Duration,
    /// How often the server is asked for a sign of life. Default: 30 s.
    pub ping_interval: Duration,
    /// How many pings may be unanswered until the connection counts as lost. Default: 2.
    pub unanswered_pings: u32,
    /// The longest message that is received, in bytes. A longer one ends the connection. Default: 8 MiB.
    pub max_payload: usize,
    /// How many messages of one subscription may wait for the application. Default: 65 536.
    pub subscription_messages: usize,
    /// How many bytes the messages of one subscription that wait for the application may have. Default: 64 MiB.
    pub subscription_bytes: usize,
    /// How many bytes may wait for the socket. A publish waits while there are more. Default: 8 MiB.
    pub output_bytes: usize,
}

/// A server of NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServer {
    /// Its name or IP address, the latter without brackets.
    pub host: String,
    /// Its port for clients.
    pub port: u16,
    /// Whether the connection must use TLS, as for `tls://`. A server that requires TLS gets it in any case.
    pub tls: bool,
}

/// How a client of NATS logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsLogin {
    /// Not at all, or by its TLS certificate.
    #[default]
    None,
    /// With a token.
    Token(Secret),
    /// With a user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// With the seed of an nkey, `SU…` (tokio only).
    Nkey(Secret),
    /// With the text of a `.creds` file: a JSON Web Token and the seed of its nkey (tokio only).
    Credentials(Secret),
}

impl NatsLogin {
    /// Reads a `.creds` file.
    pub fn credentials_file(path: impl AsRef<Path>) -> std::io::Result<NatsLogin> {
        Ok(NatsLogin::Credentials(Secret::new(std::fs::read_to_string(path)?)))
    }
}

impl NatsOptions {
    /// The server that [`from_env`](NatsOptions::from_env) uses if the environment names none.
    pub const DEFAULT_URL: &str = "nats://127.0.0.1:4222";
    /// The port of a URL that names none.
    pub const DEFAULT_PORT: u16 = 4222;

    /// Reads a URL, or several with commas between them: `nats://HOST:PORT` or `tls://HOST:PORT`, with `USER:PASSWORD@` or
    /// `TOKEN@` before the host. The scheme may be left out.
    pub fn new(urls: &str) -> Result<NatsOptions, InvalidOptions> {
        let mut servers = Vec::new();
        let mut login = None;
        for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            let (server, own) = parse(url)?;
            if login.as_ref().is_some_and(|login| *login != own) {
                return Err(InvalidOptions::Logins);
            }
            login = Some(own);
            servers.push(server);
        }
        Ok(NatsOptions {
            servers,
            name: "nuncio".to_owned(),
            login: login.ok_or(InvalidOptions::NoServer)?,
            echo: true,
            jetstream: None,
            #[cfg(feature = "tls")]
            tls: None,
            connect_timeout: Duration::from_secs(5),
            connect_within: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            unanswered_pings: 2,
            max_payload: 8 << 20,
            subscription_messages: 65_536,
            subscription_bytes: 64 << 20,
            output_bytes: 8 << 20,
        })
    }

    /// Returns the pause before an attempt to connect; the first further attempt has the number 1.
    pub fn pause(&self, attempt: u32) -> Duration {
        backoff(self.first_pause, self.longest_pause, attempt)
    }

    /// Reads the environment variable `NATS_URL`, with [`DEFAULT_URL`](NatsOptions::DEFAULT_URL) if it is not set.
    pub fn from_env() -> Result<NatsOptions, InvalidOptions> {
        NatsOptions::from(&Environment::PROCESS)
    }

    fn from(environment: &Environment<'_>) -> Result<NatsOptions, InvalidOptions> {
        const URL: &str = "NATS_URL";
        match environment.text(URL)? {
            None => NatsOptions::new(NatsOptions::DEFAULT_URL),
            Some(urls) => NatsOptions::new(&urls)
                .map_err(|error| InvalidOptions::Variable { variable: URL, error: Box::new(error) }),
        }
    }
}

fn parse(url: &str) -> Result<(NatsServer, NatsLogin), InvalidOptions> {
    let parts = if url.contains("://") { ServerUrl::parse(url)? } else { ServerUrl::parse(&format!("nats://{url}"))? };
    let tls = match parts.scheme.as_str() {
        "nats" => false,
        "tls" => true,
        _ => return Err(InvalidOptions::Scheme { found: parts.scheme, expected: "nats:// or tls://" }),
    };
    if !parts.path.is_empty() {
        return Err(InvalidOptions::Excess("a path"));
    }
    let login = match (parts.user, parts.password) {
        (Some(user), Some(password)) => NatsLogin::Password { user, password },
        (Some(token), None) => NatsLogin::Token(Secret::new(token)),
        (None, Some(_)) => return Err(InvalidOptions::Excess("a password without a user")),
        (None, None) => NatsLogin::None,
    };
    Ok((NatsServer { host: parts.host, port: parts.port.unwrap_or(NatsOptions::DEFAULT_PORT), tls }, login))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16, tls: bool) -> NatsServer {
        NatsServer { host: host.to_owned(), port, tls }
    }

    #[test]
    fn urls_name_servers_and_one_login() {
        let options = NatsOptions::new("nats://a.example, tls://[::1]:4333,10.0.0.7:9").expect("it is valid");
        let expected = [server("a.example", 4222, false), server("::1", 4333, true), server("10.0.0.7", 9, false)];
        assert_eq!(options.servers, expected);
        assert_eq!(options.login, NatsLogin::None);
        let login = |url| NatsOptions::new(url).expect("it is valid").login;
        assert_eq!(login("nats://t%40ken@h"), NatsLogin::Token(Secret::new("t@ken")));
        let password = NatsLogin::Password { user: "u".to_owned(), password: Secret::new("p:w") };
        assert_eq!(login("nats://u:p%3Aw@h,nats://u:p%3Aw@i"), password);
    }

    #[test]
    fn wrong_urls_are_refused_without_repeating_a_password() {
        let scheme = InvalidOptions::Scheme { found: "wss".to_owned(), expected: "nats:// or tls://" };
        for (url, expected) in [
            ("", InvalidOptions::NoServer),
            (",", InvalidOptions::NoServer),
            ("wss://u:s3cret@h", scheme),
            ("nats://", InvalidOptions::Host),
            ("nats://u:s3cret@h:0", InvalidOptions::Port),
            ("nats://u:s3cret@h/x", InvalidOptions::Excess("a path")),
            ("nats://u:s3cret@h?tls", InvalidOptions::Excess("a query")),
            ("nats://u:s3cret@h#x", InvalidOptions::Excess("a fragment")),
            ("nats://:s3cret@h", InvalidOptions::Excess("a password without a user")),
            ("nats://u:s3cret@h,nats://h", InvalidOptions::Logins),
            ("nats://u:s3cret%ff@h", InvalidOptions::Login),
        ] {
            let error = NatsOptions::new(url).expect_err("it is wrong");
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
        let error = NatsOptions::new("nats://u:s3cret@h:port").expect_err("it is wrong");
        assert!(matches!(error, InvalidOptions::Url(_)) && !format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn the_environment_names_the_servers() {
        let none = |_: &str| Ok(None);
        assert_eq!(
            NatsOptions::from(&Environment::of(&none)).expect("it is valid").servers,
            [server("127.0.0.1", 4222, false)]
        );
        let set = |name: &str| Ok((name == "NATS_URL").then(|| "nats://h:1".to_owned()));
        assert_eq!(NatsOptions::from(&Environment::of(&set)).expect("it is valid").servers, [server("h", 1, false)]);
        let wrong = |_: &str| Ok(Some("http://h".to_owned()));
        let error = NatsOptions::from(&Environment::of(&wrong)).expect_err("it is wrong");
        assert!(error.to_string().starts_with("the environment variable NATS_URL cannot be used: "), "{error}");
    }
}
