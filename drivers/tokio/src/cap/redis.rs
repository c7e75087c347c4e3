//! The blob store in Redis, with the crate `redis`.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_shared::cap::{BlobError, BlobStore, RedisOptions, Scheme};
use nuncio_shared::io::{BoxFuture, CancellationToken, Sanitized, Stream, connect, monotonic};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, cmd};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use tracing::{info, warn};

use crate::Tokio;

/// A connection to Redis, made at the first operation, and again after it was lost. Operations share it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use nuncio_tokio::cap::{BlobStore, RedisOptions, RedisStore};
///
/// let store = RedisStore::new(RedisOptions::from_env()?)?;
/// store.set("greeting", "hello".into(), None).await?;
/// assert_eq!(store.get("greeting", 1024).await?.as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
pub struct RedisStore {
    options: RedisOptions,
    #[cfg(feature = "tls")]
    tls: Option<nuncio_shared::auth::ClientTls>,
    connection: Mutex<Connection>,
}

/// The connection, if there is one, and when the next attempt may be made.
#[derive(Default)]
struct Connection {
    current: Option<Open>,
    /// Counts the connections.
    number: u64,
    failures: u32,
    failed: Option<Failed>,
}

/// An open connection. Its task ends when it is dropped.
#[derive(Clone)]
struct Open {
    number: u64,
    commands: MultiplexedConnection,
    task: CancellationToken,
}

/// The last attempt to connect has failed.
struct Failed {
    error: BlobError,
    retry_at: Instant,
}

/// What can be wrong with the settings of TLS.
#[cfg(feature = "tls")]
type TlsError = nuncio_shared::auth::TlsError;
/// Without the feature `tls`, `rediss://` is an error.
#[cfg(not(feature = "tls"))]
type TlsError = BlobError;

impl RedisStore {
    /// Returns a store that is not connected yet.
    ///
    /// Errors: the files of [`RedisTls`](nuncio_shared::cap::RedisTls) cannot be read; without the feature `tls`, the URL asks
    /// for TLS.
    pub fn new(options: RedisOptions) -> Result<RedisStore, TlsError> {
        #[cfg(not(feature = "tls"))]
        if options.tls.is_some() {
            return Err(BlobError::Refused("rediss:// needs the feature `tls` of nuncio-tokio".to_owned()));
        }
        Ok(RedisStore {
            #[cfg(feature = "tls")]
            tls: options.tls.as_ref().map(nuncio_shared::cap::RedisTls::client_tls).transpose()?,
            options,
            connection: Mutex::default(),
        })
    }

    /// Runs commands. If the connection is lost meanwhile they are run again once on a new one: all of them may be repeated.
    async fn run<T: redis::FromRedisValue>(&self, commands: &Pipeline) -> Result<T, BlobError> {
        let mut is_first = true;
        loop {
            let open = self.open().await?;
            let mut connection = open.commands.clone();
            let failure = match timeout(self.options.timeout, commands.query_async(&mut connection)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if is_refusal(&error) => return Err(BlobError::Refused(error.to_string())),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {:?}", self.options.timeout),
            };
            self.lost(&open, &failure).await;
            if !std::mem::take(&mut is_first) {
                return Err(BlobError::Unreachable(failure));
            }
        }
    }

