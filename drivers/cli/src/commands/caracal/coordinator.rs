//! `nuncio caracal coordinator`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nuncio_tokio::auth::ServerTls;
use nuncio_tokio::caracal::{Coordinator, CoordinatorServer, Enforcement, Generation, HttpLimits, SqliteRecords};

use super::applications::Applications;
use crate::descriptors;
use crate::error::Error;
use crate::exit::Exit;
use crate::identity;
use crate::logging::LogOptions;
use crate::signals::Termination;
use crate::text::{count, eprint_line, print_line};

const AFTER_HELP: &str = "\
Example:
  nuncio caracal coordinator --listen 127.0.0.1:4000 --zone my-zone \\
      --application my-app=s3cret --store caracal.db

Serves the coordinator's requests (/zones/...), a token service
(/oauth/2/token), its public keys (/.well-known/jwks.json) and /health on one
address. Programs of the Caracal SDK find it with these variables

  CARACAL_COORDINATOR_URL=http://127.0.0.1:4000
  CARACAL_ZONE_ID=my-zone  CARACAL_APPLICATION_ID=my-app

and a token in CARACAL_SUBJECT_TOKEN. This command prints one, which is valid
for the time of --ttl, at most an hour, or for 15 minutes without --ttl:

  CARACAL_APP_CLIENT_SECRET=s3cret nuncio caracal token --ttl 1h

With --mode head, for the SDK 1.0, set CARACAL_STS_URL and
CARACAL_APP_CLIENT_SECRET instead of the token.

With --store, a request is answered when its change is on disk. A coordinator
that is started on the same file has all sessions and edges again. Only one
coordinator at a time may use a file. Only the owner of the file can read it,
because it holds the key that signs tokens.

Without --tls-cert, the coordinator speaks plain HTTP, and secrets and tokens
are sent unencrypted. If no authority of the client's system has signed the
certificate, give the client its file, as in nuncio caracal list --ca-file.

Exit codes:
  0  ended by a signal
  2  invalid usage, or the certificate or the file of --store cannot be used
  6  the address cannot be used, or the system refused a resource";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Address to listen on. Port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4000")]
    listen: String,
    /// Id of the zone of the applications
    #[arg(long, value_name = "ID", default_value = "default")]
    zone: String,
    /// File for sessions and edges, so that they outlive the coordinator. It is created if it does not exist [default: none]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Generation of the SDK that is served
    #[arg(long, value_enum, default_value_t = Mode::May)]
    mode: Mode,
    /// Enforce only what the deployed coordinators of this generation enforce
    #[arg(long)]
    as_deployed: bool,
    /// Issuer and audience of tokens: the URL under which others know this service [default: that of --listen]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// PEM file of the certificate to serve with, for https://
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    applications: Applications,
    #[command(flatten)]
    pub(super) logs: LogOptions,
}

impl Options {
    fn tls(&self) -> Result<Option<ServerTls>, Error> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let tls = identity::of_server(certificate, key).and_then(ServerTls::new);
        tls.map(Some).map_err(|error| Error::Usage(format!("--tls-cert: {error}")))
    }
}

/// [`Generation`] as an option.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Mode {
    /// That of May 2026, with the SDK 0.1
    May,
    /// The newest, with the SDK 1.0
    Head,
}

impl Mode {
    pub(super) const fn generation(self) -> Generation {
        match self {
            Mode::May => Generation::May,
            Mode::Head => Generation::Head,
        }
    }
}

pub(super) async fn run(options: &Options) -> Result<Exit, Error> {
    let mut termination = Termination::listen().map_err(Error::System)?;
    descriptors::raise_limit();
    let usage = |error: &dyn std::fmt::Display| Error::Usage(error.to_string());
    let tls = options.tls()?;
    let (scheme, is_tls) = if tls.is_some() { ("https", true) } else { ("http", false) };
    let issuer = options.issuer.clone().unwrap_or_else(|| format!("{scheme}://{}", options.listen));
    let mut builder = Coordinator::builder()
        .zone(&options.zone)
        .issuer(issuer)
        .generation(options.mode.generation())
        .enforcement(if options.as_deployed { Enforcement::Deployed } else { Enforcement::Strict });
    for application in options.applications.read()? {
        builder = builder.application(application.id, application.secret);
    }
    for grant in options.applications.grants() {
        builder = builder.grant(&grant.application, &grant.scope);
    }
    if let Some(file) = &options.store {
        builder = builder.records(SqliteRecords::open(file).map_err(|error| usage(&error))?);
    }
    let coordinator = builder.start().map_err(|error| usage(&error))?;
    let (limits, address) = (HttpLimits::default(), &*options.listen);
    let server = match tls {
        Some(tls) => CoordinatorServer::listen_tls(coordinator.clone(), address, limits, tls).await,
        None => CoordinatorServer::listen(coordinator.clone(), address, limits).await,
    };
    let server =
        server.map_err(|error| Error::Address { address: options.listen.clone(), error, option: "--listen" })?;
    if !is_tls && !server.address().ip().to_canonical().is_loopback() {
        eprint_line(
            "nuncio: this address is open to other machines, and secrets and tokens are sent to it unencrypted",
        );
    }
    print_line(&format!("READY {}", server.url()));
    let live = count(coordinator.live_sessions() as u64, "session");
    eprint_line(&format!("the coordinator of {:?} is ready with {live}; end it with Ctrl-C", options.zone));
    termination.requested().await;
    server.stop().await;
    let live = count(coordinator.live_sessions() as u64, "session");
    coordinator.close().await;
    let kept = if options.store.is_some() { "kept in the store" } else { "forgotten, because there is no --store" };
    eprint_line(&format!("ended; {live} {kept}"));
    Ok(Exit::Success)
}
