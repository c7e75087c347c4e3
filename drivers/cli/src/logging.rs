//! Logs on stderr.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::text::eprint_line;

/// Logs events of `level` and above, or those that `RUST_LOG` selects (`target=level,…`).
pub(crate) fn install(level: LevelFilter) {
    let variable = std::env::var("RUST_LOG").ok();
    let parsed = variable.as_deref().map(str::parse::<Targets>).transpose();
    let selected = parsed.as_ref().ok().cloned().flatten().unwrap_or(Targets::new().with_default(level));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_filter(selected.and(filter_fn(is_free_of_secrets)));
    tracing_subscriber::registry().with(layer).init();
    if let Err(error) = parsed {
        eprint_line(&format!("nuncio: RUST_LOG is not valid and is ignored: {error}"));
    }
}

/// Below `info`, tungstenite logs whole frames, tokens included. `RUST_LOG` cannot turn that on.
fn is_free_of_secrets(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("tungstenite") || *metadata.level() <= LevelFilter::INFO
}
