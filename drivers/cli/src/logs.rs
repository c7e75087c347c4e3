//! Logs, on stderr.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Shows what is at `level` or above, or what `RUST_LOG` says (`target=level,…`). Nothing of tungstenite below `info` is ever shown,
/// whatever it says: there are whole frames in it, tokens included.
pub(crate) fn install(level: LevelFilter) {
    let asked = std::env::var("RUST_LOG").ok();
    let parsed = asked.as_deref().map(str::parse::<Targets>).transpose();
    let wanted = parsed.as_ref().ok().cloned().flatten().unwrap_or(Targets::new().with_default(level));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_filter(wanted.and(filter_fn(tells_no_secret)));
    tracing_subscriber::registry().with(layer).init();
    if let Err(error) = parsed {
        tracing::error!(%error, "RUST_LOG cannot be read and is ignored");
    }
}

fn tells_no_secret(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("tungstenite") || *metadata.level() <= LevelFilter::INFO
}
