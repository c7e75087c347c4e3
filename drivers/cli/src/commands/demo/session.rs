//! Reports what happens to the client's session.

use nuncio_tokio::arcp::{SessionEvent, SessionEvents};
use tokio::sync::mpsc::UnboundedSender;

use super::narration::narrate;

/// Something that happened to the client's session.
pub(super) enum SessionReport {
    Lost(String),
    Resumed,
    Trouble(String),
}

/// Reports what happens to the session, until it is over.
pub(super) async fn report_session<R: From<SessionReport>>(mut events: SessionEvents, reports: UnboundedSender<R>) {
    while let Some(event) = events.next().await {
        let report = match event {
            SessionEvent::Lost(reason) => SessionReport::Lost(reason.to_string()),
            SessionEvent::Live(welcome) if welcome.resumed => SessionReport::Resumed,
            SessionEvent::Gap { from, to } => SessionReport::Trouble(format!("events {from} to {to} are lost")),
            SessionEvent::Notice(fault) => SessionReport::Trouble(fault.to_string()),
            SessionEvent::Live(_) | SessionEvent::Reconnecting { .. } | SessionEvent::Over(_) => continue,
        };
        // Fails when the demonstration is over.
        drop(reports.send(report.into()));
    }
}

impl SessionReport {
    pub(super) fn narrate(&self) {
        match self {
            SessionReport::Lost(reason) => {
                narrate("client", &format!("loses its connection, and connects again: {reason}"));
            }
            SessionReport::Resumed => narrate("client", "has RESUMED the session"),
            SessionReport::Trouble(what) => narrate("client", what),
        }
    }
}
