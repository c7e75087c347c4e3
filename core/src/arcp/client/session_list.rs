//! Lists of the sessions of a runtime (ours).

use alloc::boxed::Box;

use bytes::Bytes;

use super::Client;
use super::event::ClientEvent;
use super::requests::{Ask, Request};
use super::types::{ClientRefused, RequestId};
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::reply::read::{Sessions, payload};
use crate::arcp::wire::request::args::SessionQuery;
use crate::arcp::wire::request::write;
use crate::time::Time;

impl Client {
    /// Asks for a page of the sessions of the runtime (ours): all of them for an operator, and those of its own principal for
    /// others. [`Sessions`](super::ClientEvent::Sessions) or [`RequestFailed`](super::ClientEvent::RequestFailed) answers.
    ///
    /// A runtime other than Nuncio's refuses the request, or does not answer it.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a limit, and for a closed client.
    ///
    /// ```
    /// use nuncio_core::arcp::client::{ClientEvent, SessionQuery};
    /// use nuncio_core::arcp::{Client, ClientConfig, ClientOutput, Secret};
    /// use nuncio_core::time::Time;
    /// use serde_json::{Value, json};
    ///
    /// let now = Time(1_779_000_000_000_000);
    /// let mut client = Client::new(ClientConfig::new(Secret::new("token")), [7; 32], now);
    /// client.handle_open(now);
    /// let welcome = json!({"arcp": "1.1", "id": "w", "type": "session.welcome", "session_id": "sess_1", "payload": {}});
    /// client.handle_frame(now, &welcome.to_string().into());
    /// while client.poll_output().is_some() {}
    /// client.handle_sent(now, 1);
    ///
    /// client.list_sessions(now, &SessionQuery { limit: Some(50), ..SessionQuery::default() })?;
    /// let Some(ClientOutput::Send(request)) = client.poll_output() else { panic!("no request") };
    /// let request: Value = serde_json::from_slice(&request)?;
    /// assert_eq!(request["payload"], json!({"limit": 50}));
    ///
    /// let sessions = json!([{"session_id": "sess_1", "principal": "me", "state": "live", "jobs": 0, "last_event_seq": 0}]);
    /// let payload = json!({"request_id": request["id"], "sessions": sessions});
    /// let answer = json!({"arcp": "1.1", "id": "s", "type": "x-vendor.nuncio.sessions", "payload": payload});
    /// client.handle_frame(now, &answer.to_string().into());
    /// let Some(ClientOutput::Event(ClientEvent::Sessions { page, .. })) = client.poll_output() else { panic!("no page") };
    /// assert_eq!((page.sessions[0].principal.as_str(), page.next_cursor), ("me", None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn list_sessions(&mut self, now: Time, query: &SessionQuery<'_>) -> Result<RequestId, ClientRefused> {
        self.advance(now);
        self.request(Request::new(Ask::Sessions, write::list_sessions(query)))
    }

    /// Takes an `x-vendor.nuncio.sessions`: a page of sessions.
    pub(super) fn on_sessions(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let sessions: Sessions<'_> = payload(envelope);
        let quote = self.quote(envelope);
        let Some(request) = self.answered_by(quote.as_deref(), |request| request.ask == Ask::Sessions) else { return };
        self.requests.remove(request);
        self.emit(ClientEvent::Sessions { request, page: Box::new(sessions.page()) }, frame.len());
    }
}
