use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use nuncio_core::arcp::ClientConfig;
use nuncio_core::arcp::client::{AutoAck, ResumePoint};
use nuncio_link::InvalidUrl;

use super::Client;
use super::connect::{Connector, Function, Program, Url};
use super::error::ClientBuildError;
use super::hub::Hub;
use super::owner::Owner;
use super::reconnect::Reconnect;
use super::supervise::Supervisor;
use super::token::TokenSource;
use super::transport::Transport;
use crate::io::{Driver, Io as _, random};

/// Makes a client, on the driver `D`.
///
/// ```
/// # use std::time::Duration;
/// # use nuncio_smol::arcp::{Client, Reconnect, Server};
/// # use nuncio_smol::auth::StaticTokens;
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).build()?;
/// # let listening = server.listen("127.0.0.1:0").await?;
/// let client = Client::builder(listening.url(), "secret")?
///     .connect_timeout(Duration::from_secs(5))
///     .reconnect(Reconnect::never())
///     .connect()
///     .await?;
/// assert!(client.welcome().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "a builder does nothing until `connect` is called"]
pub struct ClientBuilder<D: Driver> {
    connector: Box<dyn Connector<D>>,
    token: TokenSource,
    config: ClientConfig,
    reconnect: Reconnect,
    connect_timeout: Duration,
    io: Option<Arc<D::Thread>>,
    resume: Option<ResumePoint>,
    max_result_bytes: usize,
}

impl<D: Driver> Client<D> {
    /// Returns a builder of a client for a `ws://` URL, or with the feature `tls` a `wss://` URL, and a bearer token or its
    /// [source](TokenSource).
    pub fn builder(url: &str, token: impl Into<TokenSource>) -> Result<ClientBuilder<D>, InvalidUrl> {
        Ok(ClientBuilder::new(Box::new(Url::new(url)?), token))
    }

    /// Returns a builder of a client over connections of the application's own. `connect` is called on the client's
    /// thread, for the first connection and whenever the last one was lost.
    pub fn over<F, R>(connect: F, token: impl Into<TokenSource>) -> ClientBuilder<D>
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = io::Result<Transport>> + Send + 'static,
    {
        ClientBuilder::new(Box::new(Function(connect)), token)
    }

    /// Returns a builder of a client that starts a child process and speaks to it on the child's stdin and stdout (§4).
    /// The child's stderr stays as the command says.
    ///
    /// The session ends with the child. A child that does not end within 5 s of the end of its input is killed.
    pub fn spawn(command: D::Command, token: impl Into<TokenSource>) -> ClientBuilder<D> {
        ClientBuilder::new(Box::new(Program(Some(command))), token).reconnect(Reconnect::never())
    }
}

impl<D: Driver> ClientBuilder<D> {
    fn new(connector: Box<dyn Connector<D>>, token: impl Into<TokenSource>) -> ClientBuilder<D> {
        ClientBuilder {
            connector,
            token: token.into(),
            config: ClientConfig::default(),
            reconnect: Reconnect::default(),
            connect_timeout: Duration::from_secs(10),
            io: None,
            resume: None,
            max_result_bytes: 16 << 20,
        }
    }

    /// All limits, intervals, names and features; the token and its source stay those given before. Called first, for later calls
    /// change parts of it.
    pub fn config(mut self, config: ClientConfig) -> ClientBuilder<D> {
        self.config = config;
        self
    }

    /// When events are acknowledged without being asked to; `None` for never. Default: 32 events or 250 ms.
    pub fn auto_ack(mut self, auto_ack: Option<AutoAck>) -> ClientBuilder<D> {
        self.config.auto_ack = auto_ack;
        self
    }

    /// Sets how the connection is made, and made again once it was lost.
    pub fn reconnect(mut self, reconnect: Reconnect) -> ClientBuilder<D> {
        self.reconnect = reconnect;
        self
    }

    /// Whom a client of a `wss://` URL trusts, and as whom it shows itself. Default: the authorities of the system, and
    /// no certificate. Without effect on connections of other kinds.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::auth::tls::ClientTls) -> ClientBuilder<D> {
        self.connector.set_tls(tls);
        self
    }

    /// How long each attempt may take until the connection is upgraded. Default 10 s; the welcome has a deadline of its
    /// own, `ClientConfig::welcome_timeout`.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder<D> {
        self.connect_timeout = timeout;
        self
    }

    /// A thread to share with other clients. Default: one of the client's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> ClientBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Takes up a session that another client has left, of this process or another (§6.3). Its jobs are this client's own
    /// again; [`Client::subscribe`] gives a handle for each, and what comes before that is passed over.
    pub fn resume(mut self, point: ResumePoint) -> ClientBuilder<D> {
        self.resume = Some(point);
        self
    }

    /// Sets the most bytes of a streamed result that [`call`](Client::call) and [`result`](super::Follow::result) take, and
    /// that [`events`](super::Follow::events) keeps. Default 16 MiB. `ClientLimits::result_bytes` bounds results in any case.
    pub fn max_result_bytes(mut self, bytes: usize) -> ClientBuilder<D> {
        self.max_result_bytes = bytes;
        self
    }

    /// Connects once and opens the session. Dropped while it waits, the session is closed again.
    pub async fn connect(mut self) -> Result<Client<D>, ClientBuildError> {
        let io = match self.io {
            Some(thread) => thread,
            None => D::thread("nuncio-client").map_err(ClientBuildError::System)?,
        };
        self.config.renews_token = self.token.renews();
        let first = self.token.take_first();
        let is_asked = first.is_none();
        self.config.token = first.unwrap_or_default();
        let hub = Arc::new(Hub::new(self.config, random::seed().map_err(ClientBuildError::System)?, self.resume));
        let client = Client::new(Arc::new(Owner { hub: Arc::clone(&hub), max_result_bytes: self.max_result_bytes }));
        if is_asked {
            hub.run(|state, _| state.link.want(0, true));
        }
        let supervisor = Supervisor {
            hub: Arc::clone(&hub),
            token: self.token,
            io: Arc::clone(&io),
            connector: self.connector,
            reconnect: self.reconnect,
            connect_timeout: self.connect_timeout,
        };
        io.spawn(Box::pin(Arc::clone(&hub).keep_time(io.clone())));
        io.spawn(Box::pin(supervisor.run()));
        let welcomed = hub.welcome.wait(|welcome| welcome.as_ref().map(|_| Ok(())));
        let over = hub.end.wait(|end| end.clone().map(Err));
        or(welcomed, over).await.map_err(ClientBuildError::Session)?;
        Ok(client)
    }
}

impl<D: Driver> std::fmt::Debug for ClientBuilder<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
