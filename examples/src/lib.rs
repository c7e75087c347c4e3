//! One small program per feature, in `src/bin/`; each checks itself and ends with status 0 only if all was right.
//!
//! `cargo run -p nuncio-examples --bin NAME`. The larger ones: `interop_agents` serves the agents that foreign clients are
//! tested with, `own_loop` serves some of them without an async runtime, and `throughput` measures.
