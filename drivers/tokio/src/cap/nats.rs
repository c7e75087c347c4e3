//! The bus on NATS, with `async-nats`.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{
    Client, ClientError, ConnectError, ConnectErrorKind, ConnectOptions, Event, PublishErrorKind, Request,
    RequestErrorKind, ServerAddr,
};
use bytes::Bytes;
use nuncio_link::nats::{InvalidSubject, check_filter, check_group, check_subject};
use nuncio_shared::cap::{Bus, BusError, BusState, Message, NatsLogin, NatsOptions, NatsServer, Subscription};
use nuncio_shared::io::{BoxFuture, Io, Sanitized};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::jetstream::Durable;
use super::messages::{Messages, message};
use crate::IoThread;

/// For how long [`Bus::flush`] waits for the server.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);
/// For how long [`Bus::close`] waits for what was published to be written.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A connection to NATS. It reconnects for as long as it lives, and its subscriptions stay valid. Dropping it ends them, once
/// what has arrived is taken, and closes the connection.
///
/// While the server is away, [`Bus::publish`] fails.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use nuncio_tokio::cap::{Bus, Message, NatsBus, NatsOptions};
///
/// let bus = NatsBus::connect(NatsOptions::new("nats://127.0.0.1:4222")?).await?;
/// bus.publish(Message { subject: "greetings".to_owned(), payload: "hello".into(), ..Message::default() }).await?;
/// bus.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NatsBus {
    client: Client,
    states: watch::Receiver<BusState>,
    /// Messages that were dropped because a subscription was full.
    dropped: Arc<AtomicU64>,
    durable: Option<Durable>,
    /// Cancelled when the bus is dropped.
    ended: CancellationToken,
    /// Where the tasks of the connection are.
    thread: Arc<IoThread>,
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl NatsBus {
    /// Connects, on a thread of its own, for as long as [`NatsOptions::connect_within`] says.
    ///
    /// Errors: [`BusError::Refused`] if the server refuses the login, TLS fails, the durable stream cannot be used, or the
    /// system refuses a thread; [`BusError::Disconnected`] if no server is reached.
    pub async fn connect(options: NatsOptions) -> Result<NatsBus, BusError> {
        let thread = IoThread::start("nuncio-nats");
        let refused = |error| BusError::Refused(format!("the system refused a thread: {error}"));
        NatsBus::connect_on(thread.map_err(refused)?, options).await
    }

    /// Connects like [`connect`](NatsBus::connect), on a thread that several buses, workers and clients may share.
    pub async fn connect_on(thread: Arc<IoThread>, options: NatsOptions) -> Result<NatsBus, BusError> {
        let connecting = thread.handle().spawn(NatsBus::open(Arc::clone(&thread), options));
        // It ends if this future is dropped.
        let _abort = Abort(connecting.abort_handle());
        let ended = |_| Err(BusError::Disconnected("the thread of the connection has ended".to_owned()));
        connecting.await.unwrap_or_else(ended)
    }

    /// Connects on the thread that this runs on.
    async fn open(thread: Arc<IoThread>, options: NatsOptions) -> Result<NatsBus, BusError> {
        let addresses: Vec<ServerAddr> = options.servers.iter().map(address).collect::<Result<_, _>>()?;
        let (sender, states) = watch::channel(BusState::Disconnected);
        let dropped = Arc::new(AtomicU64::new(0));
        let events = Arc::new(Events {
            states: sender,
            connections: AtomicU64::new(0),
            dropped: Arc::clone(&dropped),
            servers: named(&addresses),
            failures: AtomicU64::new(0),
        });
        let settings = settings(&options, &events)?;
        let client = dial(&options, settings, addresses).await?;
        // The event of the first connection may still be under way.
        events.connected();
        drop(events);
        tokio::spawn(keep(Arc::clone(&thread), states.clone()));
        let ended = CancellationToken::new();
        let durable = match options.jetstream.clone() {
            Some(jetstream) => Some(Durable::open(client.clone(), options, jetstream, ended.clone()).await?),
            None => None,
        };
        Ok(NatsBus { client, states, dropped, durable, ended, thread })
    }

    /// Returns how many messages were dropped because a subscription was full; see
    /// [`NatsOptions::subscription_messages`]. Each is reported in the log, too.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), BusError> {
        match self.state() {
            BusState::Connected(_) => Ok(()),
            BusState::Disconnected => Err(BusError::Disconnected("the connection to NATS is lost".to_owned())),
            BusState::Closed => Err(BusError::Closed),
        }
    }
}

/// Keeps a thread until the connection on it is closed.
async fn keep(thread: Arc<IoThread>, mut states: watch::Receiver<BusState>) {
    // The client drops its end of the channel with the connection.
    while states.changed().await.is_ok() {}
    drop(thread);
}

