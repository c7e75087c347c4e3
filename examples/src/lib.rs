//! One small program per feature, in `src/bin/`. Each checks its own results and exits with status 0 if they are right.
//!
//! Run one with `cargo run -p nuncio-examples --bin NAME`. Six are larger: `interop_agents` serves the agents for
//! tests of foreign clients, `own_loop` serves some of them without an async runtime, and `bench`, `cap_bench`,
//! `caracal_bench` and `shards_bench` measure speed.
//!
//! Those of CAP need no server, for they use the bus and the blob store within the process: `cap_echo` (a worker, a router
//! and a client that sign their packets), `cap_typed` (inputs and outputs with types, progress, retries), `cap_middleware`,
//! `cap_metrics`, `cap_router` (a policy that denies, and a person who approves), `cap_testing`, `cap_bridge` (a server of
//! ARCP whose jobs run on workers). `cap_bench` starts a
//! nats-server and a redis-server, which have to be installed.
//!
//! Those of Caracal bring a coordinator along: `caracal_spawn` (a session and its lifetime), `caracal_nested` (sessions
//! below each other, and tasks), `caracal_delegate` (an edge to another application, and its revocation),
//! `caracal_transport` (calls by reqwest, and redirects), `caracal_gateway` (calls of resources through a gateway),
//! `caracal_inbound` (an axum server that runs each request in the context of its caller), `caracal_batch` (a whole program,
//! with its settings from the environment), `caracal_arcp` (an ARCP server whose clients have mandates and whose agents act
//! in sessions).

pub mod bench;
pub mod caracal;
