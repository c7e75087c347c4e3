//! What the test targets of this package share.
//!
//! - [`fuzz`]: the bodies of the fuzz targets.
//! - [`mutations`]: deliberate mistakes in the core, which the tests must find.
//! - [`world`]: one runtime without IO, in virtual time, with the standing checks of every frame.
//! - [`peers`]: foreign programs from the package registries, installed at first use, and processes that end with the test.
//! - [`proxy`]: a TCP proxy that cuts, stalls, delays, half-closes and trickles at chosen bytes.
//! - [`sim`]: the simulator: a runtime, clients, hostile peers and a host, all driven by the bytes of a seed.
//! - [`raw`]: a WebSocket conversation in plain JSON frames, for what no client would send.

pub mod fuzz;
pub mod mutations;
pub mod peers;
pub mod proxy;
pub mod raw;
pub mod sim;
pub mod world;
