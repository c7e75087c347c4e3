//! `nuncio serve`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use nuncio_tokio::{BuildError, Server, StaticTokens};

use crate::agents;
use crate::text::tell;

/// What `nuncio serve` takes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7777")]
    listen: String,
    /// A bearer token and whose it is; may be repeated, and `NUNCIO_TOKENS` may hold several with commas between
    #[arg(
        long = "token",
        value_name = "TOKEN=PRINCIPAL",
        env = "NUNCIO_TOKENS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    tokens: Vec<Token>,
    /// How long running jobs may go on after SIGINT or SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    drain: u64,
}

#[derive(Clone)]
struct Token {
    secret: String,
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
        Ok(Token { secret: secret.to_owned(), principal: principal.to_owned() })
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("{0:?} is no address to listen on ({1}); write it as HOST:PORT")]
    Address(String, #[source] io::Error),
    #[error(
        "refusing to listen on {0} without a token, for others could run agents here; \
         give --token TOKEN=PRINCIPAL, or listen on a loopback address such as 127.0.0.1:7777"
    )]
    Open(String),
    #[error("cannot listen on {0}: {1}; is another program there, or is the port reserved?")]
    Listen(String, #[source] io::Error),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(options: Options) -> Result<(), ServeError> {
    let address = options.listen;
    let found = tokio::net::lookup_host(&address).await.map(Vec::from_iter);
    let addresses: Vec<SocketAddr> = found.map_err(|error| ServeError::Address(address.clone(), error))?;
    let mut tokens = StaticTokens::new();
    for token in &options.tokens {
        tokens = tokens.with(&token.secret, &token.principal);
    }
    let mut generated = None;
    if options.tokens.is_empty() {
        if !addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
            return Err(ServeError::Open(address));
        }
        let token = random_token()?;
        tokens = tokens.with(&token, "local");
        generated = Some(token);
    }
    let mut stop = Signals::install()?;
    let server = agents::offer(Server::builder().verifier(tokens)).build()?;
    let listening = match server.listen(addresses.as_slice()).await {
        Ok(listening) => listening,
        Err(error) => return Err(ServeError::Listen(address, error)),
    };
    let mut out = io::stdout().lock();
    if let Some(token) = generated {
        writeln!(out, "TOKEN {token}")?;
    }
    writeln!(out, "READY {}", listening.url())?;
    out.flush()?;
    drop(out);

    stop.next().await;
    tell(&format!("nuncio: stopping; running jobs have {} s, a second signal ends them at once", options.drain));
    tokio::select! {
        drained = server.shutdown(Duration::from_secs(options.drain)) => {
            if !drained {
                tell("nuncio: jobs that still ran were ended");
            }
        }
        () = stop.next() => tell("nuncio: stopped at once"),
    }
    Ok(())
}

/// 192 bits, in hexadecimal.
fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}

/// SIGINT and SIGTERM; elsewhere than on Unix, Ctrl-C.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn install() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn install() -> io::Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
