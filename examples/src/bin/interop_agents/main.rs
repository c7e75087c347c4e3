//! The runtime against which foreign clients and raw conversations are tested, with a fixed set of agents and tokens.
//!
//! It prints `READY <url> pid=<pid>` on stdout once it listens, and ends on SIGINT or SIGTERM.

mod agents;
mod credentials;
mod logs;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use nuncio_shared::arcp::journal::{SqliteJournal, SqliteOptions};
use nuncio_shared::arcp::{
    AnyPrincipal, BuildError, Config, Dialect, Listening, Server, ServerBuilder, UnknownDialect,
};
use nuncio_shared::auth::StaticTokens;
use nuncio_shared::io::Driver;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::credentials::VirtualKeys;

/// Serves the interop agents on this machine.
#[derive(Parser, Debug)]
struct Options {
    /// The port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(long, default_value_t = 7801)]
    port: u16,
    /// Seconds between heartbeats
    #[arg(long, value_name = "SECONDS")]
    heartbeat: Option<u64>,
    /// Seconds a session without a connection stays resumable
    #[arg(long, value_name = "SECONDS")]
    resume_window: Option<u64>,
    /// Milliseconds a cancelled agent has to end
    #[arg(long, value_name = "MS")]
    cancel_grace_ms: Option<u64>,
    /// Unacknowledged events above which a client receives a back-pressure warning
    #[arg(long, value_name = "EVENTS")]
    back_pressure: Option<u64>,
    /// Sessions that a principal may have at once
    #[arg(long, value_name = "COUNT")]
    session_limit: Option<usize>,
    /// Bytes that a streamed result may have
    #[arg(long, value_name = "BYTES")]
    result_limit: Option<u64>,
    /// Issue a credential for leases that name model.use
    #[arg(long)]
    creds: bool,
    /// Let any principal list and watch any job
    #[arg(long)]
    open_policy: bool,
    /// The dialect of all sessions [default: recognised from each hello]
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    compat: Option<Choice>,
    /// The async runtime to serve on
    #[arg(long, value_enum, default_value_t)]
    driver: Runtime,
    /// Jobs of one agent that run at once; further ones wait as pending
    #[arg(long, value_name = "N")]
    max_concurrent_jobs: Option<u32>,
    /// Keep sessions, jobs and events in this file, so that they outlive the process. Further shards keep theirs in FILE.1 and
    /// so on
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The number of shards
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: u32,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Runtime {
    #[default]
    Tokio,
    Smol,
}

/// A dialect, or `auto`.
#[derive(Clone, Copy, Debug)]
struct Choice(Option<Dialect>);

fn dialect(text: &str) -> Result<Choice, UnknownDialect> {
    if text == "auto" { Ok(Choice(None)) } else { text.parse().map(|dialect| Choice(Some(dialect))) }
}

impl Options {
    fn config(&self) -> Config {
        let mut config = Config::default();
        config.dialect = self.compat.and_then(|Choice(dialect)| dialect);
        if let Some(secs) = self.heartbeat {
            config.heartbeat_interval = Duration::from_secs(secs);
        }
        if let Some(secs) = self.resume_window {
            config.resume_window = Duration::from_secs(secs);
        }
        if let Some(ms) = self.cancel_grace_ms {
            config.cancel_grace = Duration::from_millis(ms);
        }
        if let Some(events) = self.back_pressure {
            config.limits.back_pressure = events;
        }
        if let Some(sessions) = self.session_limit {
            config.limits.sessions_per_principal = sessions;
        }
        if let Some(bytes) = self.result_limit {
            config.limits.result_bytes = bytes;
        }
        config
    }

    fn server<D: Driver>(&self, builder: ServerBuilder<D>) -> Result<Server<D>, BuildError> {
        let tokens = StaticTokens::new().with("tok-alice", "alice").with("tok-alice2", "alice").with("tok-bob", "bob");
        let mut builder = agents::offer(builder.config(self.config()).verifier(tokens));
        if self.open_policy {
            builder = builder.policy(AnyPrincipal);
        }
        if self.creds {
            builder = builder.provisioner(VirtualKeys);
        }
        if let Some(jobs) = self.max_concurrent_jobs {
            builder = agents::NAMES.iter().fold(builder, |builder, name| builder.max_concurrent(name, jobs));
        }
        if let Some(file) = &self.journal {
            let files = (0..self.shards).map(|shard| match shard {
                0 => file.clone(),
                _ => PathBuf::from(format!("{}.{shard}", file.display())),
            });
            let journals: Result<Vec<_>, _> =
                files.map(|file| SqliteJournal::open(&file, SqliteOptions::default())).collect();
            builder = builder.journals(journals?);
        }
        builder.shards(self.shards).build()
    }

    /// Serves the agents with a driver until a signal arrives.
    async fn serve<D: Driver>(&self) -> Result<(), Box<dyn Error>> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let server = self.server::<D>(Server::builder())?;
        announce(&server.listen(("127.0.0.1", self.port)).await?)?;
        stopped(&mut interrupt, &mut terminate).await;
        tokio::select! {
            _ = server.shutdown(Duration::from_secs(1)) => {}
            () = stopped(&mut interrupt, &mut terminate) => {}
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    logs::install();
    match options.driver {
        Runtime::Tokio => options.serve::<nuncio_tokio::Tokio>().await,
        Runtime::Smol => options.serve::<nuncio_smol::Smol>().await,
    }
}

fn announce(listening: &Listening) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "READY {} pid={}", listening.url(), std::process::id())?;
    out.flush()
}

async fn stopped(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
