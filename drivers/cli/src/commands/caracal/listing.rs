//! Sessions and edges, as a coordinator lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nuncio_tokio::caracal::http_types::Request;
use nuncio_tokio::caracal::{InjectError, TransportError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::connection::Connected;
use super::refusals::advice_on;
use crate::error::Error;
use crate::text::eprint_line;

/// The most rows that are fetched.
const MAX_ROWS: usize = 10_000;

/// A session. The names are those of either generation when it is read, and the same for both when it is printed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Session {
    #[serde(rename(serialize = "session"), alias = "agent_session_id")]
    pub(super) id: String,
    #[serde(rename(serialize = "application"))]
    pub(super) application_id: String,
    #[serde(rename(serialize = "parent"))]
    pub(super) parent_id: Option<String>,
    pub(super) status: String,
    #[serde(alias = "spawned_at")]
    pub(super) started_at: Option<String>,
    #[serde(rename(serialize = "ended_at"), alias = "terminated_at", default)]
    pub(super) ended_at: Option<String>,
}

impl Session {
    pub(super) fn is_live(&self) -> bool {
        matches!(&*self.status, "active" | "suspended")
    }
}

/// An edge.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Edge {
    #[serde(rename(serialize = "edge"), alias = "delegation_edge_id")]
    pub(super) id: String,
    #[serde(rename(serialize = "from"))]
    pub(super) source_session_id: String,
    #[serde(rename(serialize = "to"))]
    pub(super) target_session_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) status: String,
    pub(super) expires_at: Option<String>,
}

impl Edge {
    pub(super) fn is_active(&self) -> bool {
        self.status == "active"
    }
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    error: Option<String>,
}

impl Connected {
    /// Fetches the sessions of the zone, the oldest first.
    pub(super) async fn sessions(&self) -> Result<Vec<Session>, Error> {
        let mut sessions: Vec<Session> = self.pages("agents").await?;
        sessions.reverse();
        Ok(sessions)
    }

    /// Fetches the edges from and to sessions, the oldest first, as far as the application may see them.
    pub(super) async fn edges(&self, sessions: &[Session]) -> Result<Vec<Edge>, Error> {
        let mut edges: BTreeMap<String, Edge> = BTreeMap::new();
        // A coordinator shows the edges of a session to its application alone.
        let own = sessions.iter().filter(|session| session.application_id == self.caracal.application().as_str());
        for session in own {
            for direction in ["inbound", "outbound"] {
                let path = format!("delegations/{direction}/{}", escaped(&session.id));
                let found: Vec<Edge> = self.pages(&path).await?;
                edges.extend(found.into_iter().map(|edge| (edge.id.clone(), edge)));
            }
        }
        Ok(edges.into_values().collect())
    }

    /// Returns whether the coordinator knows a session, also one that has ended; `None` if it does not say.
    pub(super) async fn knows(&self, session: &str) -> Option<bool> {
        let zone = escaped(self.caracal.zone().as_str());
        let (status, _) = self.get(&format!("{}/zones/{zone}/agents/{}", self.url, escaped(session))).await.ok()?;
        match status {
            200..300 => Some(true),
            404 => Some(false),
            _ => None,
        }
    }

    async fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let url = format!("{}/zones/{}/{path}", self.url, escaped(self.caracal.zone().as_str()));
        let (mut rows, mut cursor): (Vec<T>, Option<String>) = (Vec::new(), None);
        let mut cursors = BTreeSet::new();
        loop {
            if let Some(cursor) = &cursor
                && !cursors.insert(cursor.clone())
            {
                return Err(Error::Unanswered("the coordinator repeats the cursor of its listing".to_owned()));
            }
            let query = cursor.map_or_else(String::new, |cursor| format!("?cursor={}", escaped(&cursor)));
            let page: Page<T> = self.fetch(&format!("{url}{query}")).await?;
            let is_empty = page.items.is_empty();
            rows.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() || is_empty {
                return Ok(rows);
            }
            if rows.len() >= MAX_ROWS {
                eprint_line(&format!("nuncio: the coordinator has more than the {} that are shown", rows.len()));
                return Ok(rows);
            }
        }
    }

    async fn fetch<T: DeserializeOwned>(&self, url: &str) -> Result<T, Error> {
        let (status, body) = self.get(url).await?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(body.as_ref())
                .map_err(|error| Error::Unanswered(format!("the coordinator's answer cannot be read: {error}")));
        }
        let fault: Fault = serde_json::from_slice(body.as_ref()).unwrap_or_default();
        let advice = advice_on(status, fault.error.as_deref()).map(|advice| format!("; {advice}")).unwrap_or_default();
        let code = fault.error.map(|code| format!(": {code:?}")).unwrap_or_default();
        Err(Error::Refused(format!("the coordinator refused the listing with {status}{code}{advice}")))
    }

    /// Returns the status and the body of the answer.
    async fn get(&self, url: &str) -> Result<(u16, impl AsRef<[u8]>), Error> {
        let request = Request::get(url).body("").map_err(|error| Error::Usage(format!("--coordinator: {error}")))?;
        let answer = self.caracal.transport().send(request).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Error {
        let sentence = error.to_string();
        match error {
            TransportError::Inject(InjectError::Call(error)) => error.into(),
            TransportError::Inject(_) => Error::Usage(sentence),
            _ => Error::NoCoordinator(sentence),
        }
    }
}

/// Escapes a text for a segment of a path or the value of a query.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _infallible = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_is_not_part_of_a_segment_is_escaped() {
        assert_eq!(escaped("s/1?x ü-._~"), "s%2F1%3Fx%20%C3%BC-._~");
    }
}
