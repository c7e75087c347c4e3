//! The interop agents: a fixed set of agents, tokens and input shapes for foreign clients and raw-frame probes.
//!
//! `cargo run -p nuncio-examples --bin interop_agents -- --port 7801`; `READY ws://127.0.0.1:PORT/arcp pid=N` on stdout says
//! that it listens.

mod agents;
mod authority;
mod provisioner;
mod streams;

use std::error::Error;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use nuncio_tokio::{AnyPrincipal, Compat, Config, Server, ServerBuilder, StaticTokens};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Every agent on offer; `--max-concurrent-jobs` is for each of them.
const AGENTS: [&str; 15] = [
    "echo",
    "slow",
    "stubborn",
    "progress",
    "chunks",
    "bigchunk",
    "rawchunks",
    "ops",
    "tools",
    "delegate",
    "rotate",
    "fail",
    "events",
    "flood",
    "ver",
];

/// Serves the interop agents on a loopback WebSocket
#[derive(Debug, Parser)]
struct Flags {
    /// Where to listen on 127.0.0.1; 0 takes a free port
    #[arg(long, default_value_t = 7801)]
    port: u16,
    /// Heartbeat interval
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    heartbeat: u32,
    /// How long a session without a connection can be resumed
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    resume_window: u32,
    /// How long a cancelled agent may go on
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    cancel_grace_ms: u64,
    /// Unacknowledged events above which a session is told of back-pressure
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000)]
    back_pressure: u64,
    /// Issue test credentials for leases that name `model.use`
    #[arg(long)]
    creds: bool,
    /// Let every principal list and watch all jobs
    #[arg(long)]
    open_policy: bool,
    /// Which form of the protocol is spoken
    #[arg(long, value_enum, default_value_t)]
    compat: Form,
    /// How many jobs of each agent run at once; further ones are pending
    #[arg(long, value_name = "N")]
    max_concurrent_jobs: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Form {
    /// What the client's hello asks for
    #[default]
    Auto,
    /// The specification to the letter
    Spec,
    /// What the Python SDK 1.1.3 survives
    #[value(name = "python-1.1")]
    Python11,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    log()?;
    // Before anybody is told where to send them.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = server(&flags).build()?;
    let listening = server.listen(("127.0.0.1", flags.port)).await?;
    let mut out = io::stdout();
    writeln!(out, "READY {} pid={}", listening.url(), std::process::id())?;
    out.flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    server.shutdown(Duration::ZERO).await;
    Ok(())
}

fn server(flags: &Flags) -> ServerBuilder {
    let config = Config {
        heartbeat_interval_secs: flags.heartbeat,
        resume_window_secs: flags.resume_window,
        cancel_grace: flags.cancel_grace_ms.saturating_mul(1_000),
        back_pressure: flags.back_pressure,
        compat: match flags.compat {
            Form::Auto => Compat::Auto,
            Form::Spec => Compat::Spec,
            Form::Python11 => Compat::Python11,
        },
        ..Config::default()
    };
    let tokens = StaticTokens::new().with("tok-alice", "alice").with("tok-alice2", "alice").with("tok-bob", "bob");
    let mut server = Server::builder().config(config).verifier(tokens);
    if flags.open_policy {
        server = server.policy(AnyPrincipal);
    }
    if flags.creds {
        server = server.provisioner(provisioner::Issuer);
    }
    if let Some(jobs) = flags.max_concurrent_jobs {
        server = AGENTS.iter().fold(server, |server, agent| server.max_concurrent(agent, jobs));
    }
    authority::offer(streams::offer(agents::offer(server)))
}

/// Logs on stderr: warnings, or what `RUST_LOG` says (`target=level,…`); never the frames that tungstenite would show.
fn log() -> Result<(), Box<dyn Error>> {
    let wanted: Targets = match std::env::var("RUST_LOG") {
        Ok(text) => text.parse()?,
        Err(_) => Targets::new().with_default(LevelFilter::WARN),
    };
    let tells_no_secret = |metadata: &Metadata<'_>| {
        !metadata.target().starts_with("tungstenite") || *metadata.level() <= LevelFilter::INFO
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(layer.with_filter(wanted.and(filter_fn(tells_no_secret)))).init();
    Ok(())
}
