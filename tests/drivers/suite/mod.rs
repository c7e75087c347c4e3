use super::{client, server};

mod chaos;
mod clock;
mod context;
mod jobs;
mod journal;
mod provision;
mod resume;
mod serve;
mod support;
mod take_up;
mod tls;
