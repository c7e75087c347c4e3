//! One small program per feature, in `src/bin/`. Each checks its own results and exits with status 0 if they are right.
//!
//! Run one with `cargo run -p nuncio-examples --bin NAME`. Three are larger: `interop_agents` serves the agents for
//! tests of foreign clients, `own_loop` serves some of them without an async runtime, and `throughput` measures speed.
