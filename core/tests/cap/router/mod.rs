//! Tests of the router through its public interface: what goes in are packets and answers, what comes out are lines.

mod cancel;
mod duplicates;
mod life;
mod limits;
mod policy;
#[cfg(feature = "p256")]
mod production;
mod records;
mod retries;
mod signs;
#[cfg(feature = "p256")]
mod superseded;
mod support;
mod together;
#[cfg(feature = "p256")]
mod trust;
mod wall;
#[cfg(feature = "p256")]
mod wall_production;
mod workers;
