//! Connects to one server: TCP, INFO, TLS, login.

use std::io;
use std::marker::PhantomData;

use futures_lite::AsyncReadExt as _;
use nuncio_link::nats::{NatsClosed, NatsConfig, NatsCredentials, NatsEvent, NatsInfo, NatsLink};

use super::error::NatsError;
#[cfg(feature = "tls")]
use crate::auth::{Authorities, ClientTls};
use crate::cap::bus::{NatsLogin, NatsOptions, NatsServer};
use crate::io::clock::{Clock, timeout};
use crate::io::conn::write;
use crate::io::{Driver, Io as _, Stream, connect};

/// Makes the connections of one bus.
pub(super) struct Connector<D> {
    options: NatsOptions,
    config: NatsConfig,
    driver: PhantomData<fn(D)>,
}

/// A connection whose login was accepted.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) link: NatsLink,
    /// The last INFO of the server.
    pub(super) info: Box<NatsInfo>,
}

/// An attempt that is going on.
struct Attempt {
    stream: Stream,
    link: NatsLink,
    /// The server, as `HOST:PORT`.
    server: String,
}

impl<D: Driver> Connector<D> {
    pub(super) fn new(options: NatsOptions) -> Result<Connector<D>, NatsError> {
        let credentials = match &options.login {
            NatsLogin::None => NatsCredentials::None,
            NatsLogin::Token(token) => NatsCredentials::Token(token.clone()),
            NatsLogin::Password { user, password } => {
                NatsCredentials::Password { user: user.clone(), password: password.clone() }
            }
            NatsLogin::Nkey(_) => return Err(NatsError::Login("a login with an nkey")),
            NatsLogin::Credentials(_) => return Err(NatsError::Login("a login with a credentials file")),
        };
        let config = NatsConfig {
            name: options.name.clone(),
            credentials,
            echo: options.echo,
            max_payload: options.max_payload,
            max_output: options.output_bytes,
            ping_interval: options.ping_interval,
            unanswered_pings: options.unanswered_pings,
            ..NatsConfig::default()
        };
        Ok(Connector { options, config, driver: PhantomData })
    }

    pub(super) async fn connect(
        &self,
        thread: &D::Thread,
        clock: Clock,
        server: NatsServer,
    ) -> Result<Connection, NatsError> {
        let name = format!("{}:{}", server.host, server.port);
        let limit = self.options.connect_timeout;
        let attempt = timeout(thread, limit, self.attempt(thread, clock, server, name.clone()));
        let late = || NatsError::Unreachable { server: name, reason: format!("it did not answer within {limit:?}") };
        attempt.await.ok_or_else(late)?
    }

    async fn attempt(
        &self,
        thread: &D::Thread,
        clock: Clock,
        server: NatsServer,
        name: String,
    ) -> Result<Connection, NatsError> {
        let stream = match connect::<D>(server.host.clone(), server.port, |at| thread.sleep_until(at)).await {
            Ok(stream) => stream,
            Err(error) => return Err(unreachable(name, &error)),
        };
        let link = NatsLink::new(self.config.clone(), clock.now());
        let mut attempt = Attempt { stream, link, server: name };
        let NatsEvent::Info(mut info) = attempt.event(clock).await? else {
            return Err(attempt.failed("it did not begin with INFO"));
        };
        if server.tls && !info.tls_required && !info.tls_available {
            return Err(NatsError::NoTls(attempt.server));
        }
        if server.tls || info.tls_required {
            attempt = self.start_tls(attempt, &server.host).await?;
        }
        if attempt.link.login(clock.now()).is_err() {
            return Err(attempt.failed("it ended the connection"));
        }
        attempt.write().await?;
        loop {
            match attempt.event(clock).await? {
                NatsEvent::Info(newer) => info = newer,
                NatsEvent::Ready => {
                    return Ok(Connection { stream: attempt.stream, link: attempt.link, info });
                }
                _ => return Err(attempt.failed("it sent something else than an answer to the login")),
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn start_tls(&self, mut attempt: Attempt, host: &str) -> Result<Attempt, NatsError> {
        attempt.link.start_tls();
        if let Some(NatsEvent::Closed(end)) = attempt.link.poll_event() {
            return Err(attempt.failed(&end.to_string()));
        }
        let tls = match &self.options.tls {
            Some(tls) => tls.clone(),
            None => ClientTls::new(Authorities::system()?)?,
        };
        let Attempt { stream, link, server } = attempt;
        match tls.without_alpn().shake_hands(stream, host).await {
            Ok(stream) => Ok(Attempt { stream, link, server }),
            Err(error) => Err(unreachable(server, &error)),
        }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "it has the shape that it has with TLS")]
    async fn start_tls(&self, attempt: Attempt, _host: &str) -> Result<Attempt, NatsError> {
        Err(NatsError::WithoutTls(attempt.server))
    }
}

impl Attempt {
    /// Returns the next event. The end of the link is an error.
    async fn event(&mut self, clock: Clock) -> Result<NatsEvent, NatsError> {
        let mut buffer = vec![0; 4096];
        loop {
            match self.link.poll_event() {
                Some(NatsEvent::Closed(NatsClosed::Refused(reason))) => {
                    return Err(NatsError::Refused { server: self.server.clone(), reason });
                }
                Some(NatsEvent::Closed(end)) => return Err(self.failed(&end.to_string())),
                Some(event) => return Ok(event),
                None => {}
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) => self.link.receive_end(),
                Ok(count) => self.link.receive(clock.now(), &buffer[..count]),
                Err(error) => return Err(unreachable(self.server.clone(), &error)),
            }
        }
    }

    async fn write(&mut self) -> Result<(), NatsError> {
        let mut bytes = Vec::new();
        self.link.take_output(&mut bytes);
        write(&mut self.stream, &bytes).await.map_err(|error| unreachable(self.server.clone(), &error))
    }

    fn failed(&self, reason: &str) -> NatsError {
        NatsError::Unreachable { server: self.server.clone(), reason: reason.to_owned() }
    }
}

fn unreachable(server: String, error: &io::Error) -> NatsError {
    NatsError::Unreachable { server, reason: error.to_string() }
}
