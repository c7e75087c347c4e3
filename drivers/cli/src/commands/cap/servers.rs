//! Options of the servers: NATS and Redis.

use std::path::PathBuf;

use clap::Args;
use nuncio_tokio::cap::{
    BusError, JetStreamOptions, NatsBus, NatsLogin, NatsOptions, RedisOptions, RedisStore, RedisTls,
};

use crate::connection::silence;
use crate::connection::tls::TlsOptions;
use crate::error::Error;
use crate::files;
use crate::text::eprint_line;

/// The bus.
#[derive(Args, Debug)]
#[command(next_help_heading = "Servers")]
pub(super) struct BusOptions {
    /// NATS servers, with commas between them: `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT]` or `tls://…`. Other users of this
    /// machine can read a password on the command line; prefer the environment variable `NATS_URL`
    #[arg(long, value_name = "URL", env = "NATS_URL", hide_env_values = true, default_value = NatsOptions::DEFAULT_URL)]
    nats: String,
    /// File with the credentials of a NATS user, as `nsc` writes it
    #[arg(long, value_name = "FILE")]
    nats_creds: Option<PathBuf>,
    #[command(flatten)]
    tls: BusTls,
}

/// TLS of the bus. Redis has environment variables of its own.
#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
struct BusTls {
    /// PEM file of the certificate authorities to trust for tls:// URLs of NATS servers [default: those of the system]
    #[arg(long, value_name = "FILE", env = "NUNCIO_CA_FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// PEM file of the certificate to present to the NATS server
    #[arg(long, value_name = "FILE", env = "NUNCIO_CLIENT_CERT", hide_env_values = true, requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, value_name = "FILE", env = "NUNCIO_CLIENT_KEY", hide_env_values = true, requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl BusTls {
    fn options(&self) -> TlsOptions {
        TlsOptions::new(self.ca_file.clone(), self.client_cert.clone(), self.client_key.clone())
    }
}

/// Waits for a connection, and says after a while what is not reached yet. Returns `None` if `stop` comes first.
pub(crate) async fn reached<T>(
    servers: &str,
    connecting: impl Future<Output = T>,
    stop: impl Future<Output = ()>,
) -> Option<T> {
    let say = || eprint_line(&format!("nuncio: NATS cannot be reached yet at {servers}; still trying"));
    tokio::select! {
        biased;
        connected = silence::reported(connecting, say) => Some(connected),
        () = stop => None,
    }
}

/// Returns NATS servers without their users and passwords.
pub(crate) fn without_logins(servers: &str) -> String {
    let bare = |server: &str| {
        let (scheme, rest) = server.trim().split_once("://").unwrap_or(("nats", server.trim()));
        format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
    };
    servers.split(',').map(bare).collect::<Vec<_>>().join(", ")
}

impl BusOptions {
    /// Waits for a connection to this bus, as [`reached`] does.
    pub(super) async fn reached<T>(
        &self,
        connecting: impl Future<Output = T>,
        stop: impl Future<Output = ()>,
    ) -> Option<T> {
        reached(&without_logins(&self.nats), connecting, stop).await
    }

    /// Connects to NATS as the component `name`.
    pub(super) async fn connect(&self, name: &str) -> Result<NatsBus, Error> {
        self.connect_router(name, None).await
    }

    /// Connects to NATS as the router `name`, whose jobs and results come from a durable stream if one is given.
    pub(super) async fn connect_router(
        &self,
        name: &str,
        jetstream: Option<JetStreamOptions>,
    ) -> Result<NatsBus, Error> {
        let mut options = NatsOptions::new(&self.nats).map_err(|error| Error::Usage(format!("--nats: {error}")))?;
        name.clone_into(&mut options.name);
        options.jetstream = jetstream;
        options.tls = self.tls.options().client_tls()?;
        if let Some(file) = &self.nats_creds {
            options.login = NatsLogin::credentials_file(file).map_err(|error| {
                Error::Usage(format!("cannot read {}: {error}{}", file.display(), files::advice(&error)))
            })?;
        }
        NatsBus::connect(options).await.map_err(|error| match error {
            BusError::Disconnected(why) => Error::NoBus(why),
            other => Error::NoBus(other.to_string()),
        })
    }
}

/// The blob store.
#[derive(Args, Debug)]
#[command(next_help_heading = "Servers")]
pub(super) struct StoreOptions {
    /// Redis server for the inputs and outputs of jobs: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://…`
    /// for TLS. Other users of this machine can read a password on the command line; prefer the environment variable
    /// `REDIS_URL`. The environment variables `REDIS_TLS_CA`, `REDIS_TLS_CERT`, `REDIS_TLS_KEY`, `REDIS_TLS_SERVER_NAME` and
    /// `REDIS_TLS_INSECURE` configure its TLS
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true, default_value = RedisOptions::DEFAULT_URL)]
    redis: String,
}

impl StoreOptions {
    /// Returns the store, which connects when it is used first.
    pub(super) fn open(&self) -> Result<RedisStore, Error> {
        store("redis", &self.redis)
    }
}

/// Returns the store at a URL that an option names. It connects when it is used first.
pub(crate) fn store(option: &str, url: &str) -> Result<RedisStore, Error> {
    let mut options = RedisOptions::new(url).map_err(|error| Error::Usage(format!("--{option}: {error}")))?;
    if options.tls.is_some() {
        options.tls = Some(RedisTls::from_env().map_err(|error| Error::Usage(error.to_string()))?);
    }
    RedisStore::new(options).map_err(|error| Error::Usage(error.to_string()))
}