/// Aborts a task when it is dropped.
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn address(server: &NatsServer) -> Result<ServerAddr, BusError> {
    let NatsServer { host, port, tls } = server;
    let scheme = if *tls { "tls" } else { "nats" };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    format!("{scheme}://{host}:{port}").parse().map_err(|error| refused(&error))
}

fn settings(options: &NatsOptions, events: &Arc<Events>) -> Result<ConnectOptions, BusError> {
    let events = Arc::clone(events);
    let pauses = options.clone();
    let mut settings = ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(options.connect_timeout)
        .ping_interval(options.ping_interval)
        .subscription_capacity(options.subscription_messages)
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempt| pauses.pause(u32::try_from(attempt).unwrap_or(u32::MAX)))
        .event_callback(move |event| {
            events.on(&event);
            std::future::ready(())
        });
    if !options.echo {
        settings = settings.no_echo();
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        // TLS is required by the URL or the server, not by these settings alone.
        settings = settings.tls_client_config((*tls.clone().without_alpn().rustls()).clone()).require_tls(false);
    }
    Ok(match &options.login {
        NatsLogin::Token(token) => settings.token(token.expose().to_owned()),
        NatsLogin::Password { user, password } => {
            settings.user_and_password(user.clone(), password.expose().to_owned())
        }
        NatsLogin::Nkey(seed) => settings.nkey(seed.expose().to_owned()),
        NatsLogin::Credentials(text) => settings.credentials(text.expose()).map_err(|_| {
            BusError::Refused("the credentials are not in the form of a .creds file of NATS".to_owned())
        })?,
        _ => settings,
    })
}

/// Makes the first connection. At least one attempt is made to its end.
async fn dial(options: &NatsOptions, settings: ConnectOptions, addresses: Vec<ServerAddr>) -> Result<Client, BusError> {
    let mut late = std::pin::pin!(sleep(options.connect_within));
    let mut attempt = 0;
    loop {
        let error = match async_nats::connect_with_options(&addresses[..], settings.clone()).await {
            Ok(client) => return Ok(client),
            Err(error) if is_final(&error) => return Err(refused(&error)),
            Err(error) => error,
        };
        attempt += 1;
        tokio::select! {
            biased;
            () = &mut late => {
                let servers = named(&addresses);
                let error = explained(&servers, &error);
                return Err(BusError::Disconnected(format!("NATS cannot be reached at {servers}: {error}")));
            }
            () = sleep(options.pause(attempt)) => {}
        }
    }
}

/// Returns the servers as a message names them.
fn named(addresses: &[ServerAddr]) -> String {
    let servers: Vec<String> = addresses.iter().map(|at| format!("{}:{}", at.host(), at.port())).collect();
    servers.join(", ")
}

/// Says what is wrong with TLS, if that is the cause.
#[cfg(feature = "tls")]
fn explained(servers: &str, error: &ConnectError) -> String {
    nuncio_shared::auth::TlsConnectError::cause(servers, error).map_or_else(|| error.to_string(), |tls| tls.to_string())
}

#[cfg(not(feature = "tls"))]
fn explained(_: &str, error: &ConnectError) -> String {
    error.to_string()
}

/// Whether another attempt to connect would fail alike.
fn is_final(error: &ConnectError) -> bool {
    matches!(
        error.kind(),
        ConnectErrorKind::ServerParse
            | ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::Tls
    )
}

/// The client checks less than this: it sends messages to wildcards and to subjects with empty tokens.
fn check(text: &str, of: fn(&str) -> Result<(), InvalidSubject>) -> Result<(), BusError> {
    of(text).map_err(|invalid| BusError::Refused(format!("{text:?} is not valid: {invalid}")))
}

fn refused(error: &impl Display) -> BusError {
    BusError::Refused(error.to_string())
}

/// Says what a failure of the client is. The client passes on the kind of an IO error alone, which says nothing to a reader.
fn said(error: &ClientError) -> String {
    match error {
        ClientError::Other(kind) if *kind == ConnectErrorKind::Io.to_string() => {
            "no connection can be made, or it is cut before the login".to_owned()
        }
        other => other.to_string(),
    }
}

/// What the client says of its connection.
#[derive(Debug)]
struct Events {
    states: watch::Sender<BusState>,
    connections: AtomicU64,
    dropped: Arc<AtomicU64>,
    /// The servers, for messages.
    servers: String,
    /// The failures of the client since the last connection.
    failures: AtomicU64,
}

