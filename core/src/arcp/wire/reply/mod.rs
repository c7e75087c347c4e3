//! The frames that a runtime sends: welcome, errors, answers, events and terminals (§6–§8).

pub(crate) mod read;
mod write;

pub(crate) use self::write::{
    Form, RowExtras, SESSIONS, SessionRow, Subscribed, Success, accepted, answered, cancelled, capabilities, error,
    event, failure, jobs, question, questions, refused, row, session, sessions, subscribed, success,
};
