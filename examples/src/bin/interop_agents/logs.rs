//! Logging on stderr.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Logs at level `info` and above. `RUST_LOG` is ignored, because `tungstenite` logs whole frames, including tokens.
pub(crate) fn install() {
    let shown = Targets::new().with_default(LevelFilter::INFO).with_target("tungstenite", LevelFilter::WARN);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(shown);
    tracing_subscriber::registry().with(layer).init();
}
