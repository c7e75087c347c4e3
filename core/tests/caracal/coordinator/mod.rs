//! The coordinator: conformance by section, the recorded exchanges, properties, and clients and a coordinator together.

mod attenuation;
mod authority;
mod compaction;
mod fixtures;
mod leases;
mod limits;
mod reading;
mod receipts;
mod restore;
mod sessions;
mod support;
mod together;
mod tokens;
mod transcript;
mod wall;
