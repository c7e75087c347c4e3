//! Tests of the worker through its public interface: what goes in are packets and answers, what comes out are lines.

mod alerts;
mod duplicates;
mod failures;
mod life;
mod limits;
mod presence;
mod properties;
mod reports;
mod reruns;
mod signs;

#[cfg(feature = "p256")]
mod signed;
mod stored;
mod support;
mod wall;
