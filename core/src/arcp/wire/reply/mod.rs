//! The frames that a runtime sends: welcome, errors, answers, events and terminals (§6–§8).

pub(crate) mod read;
mod write;

pub(crate) use self::write::{
    Form, Subscribed, Success, accepted, cancelled, capabilities, error, event, failure, jobs, refused, row,
    subscribed, success,
};
