use super::{client, server};

mod chaos;
mod clock;
mod connecting;
mod context;
mod failures;
mod handover;
mod jobs;
mod journal;
mod provision;
mod requests;
mod rerun;
mod results;
mod resume;
mod serve;
mod shutdown;
mod support;
mod tls;
