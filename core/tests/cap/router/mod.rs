//! Tests of the router through its public interface: what goes in are packets and answers, what comes out are lines.

mod cancel;
mod life;
mod policy;
mod support;
