//! Code shared by the test targets of this package.
//!
//! - [`cap_sim`]: the simulator of CAP: clients, workers and a router on a bus.
//! - [`caracal_sim`]: the simulator of Caracal: clients and their coordinator.
//! - [`fuzz`]: the bodies of the fuzz targets.
//! - [`mutations`]: deliberate mistakes in the core, which the tests must find.
//! - [`peers`]: foreign programs from the package registries, installed at first use, and processes that end with the
//!   test.
//! - [`proxy`]: a TCP proxy that cuts, stalls, half-closes and trickles at chosen bytes.
//! - [`raw`]: a WebSocket conversation in plain JSON frames, for frames that no client would send.
//! - [`sdk`]: the clients of the deployed SDKs, played by their recorded frames and their rules of correlation.
//! - [`seeded`]: what the simulators share.
//! - [`sim`]: the simulator of ARCP: a runtime, clients, hostile peers and a host, all driven by the bytes of a seed.
//! - [`temp_dir`]: a directory for a test's files.
//! - [`wire`]: the same for clients that follow no rules, and for servers that are killed: no failure panics.
//! - [`world`]: one runtime without IO in virtual time, with rules that are checked on every frame.

pub mod cap_sim;
pub mod caracal_sim;
pub mod fuzz;
pub mod mutations;
pub mod peers;
pub mod proxy;
pub mod raw;
pub mod sdk;
pub mod seeded;
pub mod sim;
pub mod temp_dir;
pub mod wire;
pub mod world;
