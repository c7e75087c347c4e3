use std::io;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::client::AutoAck;
use nuncio_core::arcp::{ClientConfig, Secret};
use nuncio_link::{ClientOptions, InvalidUrl};
use tokio::process::Command;

use super::backoff::Reconnect;
use super::connect::{Connector, Function, Process, Transport, Url};
use super::hub::Hub;
use super::supervise::Supervisor;
use super::{Client, Shared};
use crate::error::{ClientBuildError, SessionEnd};
use crate::server::seed;
use crate::thread::IoThread;

/// Makes a [`Client`].
pub struct ClientBuilder {
    connector: Box<dyn Connector>,
    token: Secret,
    config: ClientConfig,
    reconnect: Option<Reconnect>,
    connect_timeout: Duration,
    io: Option<Arc<IoThread>>,
}

impl ClientBuilder {
    pub(super) fn url(url: &str, token: impl Into<String>) -> Result<ClientBuilder, InvalidUrl> {
        Ok(ClientBuilder::new(Box::new(Url::new(ClientOptions::new(url)?)), token))
    }

    pub(super) fn over<F, R>(connect: F, token: impl Into<String>) -> ClientBuilder
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = io::Result<Transport>> + Send + 'static,
    {
        ClientBuilder::new(Box::new(Function(connect)), token)
    }

    pub(super) fn spawn(command: Command, token: impl Into<String>) -> ClientBuilder {
        let builder = ClientBuilder::new(Box::new(Process(Some(command))), token);
        ClientBuilder { reconnect: None, ..builder }
    }

    fn new(connector: Box<dyn Connector>, token: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            connector,
            token: Secret::new(token),
            config: ClientConfig::default(),
            reconnect: Some(Reconnect::default()),
            connect_timeout: Duration::from_secs(10),
            io: None,
        }
    }

    /// All limits, intervals, names and features; the token stays the one given before. Called first, for later calls
    /// change parts of it.
    pub fn config(mut self, config: ClientConfig) -> ClientBuilder {
        self.config = config;
        self
    }

    /// When events are acknowledged without being asked to; `None` for never. Default: 32 events or 250 ms.
    pub fn auto_ack(mut self, auto_ack: Option<AutoAck>) -> ClientBuilder {
        self.config.auto_ack = auto_ack;
        self
    }

    /// How a lost connection is made again; `None` if its loss is the session's end.
    pub fn reconnect(mut self, reconnect: Option<Reconnect>) -> ClientBuilder {
        self.reconnect = reconnect;
        self
    }

    /// Whom a client of a `wss://` URL trusts, and as whom it shows itself. Default: the authorities of the system, and
    /// no certificate. Without effect on connections of other kinds.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::tls::ClientTls) -> ClientBuilder {
        self.connector.set_tls(tls);
        self
    }

    /// How long each attempt may take until the connection is upgraded. Default 10 s; the welcome has a deadline of its
    /// own, `ClientConfig::welcome_timeout`.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// A thread to share with other clients. Default: one of the client's own.
    pub fn io_thread(mut self, thread: Arc<IoThread>) -> ClientBuilder {
        self.io = Some(thread);
        self
    }

    /// Connects once and opens the session. Dropped while it waits, the session is closed again.
    pub async fn connect(mut self) -> Result<Client, ClientBuildError> {
        let io = match self.io {
            Some(thread) => thread,
            None => IoThread::start("nuncio-client").map_err(ClientBuildError::System)?,
        };
        self.config.token = self.token;
        let hub = Arc::new(Hub::new(self.config, seed().map_err(ClientBuildError::System)?));
        let client = Client { shared: Arc::new(Shared { hub: Arc::clone(&hub) }) };
        let supervisor = Supervisor {
            hub: Arc::clone(&hub),
            io: Arc::clone(&io),
            connector: self.connector,
            reconnect: self.reconnect,
            connect_timeout: self.connect_timeout,
        };
        io.spawn(Arc::clone(&hub).keep_time());
        io.spawn(supervisor.run());
        let mut welcome = hub.welcome.subscribe();
        let mut end = hub.end.subscribe();
        tokio::select! {
            biased;
            _ = welcome.wait_for(Option::is_some) => Ok(client),
            over = end.wait_for(Option::is_some) => {
                let over = over.ok().and_then(|end| end.clone());
                let asked = SessionEnd::Closed(nuncio_core::arcp::client::CloseReason::Asked);
                Err(ClientBuildError::Session(over.unwrap_or(asked)))
            }
        }
    }
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
