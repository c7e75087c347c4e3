use serde::Deserialize;

use super::fault::MandateFault;
use crate::auth::JwtError;

/// What a verified mandate says. The layer of a server adds it to the extensions of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mandate {
    /// The subject (`sub`).
    pub subject: String,
    /// The application (`client_id`).
    pub application: String,
    /// The zone (`zone_id`).
    pub zone: String,
    /// What the token is for (`use`).
    pub used: String,
    /// The id of the token (`jti`).
    pub id: String,
    /// The scopes (`scope`).
    pub scopes: Vec<Box<str>>,
    /// The resources that it is for (`target`).
    pub targets: Vec<Box<str>>,
    /// The agent session (`agent_session_id`).
    pub session: Option<String>,
    /// The delegation edge (`delegation_edge_id`).
    pub edge: Option<String>,
    /// The authority record of the subject (`sid`).
    pub authority: String,
    /// The authority record at the beginning of the chain (`root_sid`), since 1.0.
    pub root_authority: Option<String>,
    /// The number of delegations (`hop_count`).
    pub hops: u64,
    /// The delegations that the authority has come over, the first one first (`delegation_chain`).
    pub chain: Vec<MandateHop>,
    /// The number of changes of the zone's edges when the token was issued (`delegation_graph_epoch`).
    pub epoch: Option<u64>,
}

/// One delegation in the chain of a [`Mandate`]. The words of both generations are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct MandateHop {
    /// The application (`app`, since 1.0 `application_id`).
    #[serde(alias = "app", rename = "application_id")]
    pub application: Option<Box<str>>,
    /// The agent session (`session`, since 1.0 `agent_session_id`).
    #[serde(alias = "session", rename = "agent_session_id")]
    pub session: Option<Box<str>>,
    /// The edge (`edge`, since 1.0 `delegation_edge_id`).
    #[serde(alias = "edge", rename = "delegation_edge_id")]
    pub edge: Option<Box<str>>,
}

impl Mandate {
    /// Returns the ids whose revocation revokes the mandate: authority records, session and edge.
    pub fn anchors(&self) -> impl Iterator<Item = &str> {
        let optional = [&self.root_authority, &self.session, &self.edge];
        std::iter::once(&*self.authority).chain(optional.into_iter().flatten().map(|id| &**id))
    }
}

/// The claims as they are written. Lifetime, audience and issuer are checked with the signature.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: Option<String>,
    client_id: Option<String>,
    zone_id: Option<String>,
    #[serde(rename = "use")]
    used: Option<String>,
    jti: Option<String>,
    iat: Option<serde_json::Number>,
    sid: Option<String>,
    root_sid: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    target: Vec<Box<str>>,
    agent_session_id: Option<String>,
    delegation_edge_id: Option<String>,
    #[serde(default)]
    hop_count: u64,
    #[serde(default)]
    delegation_chain: Vec<MandateHop>,
    delegation_graph_epoch: Option<u64>,
}

impl Claims {
    pub(super) fn read(self) -> Result<Mandate, MandateFault> {
        let missing = |name: &str| MandateFault::Token(JwtError::Missing(name.to_owned()));
        let present =
            |claim: Option<String>, name: &str| claim.filter(|text| !text.is_empty()).ok_or_else(|| missing(name));
        if self.iat.is_none() {
            return Err(missing("iat"));
        }
        Ok(Mandate {
            subject: present(self.sub, "sub")?,
            application: present(self.client_id, "client_id")?,
            zone: present(self.zone_id, "zone_id")?,
            used: present(self.used, "use")?,
            id: present(self.jti, "jti")?,
            scopes: self.scope.split_ascii_whitespace().map(Into::into).collect(),
            targets: self.target,
            session: self.agent_session_id.filter(|id| !id.is_empty()),
            edge: self.delegation_edge_id.filter(|id| !id.is_empty()),
            authority: present(self.sid, "sid")?,
            root_authority: self.root_sid.filter(|id| !id.is_empty()),
            hops: self.hop_count,
            chain: self.delegation_chain,
            epoch: self.delegation_graph_epoch,
        })
    }
}
