//! The runtime of the F# SDK 1.0.0, as its source is described. There is no fixture of its frames.

use super::{Ended, Naming, Refusal, Resume, Row};

pub(crate) const ROW: Row = Row {
    name: "F#",
    welcome: || WELCOME.to_owned(),
    naming: Naming::EnvelopeId,
    refusal: Refusal::SessionError,
    resume: Resume::Message,
    ended: Ended::Status,
    result: "result",
    numbers_cancelled: false,
    numbers_terminals: true,
    is_hasty: false,
    shows_owner: false,
    streams_after_resume: true,
    renews_subscriptions: true,
    traces: false,
};

const WELCOME: &str = r#"{"arcp":"1.1","id":"","type":"session.welcome","session_id":"sess_f1","payload":{"runtime":{"name":"arcp-fsharp","version":"1.0.0"},"resume_token":"RESUME-TOKEN","resume_window_sec":600,"capabilities":{"encodings":["json"],"features":["ack","list_jobs","subscribe"],"agents":["echo"]}}}"#;
