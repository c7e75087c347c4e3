//! One small program per feature, in `src/bin/`; each checks itself and ends with status 0 only if all was right.
//!
//! `cargo run -p nuncio-examples --bin NAME`; the first lines of each file say what it shows. Two are larger:
//! `interop_agents` serves the agents that foreign clients are tested with, and `throughput` measures.
