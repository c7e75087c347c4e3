use super::{client, server};

mod chaos;
mod context;
mod jobs;
mod provision;
mod resume;
mod serve;
mod support;
mod take_up;