    /// Returns the connection, or makes one. While an attempt has just failed, its error is returned at once.
    async fn open(&self) -> Result<Open, BlobError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &connection.current {
            return Ok(open.clone());
        }
        if let Some(failed) = connection.failed.as_ref().filter(|failed| monotonic() < failed.retry_at) {
            return Err(failed.error.clone());
        }
        let number = connection.number + 1;
        // In a box of its own, since every operation would be as large as this otherwise.
        let attempt = timeout(self.options.connect_timeout, Box::pin(self.dial(number))).await;
        let limit = self.options.connect_timeout;
        let attempt = attempt.unwrap_or_else(|_| Err(BlobError::Unreachable(format!("no answer within {limit:?}"))));
        match attempt {
            Ok(open) => {
                if connection.failures > 0 {
                    info!("Redis is reached again");
                }
                *connection = Connection { current: Some(open.clone()), number, ..Connection::default() };
                Ok(open)
            }
            Err(error) => {
                connection.failures = connection.failures.saturating_add(1);
                let retry_at = monotonic() + self.options.pause(connection.failures);
                connection.failed = Some(Failed { error: error.clone(), retry_at });
                warn!(error = %Sanitized(&error), "Redis is not reached");
                Err(error)
            }
        }
    }

    async fn dial(&self, number: u64) -> Result<Open, BlobError> {
        let RedisOptions { host, port, user, password, database, .. } = &self.options;
        let unreachable = |error: &dyn fmt::Display| BlobError::Unreachable(format!("{host}:{port}: {error}"));
        let stream = connect::<Tokio>(host.clone(), *port, sleep_until).await.map_err(|error| unreachable(&error))?;
        let stream = self.secure(stream).await.map_err(|error| unreachable(&error))?;
        let mut login = RedisConnectionInfo::default().set_db(i64::from(*database));
        if let Some(user) = user {
            login = login.set_username(user);
        }
        if let Some(password) = password {
            login = login.set_password(password.expose());
        }
        // Each operation has its own timer.
        let settings =
            AsyncConnectionConfig::new().set_response_timeout(None).set_concurrency_limit(self.options.pipeline);
        let connected = MultiplexedConnection::new_with_config(&login, stream.compat(), settings).await;
        let (commands, driver) = connected.map_err(|error| {
            if is_refusal(&error) { BlobError::Refused(format!("{host}:{port}: {error}")) } else { unreachable(&error) }
        })?;
        let task = CancellationToken::new();
        let ended = task.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = driver => {}
                () = ended.cancelled() => {}
            }
        });
        Ok(Open { number, commands, task })
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: Stream) -> std::io::Result<Stream> {
        match &self.tls {
            Some(tls) => tls.shake_hands(stream, &self.options.host).await,
            None => Ok(stream),
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, stream: Stream) -> std::io::Result<Stream> {
        std::future::ready(Ok(stream)).await
    }

    /// Drops a connection that is lost, unless that was done before.
    async fn lost(&self, open: &Open, failure: &str) {
        let mut connection = self.connection.lock().await;
        if connection.current.take_if(|current| current.number == open.number).is_some() {
            open.task.cancel();
            warn!(failure, "the connection to Redis is lost; the next operation makes a new one");
        }
    }
}

fn sleep_until(at: Instant) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep_until(at.into()))
}

/// Whether the server has answered with an error, so that another connection would not help.
fn is_refusal(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::Extension | ErrorKind::Server(_) | ErrorKind::InvalidClientConfig
    )
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        if let Some(open) = self.connection.get_mut().current.take() {
            open.task.cancel();
        }
    }
}

impl BlobStore for RedisStore {
    fn scheme(&self) -> Scheme {
        Scheme::Redis
    }

    /// Asks for one byte more than `max`, so that a larger blob is not transferred.
    fn get(&self, key: &str, max: usize) -> BoxFuture<'_, Result<Option<Bytes>, BlobError>> {
        let mut commands = Pipeline::new();
        commands.cmd("GETRANGE").arg(key).arg(0).arg(i64::try_from(max).unwrap_or(i64::MAX));
        commands.cmd("EXISTS").arg(key);
        let key = key.to_owned();
        Box::pin(async move {
            let (blob, exists): (Vec<u8>, bool) = self.run(&commands).await?;
            match blob.len() {
                0 if !exists => Ok(None),
                // A blob without bytes, unless it was stored between the commands.
                0 => match self.length(&key).await? {
                    0 => Ok(Some(Bytes::new())),
                    _ => Err(BlobError::Unreachable("the blob was stored while it was read".to_owned())),
                },
                // It may have been replaced by a shorter one.
                read if read > max => Err(BlobError::TooLarge { bytes: self.length(&key).await?.max(read), max }),
                _ => Ok(Some(blob.into())),
            }
        })
    }

    fn set(&self, key: &str, blob: Bytes, ttl: Option<Duration>) -> BoxFuture<'_, Result<(), BlobError>> {
        let mut set = cmd("SET");
        set.arg(key).arg(&*blob);
        if let Some(ttl) = ttl {
            let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
            set.arg("PX").arg(millis);
        }
        self.tell(set)
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), BlobError>> {
        self.tell(cmd("DEL").arg(key).clone())
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        self.tell(cmd("PING"))
    }
}

impl RedisStore {
    /// Returns the bytes of a blob. It is seldom asked for, so that its future is in a box of its own.
    fn length(&self, key: &str) -> BoxFuture<'_, Result<usize, BlobError>> {
        let mut commands = Pipeline::new();
        commands.cmd("STRLEN").arg(key);
        Box::pin(async move {
            let (bytes,) = self.run(&commands).await?;
            Ok(bytes)
        })
    }

    /// Runs a command whose answer says nothing.
    fn tell(&self, command: redis::Cmd) -> BoxFuture<'_, Result<(), BlobError>> {
        let mut commands = Pipeline::new();
        commands.add_command(command);
        Box::pin(async move {
            let _said: Vec<redis::Value> = self.run(&commands).await?;
            Ok(())
        })
    }
}
