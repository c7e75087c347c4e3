//! tokio
mod agent;
mod auth;
mod clock;
mod conn;
mod context;
mod delegate;
mod effect;
mod error;
mod pipe;
mod provision;
mod server;
mod shared;
mod stdio;
mod thread;
mod writer;
pub use server::*;
pub use thread::IoThread;