impl Events {
    fn on(&self, event: &Event) {
        match event {
            Event::Connected => self.connected(),
            Event::Disconnected => {
                warn!("the connection to NATS is lost; it is tried again");
                self.states.send_if_modified(|state| {
                    matches!(state, BusState::Connected(_)) && {
                        *state = BusState::Disconnected;
                        true
                    }
                });
            }
            Event::Closed => {
                self.states.send_replace(BusState::Closed);
            }
            Event::LameDuckMode => info!("the NATS server is about to stop; the client moves to another one"),
            Event::Draining => {}
            Event::SlowConsumer(_) => {
                let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                // Once per power of two, since a slow subscriber loses many in a row.
                if dropped.is_power_of_two() {
                    warn!(dropped, "a subscription is full, and messages to it are dropped");
                }
            }
            Event::ServerError(error) => warn!(error = %Sanitized(&error), "the NATS server reports an error"),
            Event::ClientError(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                // Once per power of two, since each attempt to connect fails alike.
                if failures.is_power_of_two() {
                    let servers = &*self.servers;
                    let error = said(error);
                    warn!(servers, error = %Sanitized(&error), failures, "NATS cannot be reached; the client tries again");
                }
            }
        }
    }

    /// Notes a connection, unless it is the one that is noted already.
    fn connected(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.states.send_if_modified(|state| {
            *state == BusState::Disconnected && {
                *state = BusState::Connected(self.connections.fetch_add(1, Ordering::Relaxed) + 1);
                true
            }
        });
    }
}

impl Bus for NatsBus {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            self.check()?;
            let Message { subject, reply, payload } = message;
            check(&subject, check_subject)?;
            let (bytes, max) = (payload.len(), self.client.max_payload());
            if bytes > max {
                let refused = format!("the message has {bytes} bytes, and the server accepts at most {max}");
                return Err(BusError::Refused(refused));
            }
            let published = match reply {
                Some(reply) => self.client.publish_with_reply(subject, reply, payload).await,
                None => self.client.publish(subject, payload).await,
            };
            published.map_err(|error| match error.kind() {
                PublishErrorKind::Send => BusError::Closed,
                PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => refused(&error),
            })
        })
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        let (subject, group) = (subject.to_owned(), group.map(str::to_owned));
        Box::pin(async move {
            check(&subject, check_filter)?;
            if let Some(group) = &group {
                check(group, check_group)?;
            }
            let subscriber = match group {
                Some(group) => self.client.queue_subscribe(subject, group).await,
                None => self.client.subscribe(subject).await,
            };
            let subscriber = subscriber.map_err(|error| refused(&error))?;
            let subscription: Subscription = Box::pin(Messages::new(subscriber, self.ended.clone()));
            Ok(subscription)
        })
    }

    fn subscribe_durable(&self, subject: &str) -> BoxFuture<'_, Result<Subscription, BusError>> {
        match self.durable.as_ref().and_then(|durable| durable.subscribe(subject)) {
            Some(subscription) => Box::pin(std::future::ready(Ok(subscription))),
            None => self.subscribe(subject, None),
        }
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        let subject = subject.to_owned();
        Box::pin(async move {
            self.check()?;
            check(&subject, check_subject)?;
            let request = Request::new().payload(payload).timeout(Some(limit));
            match self.client.send_request(subject.clone(), request).await {
                Ok(answer) => Ok(message(answer)),
                Err(error) => Err(match error.kind() {
                    RequestErrorKind::TimedOut => BusError::Timeout { subject, limit },
                    RequestErrorKind::NoResponders => BusError::NoResponders(subject),
                    RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => refused(&error),
                    RequestErrorKind::Other => BusError::Disconnected(error.to_string()),
                }),
            }
        })
    }

    /// Sends a request on a subject of its own, to which the server answers at once that nobody has subscribed: it has taken
    /// everything before it then. The client's own flush ends when everything is written.
    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            match self.request(&self.client.new_inbox(), Bytes::new(), FLUSH_LIMIT).await {
                Ok(_) | Err(BusError::NoResponders(_)) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn state(&self) -> BusState {
        *self.states.borrow()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        let mut states = self.states.clone();
        Box::pin(async move {
            // The sender is gone once the client has ended.
            states.wait_for(|state| *state != seen).await.map_or(BusState::Closed, |state| *state)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.client.drain().await.is_ok() {
                let closed = async { while self.changed(self.state()).await != BusState::Closed {} };
                if self.state() != BusState::Closed && timeout(CLOSE_LIMIT, closed).await.is_err() {
                    warn!("the connection to NATS did not close in time; the last messages may not be sent");
                }
            }
        })
    }

    fn thread(&self) -> Option<Arc<dyn Io>> {
        Some(Arc::clone(&self.thread) as Arc<dyn Io>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server may still be starting, and may answer late; a wrong password stays wrong.
    #[test]
    fn only_what_would_fail_alike_is_final() {
        for kind in [
            ConnectErrorKind::ServerParse,
            ConnectErrorKind::Authentication,
            ConnectErrorKind::AuthorizationViolation,
            ConnectErrorKind::Tls,
        ] {
            assert!(is_final(&ConnectError::from(kind)), "{kind:?}");
        }
        for kind in
            [ConnectErrorKind::Dns, ConnectErrorKind::TimedOut, ConnectErrorKind::Io, ConnectErrorKind::MaxReconnects]
        {
            assert!(!is_final(&ConnectError::from(kind)), "{kind:?}");
        }
    }
}
